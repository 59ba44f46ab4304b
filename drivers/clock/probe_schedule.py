"""When to probe, and when the lack of answers must be told.

Probes go in short chains, each sent as the one before is answered: the first of a chain wakes both
sides up and takes longer there than back, which would look like an offset; the others find all awake.
"""

from __future__ import annotations

BURST = 8
"""Length of the first chain, before the first row, and of the one after a step."""

CHAIN = 4

SETTLING_S = 15.0
"""So long chains are frequent, to learn the rate difference."""

SETTLING_INTERVAL_S = 0.25
SCATTERED_INTERVAL_S = 0.5
INTERVAL_S = 2.0

SCATTER_NS = 1_000_000
"""Round trips that commonly differ by more need many probes for one that was not held up."""

NO_ANSWER_S = 5.0
"""Without any answer for so long, the clock service failed or the way to it is broken."""


class ProbeSchedule:
    """Paces the probes of one clock; time is given in, so that a test needs none.

    ::

        begin() -> send;  answered() -> True: send the next, False: the chain is complete

    Args:
        same: this host and the session have one clock: a probe is a sign of life, no more.
        now_s: monotonic time, s.
    """

    def __init__(self, *, same: bool, now_s: float) -> None:
        self.silent = False
        """No answer came for NO_ANSWER_S."""
        self.due_s = now_s
        """When the next chain shall begin, s."""
        self._same = same
        self._answered = now_s
        self._began = now_s
        self._burst = False
        self._left = 0

    def begin(self, now_s: float, scatter_ns: int = 0) -> None:
        """A chain begins: its first probe is sent now; round trips so far differ by ``scatter_ns``."""
        self._left = 1 if self._same else BURST if self._burst else CHAIN
        self._burst = False
        interval = INTERVAL_S
        if not self._same and scatter_ns > SCATTER_NS:
            interval = SCATTERED_INTERVAL_S
        if not self._same and now_s - self._began < SETTLING_S:
            interval = SETTLING_INTERVAL_S
        self.due_s = max(self.due_s + interval, now_s + interval / 2)  # not many where it was held up

    def answered(self, now_s: float) -> bool:
        """A probe was answered; whether the next of the chain shall be sent now."""
        self._answered = now_s
        self._left = max(0, self._left - 1)
        return self._left > 0

    def restart(self, now_s: float) -> None:
        """The clock stepped: probe as at the start."""
        self._burst, self._began, self.due_s = True, now_s, now_s

    def changes(self, now_s: float) -> bool:
        """Whether ``silent`` has changed since the last call."""
        silent = now_s - self._answered > NO_ANSWER_S
        changed, self.silent = silent != self.silent, silent
        return changed
