"""A sound copy of an interrupted or damaged session: ``chorus repair``.

Everything that can be read and whose checksum holds is copied, closed in good order. Rows in damaged chunks
are left out and counted as lost on the disk. The original stays as it is.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import RecordingError, RecordingUnreadable
from recordings import layout
from recordings.editing.copying import Copy, history
from recordings.reader import open_recording
from recordings.stream_reader import StreamReader


@dataclasses.dataclass(frozen=True)
class StreamRepair:
    """What became of one stream.

    Attributes:
        rows: in the new file.
        damaged: rows of the original that could not be used.
        unverified: rows that had no checksum yet, as the recorder was killed; they are in the new file.
    """

    rows: int
    damaged: int = 0
    unverified: int = 0


@dataclasses.dataclass(frozen=True)
class RepairReport:
    """What was repaired.

    Attributes:
        path, output: the original and the new file.
        closed: the original was closed in good order.
        streams: by name.
        gone: what could not be read at all, a line each.
    """

    path: Path
    output: Path
    closed: bool
    streams: dict[str, StreamRepair]
    gone: tuple[str, ...] = ()


def repair(path: Path | str, output: Path | str | None = None) -> RepairReport:
    """Make a sound copy of a session.

    Args:
        path: the session file.
        output: the new file; ``NAME.repaired.h5`` beside it by default.

    Raises:
        RecordingUnreadable: nothing of it can be read.
        RecordingExists: the output is there already.
        RecordingError: there is nothing to repair.
        DiskFull: there is no room for the copy; nothing was left behind.
    """
    path = Path(path)
    output = Path(output) if output is not None else path.with_suffix(f".repaired{path.suffix or '.h5'}")
    with open_recording(path) as recording:
        closed = recording.session.closed
        gone = list(recording.damaged.values())
        usable: dict[str, NDArray[np.bool_]] = {}
        for name, stream in recording.all_streams.items():
            try:
                usable[name] = _usable(stream)
            except RecordingUnreadable as error:
                gone.append(str(error))
        if closed and not gone and all(kept.all() for kept in usable.values()):
            raise RecordingError(f"{path} is sound: there is nothing to repair", mend="Use it as it is")
        edits = history(recording.session, "repair", source=path.name, closed=closed)
        streams: dict[str, StreamRepair] = {}
        with Copy(output, dataclasses.replace(recording.session, edits=edits)) as copy:
            for name, kept in usable.items():
                stream = recording.all_streams[name]
                rows_of = np.diff(stream.block_rows)
                damaged = int(rows_of[~kept].sum())
                lost = dict(stream.ledger.lost)
                if damaged:
                    lost["disk"] = lost.get("disk", 0) + damaged
                ended = stream.ended if closed or stream.ended else layout.INTERRUPTED
                rows = copy.stream(stream, kept, lost=lost, ended=ended)
                streams[name] = StreamRepair(rows, damaged, 0 if closed else _unverified(stream))
            copy.rest(recording)
        return RepairReport(path, output, closed, streams, tuple(gone))


def _usable(stream: StreamReader) -> NDArray[np.bool_]:
    """(N,) whether a stamp, and all rows it belongs to, can be read and have the right checksum."""
    usable = np.ones(stream.stamp_count, bool)
    for name, column in stream.columns.items():
        for chunk in column.faults():
            first, last = column.span(chunk)
            if name == "packets":
                usable &= ~_pictures_in(stream, first, last)
            elif name in ("data", "index") and stream.info.stamping == "block":
                usable &= (stream.block_rows[1:] <= first) | (stream.block_rows[:-1] >= last)
            else:
                usable[first:last] = False
    return usable & _decodable(stream, usable) if stream.codec else usable


def _decodable(stream: StreamReader, usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) whether all packets since a picture's key frame are usable."""
    keys = np.zeros(len(usable), bool)
    index = stream.columns["index"]
    damaged = set(index.faults())
    for chunk in range(index.chunks):
        if chunk not in damaged:
            begin, end = index.span(chunk)
            keys[begin:end] = index.chunk(chunk)["key"]
    rows = np.arange(len(usable))
    last_key = np.maximum.accumulate(np.where(keys, rows, -1))
    last_bad = np.maximum.accumulate(np.where(usable, -1, rows))
    return last_key > last_bad


def _pictures_in(stream: StreamReader, first: int, last: int) -> NDArray[np.bool_]:
    """(N,) which pictures have bytes in [first, last) of the packets."""
    index = stream.columns["index"]
    among = np.zeros(len(stream), bool)
    damaged = set(index.faults())
    for chunk in range(index.chunks):
        if chunk not in damaged:
            begin, end = index.span(chunk)
            entries = index.chunk(chunk)
            among[begin:end] = (entries["offset"] < last) & (entries["offset"] + entries["size"] > first)
    return among


def _unverified(stream: StreamReader) -> int:
    """Rows in chunks that a killed recorder had not finished."""
    name = "data" if "data" in stream.columns else "seq"
    return stream.columns[name].unverified
