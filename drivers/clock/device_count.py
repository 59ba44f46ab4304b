"""A device's counter: counters that wrap, and rows that vanish without a gap in the count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME

FAITHFUL = 0.8  # share of steps between stamps that must be whole periods, for gaps to be believed
SINGLE = (
    0.5  # share of steps that must be one period: else the stamps tell another time (a film shown faster)
)
FEW = 8  # rows; so many must have been seen before
MISSED = 0.75  # of a period beyond what the numbers say: a row is missing
NEAR = 8  # rows; over longer gaps of the numbers the period is not known well enough


def unwrap(counter: NDArray[np.integer], bits: int) -> NDArray[np.int64]:
    """Undo the wrapping of a counter.

    Args:
        counter: (N,) what the device sent, 0 to 2**bits - 1; late and repeated values are allowed.
        bits: width of the counter, 1 to 62.

    Returns:
        (N,) the count, beginning with the first value: each step is the one, forwards or back, of less
        than half the counter's range.
    """
    if not 1 <= bits <= 62:
        raise ValueError(f"a counter has 1 to 62 bits, not {bits}")
    values = np.asarray(counter).astype(np.int64)
    if not len(values):
        return values
    half = np.int64(1) << (bits - 1)
    steps = (np.diff(values) + half) % (2 * half) - half
    return values[0] + np.concatenate(([0], np.cumsum(steps)))


class Recount:
    """Numbers rows anew where the device's own stamps show rows that its numbers do not.

    A protocol without a counter is numbered as rows come, and lost rows leave no gap. Stamps that go in
    whole periods, mostly one at a time, show them; stamps that do not are left alone.

    Args:
        period: nominal, ns.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self.extra = 0
        """Rows found to be missing so far."""
        self._whole, self._single, self._rows = 0.0, 0.0, 0
        self._last: tuple[int, int] | None = None

    def __call__(self, seq: NDArray[np.int64], time_device: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return numbers (N,) with the gaps that stamps (N,), ns, show; ``seq`` where there are none."""
        if not len(seq) or time_device[0] == NO_TIME or time_device[-1] == NO_TIME:
            self._last = None
            return seq + self.extra
        before = self._last or (int(seq[0]) - 1, int(time_device[0] - self._period))
        passed_all = (int(time_device[-1]) - before[1]) / self._period
        if 0 < int(seq[-1]) - before[0] == len(seq) and abs(passed_all - len(seq)) < 0.25:
            self._last = int(seq[-1]), int(time_device[-1])  # nearly always: no gap of either kind
            self._note(1.0, 1.0, len(seq))
            return seq + self.extra if self.extra else seq
        self._last = int(seq[-1]), int(time_device[-1])
        rows = np.diff(seq, prepend=before[0])
        passed = np.diff(time_device, prepend=before[1]) / self._period
        more = passed - rows
        near = (rows > 0) & (rows <= NEAR) & (np.abs(more) < 1e6)
        whole = np.abs(more - np.rint(more)) < 0.25
        whole &= near & (passed > 0.5)
        self._note(float(np.mean(whole)), float(np.mean(whole & (np.abs(more) < 0.25))), len(seq))
        missing = np.where(near & (more > MISSED), np.rint(more), 0).astype(np.int64)
        if not self._believed or not missing.any():
            return seq + self.extra
        count = seq + self.extra + np.cumsum(missing)
        self.extra += int(missing.sum())
        return count

    @property
    def _believed(self) -> bool:
        return self._rows >= FEW and self._whole >= FAITHFUL and self._single >= SINGLE

    def _note(self, whole: float, single: float, rows: int) -> None:
        self._rows += rows
        gain = max(rows / self._rows, min(0.5, 0.02 * rows))
        self._whole += gain * (whole - self._whole)
        self._single += gain * (single - self._single)
