"""A regularly sampled device, corrected while its rows come in."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import Samples
from drivers.clock.device_segment import Segment

PIECE_NS = 100e6  # rows that span more are taken in one piece after the other
ABSURD_NS = 60e9  # no time is corrected by more: it would be a wrong number, not a delay
TOLERANCE = 0.03  # of a sensor's rate; beyond that its nominal rate is wrong
REPEATED = 8  # so many rows in a row may come again or late; more is a device that counts anew

Times = tuple[NDArray[np.int64], NDArray[np.int64]]


class DeviceClock:
    """A regularly sampled device: its row number is its clock.

    A step (the device restarted, its rate changed, or rows vanished that no counter shows) begins a new
    segment. Rows that come again, or late, are given times but say nothing of the clock.

    The times are those of capture plus the least delay of the transport, and the bound is relative to
    that: a constant delay cannot be seen from arrivals; ``latency_ms`` in the rig takes it off.

    Args:
        rate_hz: nominal rate, rows per second.
        tolerance: largest departure of the true rate from it, of 1.
        stamped: see :class:`~drivers.clock.device_segment.Segment`; what is given as arrival is a stamp then.
    """

    def __init__(self, rate_hz: float, *, tolerance: float = TOLERANCE, stamped: bool = False) -> None:
        if not (math.isfinite(rate_hz) and rate_hz > 0):
            raise ValueError(f"a regular device needs a rate above 0 Hz, not {rate_hz}")
        self.rate_hz = rate_hz
        self.segments = 0
        """Stretches without a step so far."""
        self._period = 1e9 / rate_hz
        self._tolerance = tolerance
        self._stamped = stamped
        self._pace = 1.0
        self._segment: Segment | None = None
        self._x0 = self._y0 = 0
        self.late_rows = 0
        """Rows before the present segment that were late already: the step came before them."""
        self._last_x = -1
        self._repeated = 0
        self._last: int | None = None

    @property
    def settled(self) -> bool:
        """Whether the present segment has seen enough to be trusted."""
        return self._segment is not None and self._segment.settled

    @property
    def pace(self) -> float:
        """True period in nominal ones, where the nominal rate is plainly another than the device's."""
        return self._pace

    @property
    def effective_hz(self) -> float:
        """The device's true rate as far as it is known, rows per second."""
        if self._segment is None or self._segment.fit is None:
            return self.rate_hz
        return self.rate_hz / self._pace / (1 + self._segment.fit.slope * 1e-9)

    def correct(self, samples: Samples) -> Times:
        """See :class:`drivers.clock.device.Clock`."""
        return self.update(samples.time_host, samples.seq)

    def update(self, time_host: NDArray[np.int64], seq: NDArray[Any]) -> Times:
        """Take in rows and correct them.

        Args:
            time_host: (N,) arrivals, ns.
            seq: (N,) row numbers.

        Returns:
            host time of capture plus the least delay (N,), rising, and a bound on its error (N,), ns.
        """
        return self.update_nominal(time_host, seq, self._period)

    def update_nominal(self, time_host: NDArray[np.int64], count: NDArray[Any], unit: float) -> Times:
        """As :meth:`update`, for any count of ``unit`` nominal ns each."""
        numbers: list[int] = np.asarray(count).tolist()
        arrivals: list[int] = np.asarray(time_host).tolist()
        times: list[int] = []
        bounds: list[int] = []
        for start, stop in self._pieces(numbers, unit):
            if self._is_late(numbers[start], unit):
                row = numbers[start:stop], arrivals[start:stop]
                more = self._timed(*self._relative(*row, unit), row[1], 0.0)
            else:
                more = self._correct(numbers[start:stop], arrivals[start:stop], unit)
            times += more[0]
            bounds += more[1]
        return np.array(times, np.int64), np.array(bounds, np.int64)

    def _pieces(self, numbers: list[int], unit: float) -> list[tuple[int, int]]:
        """Cut rows where their numbers do not rise, and so that no piece spans long."""
        n = len(numbers)
        if n == 0:
            return []
        longest = PIECE_NS / unit / self._pace
        last = numbers[0]
        if n == 1 or (numbers[-1] - last <= longest and all(a < b for a, b in itertools.pairwise(numbers))):
            return [(0, n)]
        cuts = [0]
        for i in range(1, n):
            if numbers[i] <= numbers[i - 1] or numbers[i] - last > longest:
                cuts.append(i)
                last = numbers[i]
        return list(itertools.pairwise([*cuts, n]))

    def _is_late(self, number: int, unit: float) -> bool:
        """Whether a row comes again or late; if it is from a device that counts anew, make ready for it."""
        if self._segment is None or number > self._last_x:
            self._repeated = 0
            return False
        self._repeated += 1
        if self._repeated <= REPEATED and self._last_x - number <= REPEATED * max(1.0, self._period / unit):
            return True
        self._repeated = 0
        self._segment = None
        return False

    def _correct(self, numbers: list[int], arrivals: list[int], unit: float) -> tuple[list[int], list[int]]:
        since = self._period  # nominal ns since the last row of the call before
        if self._segment is None:
            self._begin(numbers[0], arrivals[0])
        else:
            since = min((numbers[0] - self._last_x) * unit * self._pace, ABSURD_NS)
        self._last_x = numbers[-1]
        x, z = self._relative(numbers, arrivals, unit)
        assert self._segment is not None
        if max(abs(z[0]), abs(z[-1])) > ABSURD_NS or not self._segment.add(x, z, arrivals):
            off = self._segment.off * 1e-9
            if off and 0.02 < self._pace * (1 + off) < 50:
                self._pace *= 1 + off
            late, period = self._segment.late.first_x, self._segment.period
            self._begin(numbers[0], arrivals[0])
            self.late_rows = 0 if late is None else round((x[0] - late) / period)
            x, z = self._relative(numbers, arrivals, unit)
            self._segment.add(x, z, arrivals)
        return self._timed(x, z, arrivals, since)

    def _begin(self, number: int, arrival: int) -> None:
        self.late_rows = 0
        self.segments += 1
        self._x0, self._y0 = number, arrival
        self._segment = Segment(self._period * self._pace * 1e-9, self._tolerance, self._stamped)

    def _relative(
        self, numbers: list[int], arrivals: list[int], unit: float
    ) -> tuple[list[float], list[float]]:
        """Return nominal time, s, and the excess of arrival over it, ns."""
        unit *= self._pace
        nominal = [(number - self._x0) * unit for number in numbers]
        y0 = self._y0
        return [n * 1e-9 for n in nominal], [y - y0 - n for y, n in zip(arrivals, nominal, strict=True)]

    def _timed(
        self, x: list[float], z: list[float], arrivals: list[int], since: float
    ) -> tuple[list[int], list[int]]:
        """Return times, rising, and their bounds.

        Where the line moved back, time passes at half pace until it is met, and never backwards.
        """
        segment = self._segment
        assert segment is not None
        bound = math.ceil(min(max(segment.error(x[0]), segment.error(x[-1])), 2 * ABSURD_NS))
        base, slope = segment.line
        times: list[int] = []
        bounds: list[int] = []
        before = self._last
        half = None
        for a, b, arrival in zip(x, z, arrivals, strict=True):
            above = b - base - slope * a  # arrival after capture plus the least delay
            time = ideal = arrival - round(
                above if -ABSURD_NS < above < ABSURD_NS else math.copysign(ABSURD_NS, above)
            )
            if before is not None and time <= before:
                half = half or (before + 1 + int(since) // 2, a)
            if half is not None:
                time = max(time, half[0] + int(min((a - half[1]) * 1e9, ABSURD_NS)) // 2)
            if before is not None and time <= before:
                time = before + 1
            before = time
            times.append(time)
            bounds.append(bound + time - ideal)
        self._last = before
        return times, bounds
