"""Numbers of rows from what a device counts or stamps: what it skips was lost."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence


class ByCounter:
    """Rows numbered by a counter that comes round, and that may go on by more than one a row.

    Args:
        bits: width of the counter.
    """

    def __init__(self, bits: int) -> None:
        self._size = 1 << bits
        self._last: int | None = None
        self._stride = 0

    def learn(self, counts: Sequence[int]) -> None:
        """Learn from the first counts by how much it goes on in a row."""
        steps = [(late - early) % self._size for early, late in itertools.pairwise(counts)]
        self._stride = min((step for step in steps if step), default=0)

    @property
    def newest(self) -> tuple[int, int] | None:
        """The count of the newest row and the number that follows the largest; None: rows are not counted."""
        return None if self._last is None or self._stride != 1 else (self._last, self._size)

    def steps(self, count: int) -> int:
        """Return how many rows on this one is; 0: the device began to count anew."""
        last, self._last = self._last, count
        if last is None:
            return 1
        step = (count - last) % self._size
        if step == 0 or step > self._size // 2:
            return 0
        if not self._stride or step < self._stride:
            self._stride = step
        return max(1, round(step / self._stride))


class ByTime:
    """Rows numbered by the device's own stamps, whose period is learned and followed."""

    FOLLOW = 1 / 64
    """Share of the difference by which each step moves the period: a sensor warms up slowly."""

    def __init__(self) -> None:
        self.period = 0.0
        """Between two rows, in units of the stamps; 0: not known yet."""

    def learn(self, stamps: Sequence[int]) -> None:
        """Learn the period from the first stamps, of which few may be missing."""
        steps = [late - early for early, late in itertools.pairwise(stamps) if late > early]
        self.period = float(statistics.median_low(steps)) if steps else 0.0

    def steps(self, passed: int) -> int:
        """Return how many rows on one is that was stamped ``passed`` after the last."""
        if not self.period or passed < 0.75 * self.period:
            self.period = float(passed)
        steps = max(1, round(passed / self.period))
        if steps == 1:
            self.period += self.FOLLOW * (passed - self.period)
        return steps
