"""What is no delay: a clock that stepped; and what delays hide: polling in step with the rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from drivers.clock.device_line import Floats

RUN = 6  # buckets in a row that are late before that is called a step
BURST = 120  # the same where the jitter grew meanwhile: a busy radio, and no step, up to half a minute
LEAVES = 0.02  # of its rate: a device whose rows are late by more and more, by at least that, changed it
GREW = 1.7  # jitter that grew by this factor did


class Lateness:
    """Tells a clock that stepped from arrivals that are late for a while.

    A stall ends in rows that come all at once, a busy transport scatters rows more than before; after a
    step rows come as evenly as before, only later.

    Attributes:
        run: buckets in a row that are late now.
        kept_x, kept_z: points that were late and turned out to be delayed only.
    """

    def __init__(self, period: float) -> None:
        self.run = 0
        self.kept_x: list[float] = []
        self.kept_z: list[float] = []
        self._points: list[tuple[float, float]] = []
        self._spreads: deque[float] = deque(maxlen=40)
        self._now: deque[float] = deque(maxlen=RUN)
        self._period = period

    @property
    def first_x(self) -> float | None:
        """Where the run of late buckets began, s of nominal time."""
        return self._points[0][0] if self._points else None

    def usual(self, spread: float) -> None:
        """Note how rows of one bucket scatter, ns, while nothing is late."""
        self._spreads.append(spread)

    def stepped(self, x: float, z: float, late: bool, spread: float) -> bool:
        """Take in the lowest row of a bucket; True once it is clear that the clock stepped."""
        if not late:
            self.usual(spread)
            self.kept_x, self.kept_z = [p[0] for p in self._points], [p[1] for p in self._points]
            self._points, self.run = [], 0
            self._now.clear()
            return False
        self._points.append((x, z))
        self._now.append(spread)
        self.run += 1
        if self.run < RUN:
            return False
        before = self._points[-RUN]
        passed, nominal = x - before[0] + (z - before[1]) * 1e-9, x - before[0]
        if passed < 0.5 * nominal:  # held up, and then all at once: time does not pass meanwhile
            return False
        if self._leaves():
            return True
        if float(np.median(self._now)) > GREW * self._ordinary() + 1e5:
            return self.run >= BURST
        return True

    def _leaves(self) -> bool:
        """Whether rows are later and later, as evenly as another rate would have them."""
        x, z = np.array(self._points[-RUN:]).T
        return bool(np.all(np.diff(z) > 1e9 * LEAVES * np.diff(x)))

    def _ordinary(self) -> float:
        return float(np.median(self._spreads)) if self._spreads else 0.0


class Waits:
    """How much of the least delay a steady polling may hide.

    Rows that arrive in groups were polled; the last of a group has waited for less than a period. If
    those waits differ by nearly a period, the least of them is near 0; if they are all alike, it can be
    anything up to a period. Where they come in steps, it can be anything up to a step.

    Args:
        period: of the rows, s.
    """

    def __init__(self, period: float) -> None:
        self._period = period * 1e9
        self._rows = 0
        self._grouped = 0.0  # share of rows that arrive together with their successor, smoothed
        self._last = (0.0, 0.0, -1)  # x, z and arrival of the row seen last
        self._ends: deque[tuple[float, float]] = deque(maxlen=128)  # x and z of the last rows of groups

    def add(self, x: list[float], z: list[float], y: list[int]) -> None:
        """Take in rows: nominal time, s, excess of arrival over it, and arrival, ns."""
        together = 0
        before = self._last
        for row in zip(x, z, y, strict=True):
            # Whether the row before had company, this one tells.
            if row[2] == before[2]:
                together += 1
            elif before[2] != -1:
                self._ends.append(before[:2])
            before = row
        self._last = before
        n = len(y)
        self._rows += n
        weight = max(n / self._rows, 0.02 * n / (1 + 0.02 * n))
        self._grouped += weight * (together / n - self._grouped)

    def again(self) -> None:
        """Forget the last row: rows in between were not heard."""
        self._last = (0.0, 0.0, -1)

    def hidden(self, line: Callable[[Floats], Floats]) -> float:
        """Reckon anew, from the newest groups, how much may be hidden, ns."""
        if not self._ends:
            return 0.0
        ends = np.array(self._ends)
        heights = np.sort(ends[:, 1] - line(ends[:, 0]))
        lower = heights[: len(heights) // 2 + 1]
        step = 1.1 * float(np.max(np.diff(lower))) if len(lower) >= 16 else 0.0
        if self._grouped < 0.1:
            return step
        # A wait of a period or more: the last row of the group was lost.
        below = int(np.searchsorted(heights, heights[0] + 0.98 * self._period))
        return max(step, self._period - float(heights[below - 1] - heights[0]))
