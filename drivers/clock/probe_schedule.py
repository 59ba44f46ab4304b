"""When to probe, and when the lack of answers must be told."""

from __future__ import annotations

BURST = 8
"""Probes one after another, before the first row and after a step."""

SETTLING_S = 10.0
"""So long after the burst probes are frequent, to learn the rate difference."""

SETTLING_INTERVAL_S = 0.125
STEADY_INTERVAL_S = 0.25
SAME_CLOCK_INTERVAL_S = 1.0
"""Within one clock nothing is estimated; probes are the sign of life and the proof."""

BURST_INTERVAL_S = 0.03
NO_ANSWER_S = 5.0
"""Without any answer for so long, the clock service failed or the way to it is broken."""


class ProbeSchedule:
    """Paces the probes of one clock; time is given in, so that a test needs none.

    Args:
        same: this host and the session have one clock.
        now_s: monotonic time, s.
    """

    def __init__(self, *, same: bool, now_s: float) -> None:
        self.silent = False
        """No answer came for NO_ANSWER_S."""
        self._same = same
        self._due = now_s
        self._answered = now_s
        self._began = now_s
        self._burst = 0

    @property
    def due_s(self) -> float:
        """When the next probe shall be sent, s."""
        return self._due

    def sent(self, now_s: float) -> None:
        """A probe was sent; the next becomes due."""
        if self._same:
            interval = SAME_CLOCK_INTERVAL_S
        elif self._burst > 0:
            self._burst -= 1
            interval = BURST_INTERVAL_S
        elif now_s - self._began < SETTLING_S:
            interval = SETTLING_INTERVAL_S
        else:
            interval = STEADY_INTERVAL_S
        # Never many at once where the process did not run for a while.
        self._due = max(self._due + interval, now_s + interval / 2)

    def restart(self, now_s: float) -> None:
        """The clock stepped: probe as at the start."""
        self._burst, self._began, self._due = BURST, now_s, now_s

    def answered(self, now_s: float) -> bool:
        """An answer came; whether that ends a silence."""
        self._answered = now_s
        was, self.silent = self.silent, False
        return was

    def falls_silent(self, now_s: float) -> bool:
        """Whether now, and not before, answers have failed to come for too long."""
        if self.silent or now_s - self._answered <= NO_ANSWER_S:
            return False
        self.silent = True
        return True
