"""Comma-separated text: a file a stream, one line a row, with what is known of it in JSON beside it.

::

    OUTPUT/session.json  events.csv  labels.csv
    OUTPUT/<stream>.csv   time_ns, time_s, time_bound_ns, time_host_ns, time_device_ns, seq, values [unit] ...
    OUTPUT/<stream>.json  units, frame of reference, device, rate, ledger ...

Times are whole nanoseconds; ``time_s`` has the same nine decimals. Numbers are the shortest text that reads
back as the same number of the stream's type. Of pictures, the times alone are here.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from drivers.base import NO_TIME
from recordings.exporters.facts import session_facts, stream_facts, value_names, value_units
from recordings.exporters.rows import Rows, rows_of
from recordings.reader import Recording
from recordings.stream_reader import StreamReader

FOLDER = True
TAKES = "streams of any kind; of pictures, their times"

MOST_VALUES = 4096
"""More columns than this open in no spreadsheet: of heatmaps, the times alone are written."""


def takes(stream: StreamReader) -> bool:
    """Return True: each stream has times."""
    return True


def write(recording: Recording, streams: list[StreamReader], target: Path, raw: bool) -> list[str]:
    """Write the folder; see :class:`recordings.exporters.export.Exporter`."""
    notes = []
    _json(target / "session.json", session_facts(recording, raw))
    for stream in streams:
        values = has_values(stream)
        if not values:
            notes.append(f"{stream.info.name}: times only, its data is no table")
        _stream(stream, target / f"{stream.info.name}.csv", values, raw)
        _json(target / f"{stream.info.name}.json", {**stream_facts(stream), "values": values})
    _table(
        target / "events.csv",
        ("time_ns", "time_s", "kind", "label", "source"),
        [
            (event.time, seconds(event.time), event.kind, event.label, event.source)
            for event in recording.events
        ],
    )
    _table(
        target / "labels.csv",
        ("start_ns", "stop_ns", "start_s", "stop_s", "action", "who"),
        [
            (la.start, la.stop, seconds(la.start), seconds(la.stop), la.action, la.who)
            for la in recording.labels
        ],
    )
    if raw and (recording.events or recording.labels):
        notes.append("events and labels: they have session times only")
    return notes


def has_values(stream: StreamReader) -> bool:
    """Whether the rows are written beside their times."""
    return (
        stream.info.kind != "camera"
        and not stream.withheld
        and int(np.prod(stream.info.shape, dtype=np.int64)) <= MOST_VALUES
    )


def seconds(time_ns: int) -> str:
    """Return ns as text in s, exactly."""
    sign, whole = ("-" if time_ns < 0 else ""), abs(int(time_ns))
    return f"{sign}{whole // 1_000_000_000}.{whole % 1_000_000_000:09}"


def _stream(stream: StreamReader, path: Path, values: bool, raw: bool) -> None:
    head = ["time_ns", "time_s", "time_bound_ns", "time_host_ns", "time_device_ns", "seq"]
    if values:
        named = zip(value_names(stream), value_units(stream), strict=True)
        head += [f"{name} [{unit}]" if unit else name for name, unit in named]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        for rows in rows_of(stream):
            writer.writerows(_lines(rows, values, raw))


def _lines(rows: Rows, values: bool, raw: bool) -> list[list[object]]:
    lines: list[list[object]] = []
    texts = None
    if values and rows.data is not None:
        texts = rows.data.reshape(len(rows), -1).astype(str).tolist()  # numpy's shortest, by type
    for i, time in enumerate(rows.times(raw).tolist()):
        device = int(rows.time_device[i])
        lines.append(
            [
                time,
                seconds(time),
                int(rows.time_bound[i]),
                int(rows.time_host[i]),
                "" if device == NO_TIME else device,
                int(rows.seq[i]),
                *(texts[i] if texts is not None else ()),
            ]
        )
    return lines


def _table(path: Path, head: tuple[str, ...], lines: list[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(lines)


def _json(path: Path, facts: dict[str, object]) -> None:
    path.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", "utf-8")
