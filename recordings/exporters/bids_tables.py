"""The tables of Motion-BIDS: participants, channels and events, each with what its columns mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from recordings.exporters.csv_files import seconds
from recordings.exporters.facts import FRAMES, value_names, value_units
from recordings.metadata import NUMBERS, WORDS
from recordings.reader import Recording
from recordings.stream_reader import StreamReader

TYPES = {
    "specific_force": "ACCEL",
    "angular_rate": "GYRO",
    "magnetic_field": "MAGN",
    "orientation": "ORNT",
}
"""Channel type in BIDS by a Chorus channel's name without its axis."""

FRAME_OF = {"ACCEL": "sensor", "GYRO": "sensor", "MAGN": "sensor", "ORNT": "device", "POS": "pose"}

FRAME_WORDS = {
    "sensor": f"Axes of the sensor. {FRAMES['imu'].capitalize()}",
    "device": "Orientation of the sensor's axes in the earth frame of the device, as it tells it",
    "pose": FRAMES["pose"].capitalize(),
}

Rows = list[tuple[str, ...]]


def channels_of(stream: StreamReader) -> tuple[Rows, dict[str, Any]]:
    """Return channels.tsv (header first; LATENCY, then a row for each value) and channels.json."""
    info = stream.info
    place = info.worn_on if info.worn_on not in ("", "unspecified") else "n/a"
    head = ("name", "component", "type", "tracked_point", "units", "placement", "reference_frame")
    rows: Rows = [head, ("latency", "n/a", "LATENCY", "n/a", "s", "n/a", "n/a")]
    for name, unit in zip(value_names(stream), value_units(stream), strict=True):
        joint, _, channel = name.rpartition(".")
        kind, component = _type(channel, unit, pose=info.kind == "pose")
        point = joint or (place if place != "n/a" else info.name)
        unit = unit if unit not in ("", "1") else "n/a"
        rows.append((name, component, kind, point, unit, place, FRAME_OF.get(kind, "n/a")))
    frames = {row[-1] for row in rows[1:]} - {"n/a"}
    levels = {frame: {"Description": FRAME_WORDS[frame]} for frame in sorted(frames)}
    return rows, {"reference_frame": {"Levels": levels}} if levels else {}


def _type(channel: str, unit: str, *, pose: bool) -> tuple[str, str]:
    """Return type and component of a channel."""
    found = re.fullmatch(r"(.*?)_?([wxyz])", channel)
    if found and found[1] in TYPES:
        kind = TYPES[found[1]]
        return kind, f"quat_{found[2]}" if kind == "ORNT" else found[2]
    if pose and found and found[2] != "w" and found[1] in ("", "position") and unit in ("m", "mm", "cm"):
        return "POS", found[2]
    return "MISC", "n/a"


def participant(metadata: Mapping[str, str], subject: str) -> tuple[Rows, dict[str, Any]]:
    """Return participants.tsv (header first) and participants.json of one subject."""
    known = [name for name in (*NUMBERS, *WORDS) if name in metadata]
    rows: Rows = [
        ("participant_id", *known),
        (f"sub-{subject}", *(metadata[name] for name in known)),
    ]
    meanings: dict[str, Any] = {"participant_id": {"Description": "Label of the participant"}}
    for name in known:
        meanings[name] = {"Description": f"{name.capitalize()} of the participant"}
        if name in NUMBERS:
            unit = {"years": "year"}.get(NUMBERS[name][0], NUMBERS[name][0])
            meanings[name]["Units"] = unit
        else:
            meanings[name]["Levels"] = {word: word for word in WORDS[name]}
    return rows, meanings


def events_of(recording: Recording, onset: int) -> Rows:
    """Return events.tsv (header first): labels with their duration, and all other events, in order."""
    found = [
        (label.start, label.stop - label.start, label.action, "label", label.who)
        for label in recording.labels
    ]
    found += [
        (event.time, 0, event.label or event.kind, event.kind, event.source)
        for event in recording.events
        if event.kind not in ("label_start", "label_stop")
    ]
    rows: Rows = [("onset", "duration", "trial_type", "kind", "source")]
    rows += [
        (seconds(time - onset), seconds(duration), what, kind, source)
        for time, duration, what, kind, source in sorted(found)
    ]
    return rows


def events_sidecar() -> dict[str, Any]:
    """Return what the columns of events.tsv mean."""
    return {
        "onset": {"Description": "Since the acq_time of the motion file of the same tracksys", "Units": "s"},
        "duration": {"Description": "0 for a moment", "Units": "s"},
        "trial_type": {"Description": "Words of the marker, action of the label"},
        "kind": {"Description": "label: a stretch of time; mark: a marker; others as Chorus tells them"},
        "source": {"Description": "Stream, person or program that said so"},
    }
