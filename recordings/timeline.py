"""The fixed grid of ticks over session time, and what is known at a tick.

::

    samples   x  x   x x     x  x        corrected session times, any rate
    ticks   |     |     |     |     |    tick k is at k / rate, from the session's epoch

Tick times are whole numbers of nanoseconds and depend on the tick's number alone, so that two
programs that look at the same session agree on them. All look-ups but :func:`interpolate` are
causal: at tick t they see samples with time <= t only. They work on whole recordings;
:class:`Tail` is the same for samples that are still arriving.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]

SECOND: int = 1_000_000_000
"""Nanoseconds in a second."""

LATE_SPANS = 8
"""Rows that are later than so many ticks are too old to be averaged with new ones."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """Ticks at k / rate_hz seconds of session time, k any integer.

    Attributes:
        rate_hz: ticks per second, resolved to 1 mHz.
    """

    rate_hz: float = 60.0

    def __post_init__(self) -> None:
        if not 0.001 <= self.rate_hz <= 1e6:
            raise ValueError(f"rate_hz must lie in [0.001, 1e6], got {self.rate_hz}")

    @property
    def _milli(self) -> int:
        return round(self.rate_hz * 1000)

    def time(self, tick: int) -> int:
        """Return the session time of a tick, ns (rounded down)."""
        return tick * 1000 * SECOND // self._milli

    def at_or_after(self, time: int) -> int:
        """Return the number of the first tick whose time is >= ``time`` ns."""
        tick = int(time) * self._milli // (1000 * SECOND)
        while self.time(tick) < time:
            tick += 1
        return tick

    def at_or_before(self, time: int) -> int:
        """Return the number of the last tick whose time is <= ``time`` ns."""
        tick = self.at_or_after(time)
        return tick if self.time(tick) == time else tick - 1

    def times(self, start: int, stop: int) -> Times:
        """Return the times (T,) of all ticks with ``start`` <= time <= ``stop``, ns."""
        first, last = self.at_or_after(start), self.at_or_before(stop)
        return np.array([self.time(k) for k in range(first, last + 1)], np.int64)


def newest(times: Times, ticks: Times) -> NDArray[np.intp]:
    """Return for each tick the index (T,) of the newest sample with time <= tick, -1 for none.

    Args:
        times: (N,) ns, not decreasing.
        ticks: (T,) ns.
    """
    return np.searchsorted(times, ticks, side="right") - 1


def age_s(times: Times, ticks: Times) -> NDArray[np.float64]:
    """Return for each tick the age (T,) of its newest sample in seconds; inf where there is none."""
    index = newest(times, ticks)
    if not len(times):
        return np.full(len(ticks), np.inf)
    return np.where(index >= 0, (ticks - times[index]) / SECOND, np.inf)


def hold(
    times: Times, values: NDArray[Any], ticks: Times, max_age_s: float = np.inf
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the newest sample of the past at each tick.

    Args:
        times: (N,) ns, not decreasing.
        values: (N, ...).
        ticks: (T,) ns.
        max_age_s: an older sample counts as none.

    Returns:
        values (T, ...), zero where there is none, and whether there is one (T,).
    """
    known = age_s(times, ticks) <= max_age_s
    out = np.zeros((len(ticks), *values.shape[1:]), values.dtype)
    out[known] = values[newest(times, ticks)[known]]
    return out, known


def mean_since(
    times: Times, values: NDArray[Any], ticks: Times, span_ns: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the mean of the samples in (tick - span, tick] at each tick: causal decimation.

    Returns:
        means (T, ...), zero where no sample fell in the span, and how many there were (T,).
    """
    sums = np.zeros((len(times) + 1, *values.shape[1:]))
    np.cumsum(values, axis=0, out=sums[1:])
    stop = np.searchsorted(times, ticks, side="right")
    start = np.searchsorted(times, ticks - span_ns, side="right")
    count = stop - start
    shape = (-1,) + (1,) * (values.ndim - 1)
    return (sums[stop] - sums[start]) / np.maximum(count, 1).reshape(shape), count.astype(np.int64)


def interpolate(
    times: Times, values: NDArray[Any], ticks: Times, max_gap_s: float = np.inf
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return values on the straight line between the two samples around each tick.

    It looks at a sample after the tick: for targets and reports, never for features.

    Args:
        times: (N,) ns, increasing.
        values: (N, ...).
        ticks: (T,) ns.
        max_gap_s: over longer gaps between samples nothing is known.

    Returns:
        values (T, ...), zero where unknown, and whether known (T,).
    """
    out = np.zeros((len(ticks), *values.shape[1:]))
    if not len(times):
        return out, np.zeros(len(ticks), bool)
    left = newest(times, ticks)
    right = np.searchsorted(times, ticks, side="left")
    known = (left >= 0) & (right < len(times))
    left, right = np.maximum(left, 0), np.minimum(right, len(times) - 1)
    gap = (times[right] - times[left]).astype(np.float64)
    known &= gap <= max_gap_s * SECOND
    weight = np.where(gap > 0, (ticks - times[left]) / np.maximum(gap, 1.0), 0.0)
    weight = weight.reshape((-1,) + (1,) * (values.ndim - 1))
    mixed = values[left] * (1.0 - weight) + values[right] * weight
    out[known] = mixed[known]
    return out, known


class Tail:
    """Rows of one stream as they arrive, read back by ticks: the live form of the look-ups above.

    Rows older than ``span_ns`` before the last tick asked for are forgotten, but for the newest. Rows that
    were not there when the tick before was asked for are seen now, up to ``LATE_SPANS`` spans later: late,
    but not lost.
    A time that would run backwards is lifted to the one before it.
    """

    def __init__(self, span_ns: int) -> None:
        self._span = span_ns
        self._parts: list[tuple[Times, NDArray[Any]]] = []
        self._last = np.iinfo(np.int64).min
        self._known: int | None = None  # time of the newest row when a tick was asked for last

    @property
    def last_time(self) -> int:
        """Time of the newest row, ns; the smallest int64 before there is one."""
        return int(self._last)

    def append(self, times: Times, values: NDArray[Any]) -> None:
        """Take rows: times (N,) ns and values (N, ...)."""
        if not len(times):
            return
        times = np.maximum.accumulate(np.maximum(times, self._last))
        self._last = times[-1]
        self._parts.append((times, values))

    def at(self, tick: int) -> tuple[Times, NDArray[Any]] | None:
        """Return what the tick sees: the rows in (tick - span, tick], or the newest before it.

        Ticks must not decrease from call to call.

        Returns:
            times (n,), values (n, ...), n >= 1; None where no row is as old as the tick.
        """
        if not self._parts:
            return None
        if len(self._parts) > 1:
            self._parts = [
                (np.concatenate([p[0] for p in self._parts]), np.concatenate([p[1] for p in self._parts]))
            ]
        times, values = self._parts[0]
        stop = int(np.searchsorted(times, tick, side="right"))
        if not stop:
            return None
        start = min(int(np.searchsorted(times, self._since(tick), side="right")), stop - 1)
        self._known = int(self._last)
        if start > 64:  # forget now and then, not on each tick
            self._parts = [(times[start:], values[start:])]
        return times[start:stop], values[start:stop]

    def _since(self, tick: int) -> int:
        """Return the time, ns, after which rows are the tick's own."""
        since = tick - self._span
        if self._known is None or self._known >= since:
            return since
        return max(self._known, tick - LATE_SPANS * self._span)
