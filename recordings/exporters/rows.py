"""A stream's rows with a time for each, a bounded number at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME
from recordings.stream_reader import StreamReader

_ROWS = 4096
_BYTES = 4 << 20
"""At most about so much is held at once."""


@dataclasses.dataclass(frozen=True)
class Rows:
    """Consecutive rows of one stream.

    Attributes:
        start: number of the first among all stored rows.
        time, time_bound, time_host, time_device: (R,) ns, see :data:`drivers.base.STAMP`.
        seq: (R,) numbers, counted in rows the device produced.
        data: (R, *shape), or None for pictures and where the data was withheld.
    """

    start: int
    time: NDArray[np.int64]
    time_bound: NDArray[np.int64]
    time_host: NDArray[np.int64]
    time_device: NDArray[np.int64]
    seq: NDArray[np.int64]
    data: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.time)

    def times(self, raw: bool) -> NDArray[np.int64]:
        """Return session times, or arrivals on the host's monotonic clock where ``raw``."""
        return self.time_host if raw else self.time


def rows_of(stream: StreamReader) -> Iterator[Rows]:
    """Yield all rows in the order of the file; between the stamps of blocks, times run linearly.

    Raises:
        RecordingUnreadable: a chunk is damaged.
    """
    columns = {name: stream.columns[name] for name in stream.stamps.dtype.names or ()}
    blocks = stream.info.stamping == "block"
    within = {n: _Line(stream, n) for n in ("time", "time_host", "time_device")} if blocks else {}
    data = stream.columns.get("data") if stream.info.kind != "camera" else None
    size = int(np.prod(stream.info.shape, dtype=np.int64)) * np.dtype(stream.info.dtype).itemsize
    step = max(1, min(_ROWS, _BYTES // max(size, 1)))
    count = len(stream)
    if blocks and not len(stream.stamps):
        count = 0
    for start in range(0, count, step):
        stop = min(start + step, count)
        found = None if data is None else data[start:stop]
        if not blocks:
            stamps = {name: column[start:stop].astype(np.int64) for name, column in columns.items()}
        else:
            row = np.arange(start, stop)
            block = np.searchsorted(stream.block_rows[:-1], row, side="right") - 1
            offset = row - stream.block_rows[block]
            stamps = {name: line.at(block, offset) for name, line in within.items()}
            stamps["time_bound"] = stream.stamps["time_bound"][block].astype(np.int64)
            stamps["seq"] = stream.stamps["seq"][block].astype(np.int64) + offset
        yield Rows(start, **stamps, data=found)


class _Line:
    """One time of a block-stamped stream: from each block's stamp towards the next, by ``seq``."""

    def __init__(self, stream: StreamReader, column: str) -> None:
        self._stamp = stream.stamps[column].astype(np.int64)
        nominal = 1e9 / (stream.rate_effective_hz or stream.info.rate_hz or 1.0)
        rows = np.diff(stream.stamps["seq"].astype(np.int64)).astype(np.float64)
        known = (rows > 0) & (self._stamp[1:] != NO_TIME) & (self._stamp[:-1] != NO_TIME)
        period = np.full(len(rows), nominal)
        period[known] = np.diff(self._stamp)[known] / rows[known]
        usual = float(np.median(period[known])) if known.any() else nominal
        period[~known] = usual
        self._period = np.append(period, usual)

    def at(self, block: NDArray[np.int64], offset: NDArray[np.int64]) -> NDArray[np.int64]:
        stamp = self._stamp[block]
        time = stamp + np.round(offset * self._period[block]).astype(np.int64)
        return np.where(stamp == NO_TIME, NO_TIME, time)
