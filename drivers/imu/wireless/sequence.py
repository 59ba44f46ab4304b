"""What a device's counter and stamps say: how many rows it made between two, and when.

A counter of eight bits, or a clock of 16, may come round while the radio is silent: how long that was on the
host says how often.
"""

from __future__ import annotations

import statistics

SLACK_S = 2.0
"""A radio delivers this late at worst; what differs by more is a device that began anew."""
SLACK = 0.1
"""The same as a share of a silence: how wrong a nominal rate may be."""


class Wrapping:
    """A number that counts up and begins again at ``2**bits``.

    Args:
        bits: its width; 0: it never comes round.
        rate: by how much it grows in a second; 0: not known.
    """

    def __init__(self, bits: int, rate: float = 0.0) -> None:
        self.rate = rate
        self._modulus = 1 << bits if bits else 0
        self._last: float | None = None
        self._host = 0

    def step(self, number: float, host_ns: int) -> float | None:
        """Return by how much the number grew since the one before, or None: it is the first, or began anew.

        Args:
            host_ns: arrival, ns.
        """
        last, elapsed = self._last, (host_ns - self._host) / 1e9
        self._last, self._host = number, host_ns
        if last is None:
            return None
        step = number - last
        if not self._modulus:
            return step if step >= 0 else None
        step %= self._modulus
        if not self.rate:
            return None if self._modulus > 256 and step > self._modulus // 2 else step
        expected = elapsed * self.rate
        step += self._modulus * max(0, round((expected - step) / self._modulus))
        slack = max(SLACK_S * self.rate, SLACK * expected)
        return None if abs(step - expected) > slack and self._modulus > 2 * slack else step


class Stamped:
    """Rows numbered by stamps on the grid of a steady sampling, whose period is learned and followed."""

    LEARNED = 8
    """Stamps from which the period is taken; nothing is called lost among them."""
    WHOLE = 0.25
    """A step counts as so many periods where it is within this much of a whole number."""
    PHASE, PERIOD = 0.1, 1 / 64
    """Shares of the difference by which each stamp moves the grid."""
    CHANGED = 32
    """So many wide steps in a row are another rate, not losses."""

    def __init__(self) -> None:
        self.period = 0.0
        self._seen: list[float] = []
        self._grid = 0.0
        self._wide = 0

    def steps(self, passed: float) -> int:
        """Return how many periods on a stamp is that lies ``passed`` after the one before; at least 1."""
        if not self.period:
            self._seen.append(passed)
            if len(self._seen) == self.LEARNED:
                self.period = statistics.median(self._seen)
            return 1
        since = self._grid + passed  # since the grid's last point
        steps = max(1, round(since / self.period))
        if steps > 1 and abs(since / self.period - steps) > self.WHOLE:
            steps = 1
        self._wide = self._wide + 1 if steps > 1 else 0
        if self._wide > self.CHANGED:
            self.period, self._grid, self._wide = passed, 0.0, 0
            return 1
        error = since - steps * self.period
        self._grid = (1 - self.PHASE) * error
        if steps == 1:
            self.period += self.PERIOD * error
        return steps
