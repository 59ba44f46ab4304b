"""Where in a recording a device was away and came back: the rows before which it did."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from drivers.bus.messages import BACK
from recordings.reader import Recording
from recordings.stream_reader import StreamReader

MOVED_NS = 10**9
"""Times that were estimated again are within so much of those that events were given."""


@dataclasses.dataclass(frozen=True)
class Returns:
    """The absences of a stream's device that are over.

    Attributes:
        stamps: (N,) the stamp that each return begins with, rising.
        rows: rows that were missed, over all.
        seconds: from the last row before to the first one after, over all, s.
    """

    stamps: NDArray[np.int64]
    rows: int
    seconds: float


def returns_of(recording: Recording, stream: StreamReader) -> Returns:
    """Find the returns of a stream's device by its events, whose times are those of first rows.

    Raises:
        RecordingUnreadable: a stamp is damaged.
    """
    time = stream.stamps["time"].astype(np.int64)
    told = [e.time for e in recording.events if e.kind == BACK and e.source == stream.info.name]
    places = {place for one in told if (place := _place(time, one)) is not None}
    found = np.array(sorted(places), np.int64)
    if not len(found):
        return Returns(found, 0, 0.0)
    seq, lengths = stream.stamps["seq"].astype(np.int64), np.diff(stream.block_rows).astype(np.int64)
    missed = seq[found] - seq[found - 1] - lengths[found - 1]
    away = time[found] - time[found - 1]
    return Returns(found, int(np.maximum(missed, 0).sum()), float(away.sum()) * 1e-9)


def _place(time: NDArray[np.int64], told: int) -> int | None:
    """Return the stamp of this time; if times were estimated again, that after the longest pause nearby."""
    start, stop = np.searchsorted(time, [told - MOVED_NS, told + MOVED_NS])
    start = max(int(start), 1)
    if start >= stop:
        return None
    exact = int(np.searchsorted(time, told))
    if start <= exact < stop and time[exact] == told:
        return exact
    return start + int(np.argmax(time[start:stop] - time[start - 1 : stop - 1]))
