"""One stretch of a regularly sampled device's clock, without steps, while its rows come in."""

from __future__ import annotations

import math

import numpy as np

from drivers.clock.device_line import ASYMMETRY, FIRST_NS, Fit, Floats, fit_line
from drivers.clock.device_step import Lateness, Waits

BUCKET_S = 0.25  # the earliest arrival of each quarter second counts
REFIT_S = 2.0  # between two fits, once there are enough points
POINTS = 480  # two minutes of them
YOUNG = 64  # while a segment is young every arrival is a point; when there are so many, halves are merged


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
        self._fits, self._fitted_until, self._fitted_to = 0, -math.inf, 0
        self._listens = not stamped  # to waits: all the time at first, a quarter of it later
        self._length = 0.0  # of a bucket, s
        self._limit = max(BUCKET_S, 4 * period)
        self._ends = -math.inf  # where the bucket that is filling ends
        self._low = (math.inf, 0.0, 0.0)  # its lowest row: above the line, x, z
        self._all: list[tuple[float, float, float]] = []  # its rows, as above, where stamped
        self._total, self._rows = 0.0, 0  # above the line, of its rows

    def add(self, x: list[float], z: list[float], y: list[int]) -> bool:
        """Take in rows with their arrivals y, ns; False where the clock stepped before them.

        It runs for every read of every driver, on a few rows: plain numbers are faster than arrays.
        """
        last = x[-1]
        if self.fit is None:
            self._use(self._fitted(np.array([last]), np.array([z[-1]]), last))
        low = min([b - self._slope * a for a, b in zip(x, z, strict=True)]) - self._base
        if self.settled and not self.stamped and low < self.edge - self.step_ns:
            return False
        if last >= self._ends:
            if self._rows and not self._close(last):
                return False
            self._ends = last + self._length
            self._low, self._total, self._rows = (math.inf, 0.0, 0.0), 0.0, 0
            self._all.clear()
        if self._listens:
            self.waits.add(x, z, y)
        base, slope = self._base, self._slope
        self._total += z[0] - base - slope * x[0]
        self._rows += 1
        rows = [(b - base - slope * a, a, b) for a, b in zip(x, z, strict=True)]
        if self.stamped:
            self._all += rows
            return True
        self._low = min(self._low, *rows)
        if not self.settled:
            self.edge = min(self.edge, self._low[0])
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
            self._fitted_to = 0
        del self._x[:-POINTS], self._z[:-POINTS]
        if len(self._x) < self._fitted_to if not self.settled else x < self._fitted_until:
            return True
        self._fitted_until, self._fitted_to = x + REFIT_S, len(self._x) * 17 // 16 + 1
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

    def _fitted(self, x: Floats, z: Floats, now: float) -> Fit:
        return fit_line(
            x,
            z,
            now,
            asymmetry=0.5 if self.stamped else ASYMMETRY,
            tolerance=self.tolerance,
            rounds=4 if self.settled else 8,
            start=self.fit,
        )

    def _pace_is_wrong(self, x: Floats, z: Floats) -> bool:
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

    @property
    def line(self) -> tuple[float, float]:
        """Excess of capture plus the least delay over nominal time: at 0 s, ns, and its slope, ns/s."""
        return self._base + self.edge, self._slope

    def error(self, x: float) -> float:
        """Return a bound on the error of :attr:`line` at ``x``, ns."""
        assert self.fit is not None
        return self.fit.error(x) + abs(self.edge - self.fit.edge) + self.hidden
