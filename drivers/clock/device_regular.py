"""A regularly sampled device, corrected while its rows come in."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from drivers.base import Samples
from drivers.clock.device_line import ASYMMETRY, FIRST_NS, Fit, fit_line
from drivers.clock.device_step import Lateness, Waits

PIECE_NS = 100e6  # rows that span more are taken in one piece after the other
BUCKET_S = 0.25  # the earliest arrival of each quarter second counts
REFIT_S = 1.0  # between two fits, once there are enough points
POINTS = 480  # two minutes of them
YOUNG = 64  # while a segment is young every arrival is a point; when there are so many, halves are merged
ABSURD_NS = 60e9  # no time is corrected by more: it would be a wrong number, not a delay
TOLERANCE = 0.03  # of a sensor's rate; beyond that its nominal rate is wrong
REPEATED = 8  # so many rows in a row may come again or late; more is a device that counts anew

Times = tuple[NDArray[np.int64], NDArray[np.int64]]


class Segment:
    """One stretch of a device's clock without steps.

    x is nominal device time since the segment's first row, s; z the arrival's excess over it, ns.

    Args:
        period: nominal, s.
        tolerance: largest departure of the rate, of 1.
        stamped: y is no arrival but a stamp that errs in both directions: points are medians.
    """

    def __init__(self, period: float, tolerance: float, stamped: bool = False) -> None:
        self.period, self.tolerance, self.stamped = period, tolerance * 1e9, stamped
        self.fit: Fit | None = None
        self.off = 0.0
        """How far the rate turned out to be off, ns/s, where that is more than the tolerance."""
        self.edge = self.hidden = 0.0
        self.waits = Waits(period)
        self.late = Lateness(period)
        self._x: list[float] = []
        self._z: list[float] = []
        self.settled = False
        """Whether there are enough points to tell a step from a delay."""
        self.step_ns = 6 * FIRST_NS
        """Departures beyond this are steps, ns."""
        self._base = self._slope = 0.0  # of the line: base + slope x
        self._fits, self._fitted_until = 0, -math.inf
        self._listens = not stamped  # to waits: all the time at first, a quarter of it later
        self._length = 0.0  # of a bucket, s
        self._limit = max(BUCKET_S, 4 * period)
        self._ends = -math.inf  # where the bucket that is filling ends
        self._low = (math.inf, 0.0, 0.0)  # its lowest row: above the line, x, z
        self._all: list[tuple[float, float, float]] = []  # its rows, as above, where stamped
        self._total, self._rows = 0.0, 0  # above the line, of its rows

    def add(self, x: NDArray[np.float64], z: NDArray[np.float64], y: NDArray[np.int64]) -> bool:
        """Take in rows (N,) with their arrivals y, ns; False where the clock stepped before them.

        It runs for every read of every driver: what can be a float is one.
        """
        if self.fit is None:
            self._use(self._fitted(x[-1:], z[-1:], float(x[-1])))
        above = z - (self._base + self._slope * x)
        lowest = int(above.argmin())
        low = float(above[lowest])
        if self.settled and not self.stamped and low < self.edge - self.step_ns:
            return False
        last = float(x[-1])
        if last >= self._ends:
            if self._rows and not self._close(last):
                return False
            self._ends = last + self._length
            above = z - (self._base + self._slope * x)
            low = float(above[lowest])
            self._low, self._total, self._rows = (math.inf, 0.0, 0.0), 0.0, 0
            self._all.clear()
        if self._listens:
            self.waits.add(x, z, y)
        self._total += float(above[0])
        self._rows += 1
        if self.stamped:
            self._all.extend(zip(above.tolist(), x.tolist(), z.tolist(), strict=True))
        elif low < self._low[0]:
            self._low = low, float(x[lowest]), float(z[lowest])
        if not self.settled and not self.stamped:
            self.edge = min(self.edge, low)
        return True

    def _close(self, now: float) -> bool:
        """End a bucket: its lowest row is a point. False: the clock stepped some buckets ago."""
        assert self.fit is not None
        low, x, z = sorted(self._all)[len(self._all) // 2] if self.stamped else self._low
        spread = self._total / self._rows - low
        if self.settled:
            away = abs(low) if self.stamped else low - self.edge
            if self.late.stepped(x, z, away > self.step_ns, spread):
                return False
            if self.late.run:
                return True
        else:
            self.late.usual(spread)
        self._x += [*self.late.kept_x, x]
        self._z += [*self.late.kept_z, z]
        self.late.kept_x, self.late.kept_z = [], []
        if self._length < self._limit and len(self._x) > YOUNG:
            self._halve()
        del self._x[:-POINTS], self._z[:-POINTS]
        if self.settled and x < self._fitted_until:
            return True
        self._fitted_until = x + REFIT_S
        xs, zs = np.array(self._x), np.array(self._z)
        fit = self._fitted(xs, zs, now)
        if abs(fit.slope) >= self.tolerance and self._pace_is_wrong(xs, zs):
            return False
        self._use(fit)
        self.edge = fit.edge
        if not self.stamped and self._listens:
            self.hidden = self.waits.hidden(fit)
        self._fits += 1
        self._listens = not self.stamped and (not self.settled or self._fits % 4 == 0)
        if self._listens and self.settled:
            self.waits.again()
        return True

    def _use(self, fit: Fit) -> None:
        self.fit = fit
        self._base, self._slope = fit.level - fit.slope * fit.at, fit.slope
        self.step_ns = max(3e6, 0.6e9 * self.period, 6 * fit.scatter)

    def _fitted(self, x: NDArray[np.float64], z: NDArray[np.float64], now: float) -> Fit:
        return fit_line(
            x,
            z,
            now,
            asymmetry=0.5 if self.stamped else ASYMMETRY,
            tolerance=self.tolerance,
            rounds=4 if self.settled else 8,
            start=self.fit,
        )

    def _pace_is_wrong(self, x: NDArray[np.float64], z: NDArray[np.float64]) -> bool:
        """Whether the slope is beyond all tolerance: the nominal rate is another than the device's."""
        third = len(x) // 3
        if third < 4:
            return False
        early, late = z[:third], z[-third:]
        rise = float(np.median(late) - np.median(early)) / float(np.median(x[-third:]) - np.median(x[:third]))
        inside = rise * float(x[third - 1] - x[0])  # by so much a slope would scatter each third
        even = all(abs(float(part[-1] - part[0])) > 0.5 * abs(inside) for part in (early, late))
        if abs(rise) > 1.2 * self.tolerance and even and abs(rise) * float(x[-1] - x[0]) > 5 * FIRST_NS:
            self.off = rise
        return self.off != 0.0

    def _halve(self) -> None:
        """Merge points to buckets twice as long, each keeping its lowest."""
        assert self.fit is not None
        span = self._x[-1] - self._x[0]
        self._length = min(self._limit, max(2 * self._length, 2 * span / len(self._x)))
        self.settled = self._length >= self._limit
        x, z = np.array(self._x), np.array(self._z)
        bucket = np.floor((x - x[0]) / self._length).astype(np.int64)
        order = np.lexsort((z - self.fit(x), bucket))
        first = order[np.concatenate(([True], np.diff(bucket[order]) > 0))]
        self._x, self._z = x[first].tolist(), z[first].tolist()

    def above(self, x: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by how much rows (N,) arrived after capture plus the least delay, ns."""
        return z - (self._base + self.edge + self._slope * x)

    def error(self, x: float) -> float:
        """Return a bound on the error of :meth:`above` at ``x``, ns."""
        assert self.fit is not None
        return self.fit.error(x) + abs(self.edge - self.fit.edge) + self.hidden


class DeviceClock:
    """A regularly sampled device: its row number is its clock.

    A step (the device restarted, its rate changed, or rows vanished that no counter shows) begins a new
    segment. Rows that come again, or late, are given times but say nothing of the clock.

    The times are those of capture plus the least delay of the transport, and the bound is relative to
    that: a constant delay cannot be seen from arrivals; ``latency_ms`` in the rig takes it off.

    Args:
        rate_hz: nominal rate, rows per second.
        tolerance: largest departure of the true rate from it, of 1.
        stamped: see :class:`Segment`; what is given as arrival is a stamp then.
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

    def update(self, time_host: NDArray[np.int64], seq: NDArray[np.uint64]) -> Times:
        """Take in rows and correct them.

        Args:
            time_host: (N,) arrivals, ns.
            seq: (N,) row numbers.

        Returns:
            host time of capture plus the least delay (N,), rising, and a bound on its error (N,), ns.
        """
        return self.update_nominal(time_host, np.asarray(seq).astype(np.int64), self._period)

    def update_nominal(self, time_host: NDArray[np.int64], count: NDArray[np.int64], unit: float) -> Times:
        """As :meth:`update`, for any count of ``unit`` nominal ns each."""
        time_host = np.asarray(time_host, dtype=np.int64)
        n = len(count)
        if n and int(count[0]) > self._last_x and (n == 1 or bool((count[1:] > count[:-1]).all())):
            self._repeated = 0
            if (int(count[-1]) - int(count[0])) * unit * self._pace <= PIECE_NS:
                return self._correct(time_host, count, unit)
            return self._in_pieces(time_host, count, unit)
        out, bound = np.empty(n, np.int64), np.empty(n, np.int64)
        for i in range(n):  # rare: rows come again, late, or from a device that counts anew
            one = slice(i, i + 1)
            if self._segment is not None and count[i] <= self._last_x:
                self._repeated += 1
                if self._repeated <= REPEATED and self._last_x - int(count[i]) <= REPEATED * self._step(unit):
                    out[one], bound[one] = self._placed(time_host[one], count[one], unit)
                    continue
                self._segment = None
            self._repeated = 0
            out[one], bound[one] = self._correct(time_host[one], count[one], unit)
        return out, bound

    def _in_pieces(self, time_host: NDArray[np.int64], count: NDArray[np.int64], unit: float) -> Times:
        """Take in many rows as if they had come one after the other."""
        piece = (count - count[0]) // max(1, int(PIECE_NS / unit / self._pace))
        cuts = [0, *(np.flatnonzero(np.diff(piece)) + 1).tolist(), len(count)]
        parts = [self._correct(time_host[a:b], count[a:b], unit) for a, b in itertools.pairwise(cuts)]
        return np.concatenate([times for times, _ in parts]), np.concatenate([bound for _, bound in parts])

    def _step(self, unit: float) -> float:
        return max(1.0, self._period / unit)

    def _correct(self, time_host: NDArray[np.int64], count: NDArray[np.int64], unit: float) -> Times:
        since = self._period  # nominal ns since the last row of the call before
        if self._segment is None:
            self._begin(int(count[0]), int(time_host[0]))
        else:
            since = min((int(count[0]) - self._last_x) * unit * self._pace, ABSURD_NS)
        self._last_x = int(count[-1])
        x, z = self._relative(time_host, count, unit)
        assert self._segment is not None
        if max(abs(float(z[0])), abs(float(z[-1]))) > ABSURD_NS or not self._segment.add(x, z, time_host):
            off = self._segment.off * 1e-9
            if off and 0.02 < self._pace * (1 + off) < 50:
                self._pace *= 1 + off
            late = self._segment.late.first_x
            self._begin(int(count[0]), int(time_host[0]))
            self.late_rows = 0 if late is None else round((x[0] - late) / self._segment.period)
            x, z = self._relative(time_host, count, unit)
            self._segment.add(x, z, time_host)
        return self._timed(x, z, time_host, since)

    def _placed(self, time_host: NDArray[np.int64], count: NDArray[np.int64], unit: float) -> Times:
        x, z = self._relative(time_host, count, unit)
        return self._timed(x, z, time_host, 0.0)

    def _relative(
        self, time_host: NDArray[np.int64], count: NDArray[np.int64], unit: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        nominal: NDArray[np.float64] = (count - self._x0).astype(np.float64) * (unit * self._pace)
        return nominal * 1e-9, (time_host - self._y0) - nominal

    def _timed(
        self, x: NDArray[np.float64], z: NDArray[np.float64], time_host: NDArray[np.int64], since: float
    ) -> Times:
        assert self._segment is not None
        above = self._segment.above(x, z)
        if abs(float(above[0])) > ABSURD_NS or abs(float(above[-1])) > ABSURD_NS:
            above = np.clip(above, -ABSURD_NS, ABSURD_NS)
        times = time_host - np.rint(above).astype(np.int64)
        error = max(self._segment.error(float(x[0])), self._segment.error(float(x[-1])))
        bound = np.full(len(times), math.ceil(min(error, 2 * ABSURD_NS)), np.int64)
        rising = self._rise(times, x, since)
        return rising, bound if rising is times else bound + np.abs(rising - times)

    def _begin(self, count: int, time_host: int) -> None:
        self.late_rows = 0
        self.segments += 1
        self._x0, self._y0 = count, time_host
        self._segment = Segment(self._period * self._pace * 1e-9, self._tolerance, self._stamped)

    def _rise(self, times: NDArray[np.int64], x: NDArray[np.float64], since: float) -> NDArray[np.int64]:
        """Where the line moved back, let time pass at half pace until it is met, never backwards."""
        early = self._last is not None and int(times[0]) <= self._last
        falls = len(times) > 1 and bool((times[1:] <= times[:-1]).any())
        if early and self._last is not None:
            half = np.rint(np.minimum((x - x[0]) * 1e9, ABSURD_NS) / 2).astype(np.int64)
            half += self._last + 1 + int(since) // 2
            times = np.maximum(times, half)
        if early or falls:
            steps = np.arange(len(times))
            times = np.maximum.accumulate(times - steps) + steps
        self._last = int(times[-1])
        return times
