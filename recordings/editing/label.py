"""Labels added to a session afterwards, from a table of intervals: ``chorus label``.

Events and rows stay as they were recorded; only the table of labels changes, and the history says so.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from drivers.errors import DataError
from recordings.editing.copying import history, refuse_damage, rewrite
from recordings.exporters.csv_files import seconds
from recordings.label_table import Bounds, read_labels
from recordings.labels import Label
from recordings.reader import Recording, open_recording


def label(path: Path | str, table: Path | str, *, replace: bool = False) -> list[Label]:
    """Add the intervals of a table to a session's labels; return all it has now.

    Args:
        path: the session file.
        table: a CSV file, see :mod:`recordings.label_table`.
        replace: the table takes the place of the labels that are there; one without lines takes them away.

    Raises:
        DataError: the table is malformed, leaves the session, or overlaps a label that stays.
        RecordingError: the session must be repaired first, or there is no room for the copy.
    """
    path, table = Path(path), Path(table)
    with open_recording(path) as recording:
        refuse_damage(recording)
        old = recording.session
        there = [] if replace else recording.labels
        before = len(recording.labels)
        fresh = read_labels(table, bounds_of(recording))
    if not fresh and not replace:
        raise DataError(f"{table} has no line below the names of its columns", mend="Give an interval a line")
    for one in fresh:
        for other in there:
            if one.start < other.stop and other.start < one.stop:
                raise DataError(
                    f"{table}: '{one.action}' from {seconds(one.start)} s overlaps '{other.action}' "
                    f"of {path}, from {seconds(other.start)} to {seconds(other.stop)} s",
                    mend="--replace puts the table in place of the labels that are there",
                )
    labels = sorted([*there, *fresh])
    facts = {"source": table.name, "added": len(fresh), "removed": before - len(there)}
    rewrite(path, dataclasses.replace(old, edits=history(old, "label", **facts)), labels)
    return labels


def bounds_of(recording: Recording) -> Bounds:
    """Return the time that labels may speak of: of all rows, and of what is labelled already."""
    spans = [stream.stamps["time"] for stream in recording.all_streams.values() if len(stream)]
    first = [int(times.min()) for times in spans] + [la.start for la in recording.labels]
    last = [int(times.max()) for times in spans] + [la.stop for la in recording.labels]
    if recording.session.stop_ns >= 0:
        last.append(recording.session.stop_ns)
    return Bounds(min(first, default=0), max(last, default=0), recording.session.utc_ns)
