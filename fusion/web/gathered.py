"""What came over the bus since the page was last told: counts of each stream, and rows for its traces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import Batch, StreamInfo
from drivers.bus.messages import Announcement, Ended, Event, Failed, Message, Probes

TRACE_HZ = 50.0
MAX_ROWS = 4096
"""Rows of one stream that wait for the page at most; beyond that its oldest are let go."""

IMU_CHANNELS: tuple[str, ...] = (
    *("specific_force_x", "specific_force_y", "specific_force_z"),
    *("angular_rate_x", "angular_rate_y", "angular_rate_z"),
)


class _Stream:
    def __init__(self) -> None:
        self.rows = self.missed = 0
        self.lost: dict[str, int] = {}
        self.time = self.bound = -1
        self.error = ""
        self.ended = False
        self.kept: list[tuple[NDArray[np.int64], NDArray[np.floating[Any]]]] = []
        self.kept_rows = 0


class Gathered:
    """Gathers messages until :meth:`swap`. Cheap: rows are kept as they came, and thinned out later."""

    def __init__(self, infos: dict[str, StreamInfo] | None = None) -> None:
        self._infos = infos if infos is not None else {}
        self._streams: dict[str, _Stream] = {}
        self._events: list[Event] = []

    def swap(self) -> Gathered:
        """Return what was gathered, to be read by another thread, and begin anew."""
        full = Gathered(self._infos)
        full._streams, self._streams = self._streams, {}
        full._events, self._events = self._events, []
        return full

    def know(self, info: StreamInfo) -> None:
        """Take note of what a stream is."""
        self._infos[info.name] = info

    def take(self, message: Message) -> None:
        """Take one message."""
        if isinstance(message, Probes):
            return
        if isinstance(message, Event):
            if len(self._events) < 100:
                self._events.append(message)
            return
        if isinstance(message, Announcement):
            self.know(message.info)
            return
        stream = self._streams.setdefault(message.stream, _Stream())
        if isinstance(message, Batch):
            self._rows(stream, message)
        elif isinstance(message, Failed):
            stream.error = message.error
        elif isinstance(message, Ended):
            stream.ended = True
        else:
            stream.missed += message.rows

    def _rows(self, stream: _Stream, batch: Batch) -> None:
        for reason, rows in batch.lost.items():
            stream.lost[reason] = stream.lost.get(reason, 0) + rows
        if not len(batch):
            return
        stream.rows += len(batch)
        stream.time, stream.bound = int(batch.stamps["time"][-1]), int(batch.stamps["time_bound"][-1])
        info = self._infos.get(batch.stream)
        if info is None or info.kind not in ("imu", "audio"):
            return
        stream.kept.append((batch.stamps["time"], batch.data))  # type: ignore[arg-type]
        stream.kept_rows += len(batch)
        limit = MAX_ROWS if info.kind == "imu" else int(info.rate_hz)
        while stream.kept_rows > limit and len(stream.kept) > 1:
            stream.kept_rows -= len(stream.kept.pop(0)[1])

    def message(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "streams": {
                name: {
                    "rows": one.rows,
                    "missed": one.missed,
                    "lost": one.lost,
                    "time": one.time,
                    "bound": one.bound,
                    "error": one.error,
                    "ended": one.ended,
                    "trace": self._trace(name, one),
                }
                for name, one in self._streams.items()
            },
            "events": [[e.time, e.kind, e.label, e.source] for e in self._events],
        }

    def _trace(self, name: str, stream: _Stream) -> list[list[float]]:
        info = self._infos.get(name)
        if info is None or not stream.kept:
            return []
        return imu_trace(info, stream.kept) if info.kind == "imu" else sound_trace(info, stream.kept)


Rows = list[tuple[NDArray[np.int64], NDArray[np.floating[Any]]]]


def imu_trace(info: StreamInfo, kept: Rows) -> list[list[float]]:
    """Return rows [t s, specific force x y z, angular rate x y z] at :data:`TRACE_HZ` at most, in the
    stream's units."""
    channels = list(info.channels)
    columns = [channels.index(name) for name in IMU_CHANNELS if name in channels]
    if len(columns) not in (3, 6):
        return []
    times = np.concatenate([t for t, _ in kept]) / 1e9
    rows = np.concatenate([np.asarray(d)[:, columns] for _, d in kept]).astype(np.float64)
    step = max(1, int(info.rate_hz // TRACE_HZ)) if info.rate_hz else 1
    table = np.column_stack([times, rows])[step - 1 :: step]
    return np.round(table, 3).tolist()


def sound_trace(info: StreamInfo, kept: Rows) -> list[list[float]]:
    """Return rows [t s, least, greatest] of the sound, full scale 1, of windows of 1/:data:`TRACE_HZ`."""
    out: list[list[float]] = []
    window = max(1, int((info.rate_hz or 48_000) // TRACE_HZ))
    for stamps, data in kept:
        rows = np.asarray(data)
        scale = float(np.iinfo(rows.dtype.str).max) if rows.dtype.kind in "iu" else 1.0
        mono = rows.reshape(len(rows), -1)[:, 0]
        for first in range(0, len(mono), window):
            part = mono[first : first + window]
            at = float(stamps[0]) / 1e9 + first / (info.rate_hz or 48_000)
            out.append(
                [round(at, 3), round(float(part.min()) / scale, 4), round(float(part.max()) / scale, 4)]
            )
    return out
