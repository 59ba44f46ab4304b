"""How many rows a device produced while it was away: unplugged, switched off, out of reach.

Nobody saw them, so their number is reckoned, by the first of these that can be believed:

* the device's own count: :meth:`drivers.base.Driver.counter`, or row numbers that went on by themselves
* the device's own clock, where it went on
* the time between, at the device's rate

A count or a clock that went on agrees with the time between; one that began anew does not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME, Samples, StreamInfo
from drivers.clock.device import CLOCK, HOST

LATE_S, LATE_SHARE = 0.5, 0.1
"""A count or clock that went on departs from the time between by no more than this, and this share."""
NEAR_S, NEAR_SHARE = 0.1, 0.03
"""The same for row numbers, that a driver may merely have failed to begin anew."""
ENOUGH_ROWS = 20
"""Rows after which a stream's own rate counts for something."""


@dataclasses.dataclass(frozen=True)
class Missed:
    """Rows that were produced while a device was away.

    Attributes:
        rows: how many; those that the driver itself reported are not among them.
        how: by what they were reckoned, in words.
        away_s: from its last row to its first one, s.
    """

    rows: int
    how: str
    away_s: float


@dataclasses.dataclass
class _Row:
    """One row, or the first row of a block: its number, length in rows, session time and device time."""

    seq: int
    rows: int
    time: int
    bound: int
    device: int


class Reckoner:
    """Follows a stream, to tell what is missing when its device is back.

    Args:
        info: the stream.
    """

    def __init__(self, info: StreamInfo) -> None:
        self._info = info
        self._block = info.stamping == "block"
        self._last: _Row | None = None
        self._begin: _Row | None = None  # first row since the device was there
        self._counter: tuple[int, int] | None = None
        self._trailing = 0  # losses that the driver reported since the last row
        self._rows = 0  # of stretches that are over: rows, ns, bounds of their ends; device time
        self._ns = self._bound = self._device_ns = self._device_rows = 0

    def note(self, samples: Samples, stamps: NDArray[np.void], counter: tuple[int, int] | None) -> None:
        """Take note of what was read.

        Args:
            samples: as the driver gave them.
            stamps: (N,) of :data:`drivers.base.STAMP`, theirs.
            counter: the device's own count at the last row, see :meth:`drivers.base.Driver.counter`.
        """
        if not len(samples):
            self._trailing += sum(samples.lost.values())
            return
        self._trailing = 0
        self._counter = counter
        self._last = self._row(samples, stamps, -1)
        if self._begin is None:
            self._begin = self._row(samples, stamps, 0)

    def lost(self) -> None:
        """Take note that the device is gone."""
        if self._last is not None and self._begin is not None:
            rows = self._last.seq - self._begin.seq
            self._rows += rows
            self._ns += self._last.time - self._begin.time
            self._bound += self._last.bound + self._begin.bound
            if NO_TIME not in (self._last.device, self._begin.device):
                self._device_rows += rows
                self._device_ns += self._last.device - self._begin.device
        self._begin = None

    @property
    def improves(self) -> bool:
        """Whether the rows that follow the first tell more of when that was."""
        return self._info.regular and self._info.rate_hz > 0 and self._info.properties.get(CLOCK) != HOST

    def first_ns(self, held: Sequence[Samples]) -> int:
        """Return when the first of some rows came, host ns, had it come as soon as the soonest of them."""
        seq = np.concatenate([one.seq.astype(np.int64) for one in held])
        host = np.concatenate([one.time_host for one in held])
        return int((host - (seq - seq[0]) * (1e9 / self._info.rate_hz)).min())

    def missed(
        self,
        samples: Samples,
        stamps: NDArray[np.void],
        counter: tuple[int, int] | None,
        first_ns: int | None = None,
    ) -> Missed:
        """Return what is missing before the first rows of a device that is back.

        Args:
            samples, stamps, counter: as for :meth:`note`.
            first_ns: session time of the first row, where that is known better than by its stamp.
        """
        assert self._last is not None
        first = self._row(samples, stamps, 0)
        first.time = first.time if first_ns is None else first_ns
        away_ns = max(first.time - self._last.time, 0)
        by_time = away_ns * self._rate() * 1e-9 - self._last.rows
        known = self._trailing + lost_before(samples, block=self._block)
        rows, how = round(by_time), "by its rate" if self._rate() else "it has no steady rate"
        for count, words in (
            (self._by_counter(samples, counter, by_time), "by its own count"),
            (self._by_numbers(first, by_time, known), "by its own count"),
            (self._by_clock(first, away_ns), "by its own clock"),
        ):
            if count is not None:
                rows, how = count, words
                break
        return Missed(max(rows - known, 0), how, away_ns * 1e-9)

    def _row(self, samples: Samples, stamps: NDArray[np.void], index: int) -> _Row:
        rows = len(samples) if self._block else 1
        time, bound = int(stamps["time"][index]), int(stamps["time_bound"][index])
        return _Row(int(samples.seq[index]), rows, time, bound, int(samples.time_device[index]))

    def _rate(self) -> float:
        """Rows per second of session time: the nominal rate, unless what was seen contradicts it."""
        nominal = self._info.rate_hz
        if not (self._ns > 0 and self._rows >= ENOUGH_ROWS) or not (nominal or self._info.kind == "camera"):
            return nominal
        measured = self._rows / (self._ns * 1e-9)
        if nominal and abs(measured / nominal - 1) <= self._bound / self._ns:
            return nominal
        return measured

    def _by_counter(self, samples: Samples, counter: tuple[int, int] | None, by_time: float) -> int | None:
        if counter is None or self._counter is None:
            return None
        value, wraps = counter
        spanned = len(samples) - 1 if self._block else int(samples.seq[-1]) - int(samples.seq[0])
        rows = value - spanned - self._counter[0] - 1
        slack = LATE_S * self._info.rate_hz + LATE_SHARE * by_time
        if wraps:
            rows %= wraps
            rows += wraps * max(round((by_time - rows) / wraps), 0)
            slack = min(slack, wraps / 8)
        elif not self._info.rate_hz:
            return rows if rows >= 0 else None
        return rows if rows >= 0 and abs(rows - by_time) <= slack else None

    def _by_numbers(self, first: _Row, by_time: float, known: int) -> int | None:
        assert self._last is not None
        rows = first.seq - self._last.seq - self._last.rows
        if rows == known > 0:  # the driver numbered on, and told the gap itself
            return rows
        slack = NEAR_S * self._info.rate_hz + NEAR_SHARE * by_time + 2
        return rows if rows >= 0 and self._info.rate_hz and abs(rows - by_time) <= slack else None

    def _by_clock(self, first: _Row, away_ns: int) -> int | None:
        assert self._last is not None
        if not self._info.regular or self._info.properties.get(CLOCK) == HOST:
            return None
        if NO_TIME in (first.device, self._last.device) or self._device_rows < ENOUGH_ROWS:
            return None
        passed = first.device - self._last.device
        if passed <= 0 or abs(passed - away_ns) > LATE_S * 1e9 + LATE_SHARE * away_ns:
            return None
        per_ns = self._device_rows / self._device_ns if self._device_ns > 0 else 0.0
        nominal = self._info.rate_hz * 1e-9
        if abs(per_ns - nominal) * self._device_ns < 0.5:  # rows: a clock and samples of one beat
            per_ns = nominal
        return round(passed * per_ns) - self._last.rows


def lost_before(samples: Samples, *, block: bool) -> int:
    """Return how many of the reported losses lie before the first row; the rest lie between rows."""
    reported = sum(int(rows) for rows in samples.lost.values())
    between = 0 if block else int(samples.seq[-1]) + 1 - int(samples.seq[0]) - len(samples.seq)
    return max(0, reported - max(0, between))
