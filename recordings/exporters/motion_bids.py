"""Motion-BIDS: a data set that BIDS tools take, each IMU a tracking system of its own.

https://bids-specification.readthedocs.io/en/stable/modality-specific-files/motion.html::

    OUTPUT/dataset_description.json  README  participants.tsv/.json  task-<task>_events.json
    OUTPUT/sub-<subject>/[ses-<session>/]  sub-..._scans.tsv     acq_time: UTC of each recording's onset
        motion/sub-..._task-<task>_tracksys-<imu>_motion.tsv     no header; LATENCY first, then the channels
               ..._motion.json  ..._channels.tsv/.json  ..._events.tsv

BIDS has microseconds in ``acq_time``. A recording's onset is therefore its first sample's time, rounded
down to one, and LATENCY counts from there: the sum of both is exact to the nanosecond.
"""

from __future__ import annotations

import datetime
import itertools
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recordings.exporters.bids_tables import channels_of, events_of, events_sidecar, participant
from recordings.exporters.csv_files import seconds
from recordings.exporters.facts import session_facts, stream_facts
from recordings.exporters.rows import rows_of
from recordings.layout import software
from recordings.reader import Recording
from recordings.stream_reader import StreamReader

FOLDER = True
TAKES = "IMUs and poses whose data was stored"

VERSION = "1.10.0"
"""Of BIDS."""

MOST_VALUES = 4096

Json = dict[str, Any]


def takes(stream: StreamReader) -> bool:
    """Whether the stream is motion."""
    few = int(np.prod(stream.info.shape, dtype=np.int64)) <= MOST_VALUES
    return stream.info.kind in ("imu", "pose") and few and not stream.withheld and len(stream) > 0


def write(recording: Recording, streams: list[StreamReader], target: Path, raw: bool) -> list[str]:
    """Write the folder; see :class:`recordings.exporters.export.Exporter`."""
    session, notes = recording.session, []
    subject, task = _label(session.subject, "unknown"), _label(session.task, "unnamed")
    if not session.subject or not session.task:
        notes.append(
            f"subject is '{subject}', task '{task}': chorus note FILE --subject=S01 --task=walk names them"
        )
    group = f"ses-{_label(session.metadata['session'], 'x')}" if "session" in session.metadata else ""
    folder = target / f"sub-{subject}" / group / "motion"
    folder.mkdir(parents=True)
    name = "_".join(filter(None, (f"sub-{subject}", group)))
    _about(recording, target, subject, task)
    dated = session.utc_ns > 0 and not raw
    if not dated:
        notes.append("acq_time is n/a: no UTC is known of these times; StartTime has the onsets, s")
    scans = []
    for stream, system in zip(streams, _systems(streams), strict=True):
        stem = f"{name}_task-{task}_tracksys-{system}"
        onset = _onset(stream, session.utc_ns if dated else 0, raw)
        _motion(stream, folder / f"{stem}_motion.tsv", onset, raw)
        _write_json(folder / f"{stem}_motion.json", _sidecar(recording, stream, onset, raw))
        channels, frames = channels_of(stream)
        _table(folder / f"{stem}_channels.tsv", channels)
        _write_json(folder / f"{stem}_channels.json", frames)
        if not raw and (recording.events or recording.labels):
            _table(folder / f"{stem}_events.tsv", events_of(recording, onset))
        scans.append((f"motion/{stem}_motion.tsv", _utc(session.utc_ns + onset) if dated else "n/a"))
    _table(folder.parent / f"{name}_scans.tsv", [("filename", "acq_time"), *scans])
    if raw and (recording.events or recording.labels):
        notes.append("events and labels: left out, they have session times only")
    elif recording.events or recording.labels:
        _write_json(target / f"task-{task}_events.json", events_sidecar())
    return notes


def _label(text: str, otherwise: str) -> str:
    """Return a text as a BIDS label: letters and digits alone."""
    return re.sub(r"[^A-Za-z0-9]", "", text) or otherwise


def _systems(streams: Iterable[StreamReader]) -> list[str]:
    """Return a label for each stream, no two the same."""
    labels: list[str] = []
    for stream in streams:
        label = _label(stream.info.name, "system")
        tries = itertools.chain([label], (f"{label}x{number}" for number in itertools.count(2)))
        labels.append(next(one for one in tries if one not in labels))
    return labels


def _onset(stream: StreamReader, utc_ns: int, raw: bool) -> int:
    """Return the time of the first sample, ns, rounded down to a whole microsecond of UTC."""
    first = int(stream.stamps["time_host" if raw else "time"][0])
    return first - (utc_ns + first) % 1000


def _utc(time_ns: int) -> str:
    whole = datetime.datetime.fromtimestamp(time_ns // 1_000_000_000, datetime.UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{time_ns % 1_000_000_000 // 1000:06}Z"


def _motion(stream: StreamReader, path: Path, onset: int, raw: bool) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for rows in rows_of(stream):
            assert rows.data is not None
            values = rows.data.reshape(len(rows), -1)
            texts = values.astype(str)  # numpy's shortest, by type
            if values.dtype.kind == "f":
                texts = np.where(np.isfinite(values), texts, "n/a")
            for time, row in zip(rows.times(raw).tolist(), texts.tolist(), strict=True):
                file.write("\t".join((seconds(time - onset), *row)) + "\n")


def _sidecar(recording: Recording, stream: StreamReader, onset: int, raw: bool) -> Json:
    info, session = stream.info, recording.session
    table, _ = channels_of(stream)
    types = [row[table[0].index("type")] for row in table[1:]]
    points = {row[table[0].index("tracked_point")] for row in table[1:]} - {"n/a"}
    rate = stream.rate_effective_hz or info.rate_hz
    time = stream.stamps["time_host" if raw else "time"]
    counts = {
        f"{kind}ChannelCount": types.count(kind) for kind in dict.fromkeys((*types, "ACCEL", "GYRO", "MAGN"))
    }
    return {
        "TaskName": session.task or "unnamed",
        "SamplingFrequency": info.rate_hz or rate,
        "SamplingFrequencyEffective": rate,
        "TrackingSystemName": info.name,
        "ManufacturersModelName": info.device or "n/a",
        "SoftwareVersions": session.software or "n/a",
        "RecordingDuration": int(time[-1] - time[0]) * 1e-9,
        "StartTime": onset * 1e-9,
        "MotionChannelCount": len(types),
        "TrackedPointsCount": len(points),
        **counts,
        "MissingValues": "n/a",
        "Chorus": {
            "onset_ns": onset,
            "utc_uncertainty_ns": session.utc_uncertainty_ns,
            "stream": stream_facts(stream),
            "session": {k: v for k, v in session_facts(recording, raw).items() if k != "rig"},
        },
    }


def _about(recording: Recording, target: Path, subject: str, task: str) -> None:
    """Write what is known of the data set and of who takes part."""
    session = recording.session
    name, _, version = software().partition(" ")
    title = " ".join(filter(None, (session.subject, session.task))) or session.id
    description = {
        "Name": f"Chorus session {title}",
        "BIDSVersion": VERSION,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": name, "Version": version, "Description": "chorus export --to motion-bids"}],
    }
    _write_json(target / "dataset_description.json", description)
    (target / "README").write_text(
        f"Chorus session {session.id}, task {task}, recorded by {session.software or 'Chorus'}.\n\n"
        "Each tracksys is one sensor. The first channel of each motion file is LATENCY, s since the acq_time "
        "of that file in scans.tsv: their sum is the sample's UTC, and differences between systems are exact "
        "to the nanosecond. Specific force contains gravity: a sensor at rest shows 9.81 m/s^2 upwards. Rows "
        "that were lost are not there; LATENCY shows the gap, and the ledger under Chorus in motion.json "
        "counts them.\n",
        "utf-8",
    )
    rows, meanings = participant(session.metadata, subject)
    _table(target / "participants.tsv", rows)
    _write_json(target / "participants.json", meanings)


def _table(path: Path, rows: Iterable[Sequence[str]]) -> None:
    lines = ("\t".join(" ".join(cell.split()) or "n/a" for cell in row) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="")


def _write_json(path: Path, content: Json) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
