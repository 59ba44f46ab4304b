"""When a driver whose process was killed is started again, and when it is given up."""

from __future__ import annotations

from collections import deque

RESTARTS = 5
WITHIN_S = 60.0
"""A driver that was started again so often within so long is given up: it will not hold."""

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.0, 5.0


class Restarts:
    """The restarts of one driver; time is given in, for tests."""

    def __init__(self) -> None:
        self._died: deque[float] = deque()
        self.due_s: float | None = None
        """When it is to be started, monotonic s; None: it runs, or was given up."""

    def died(self, now_s: float) -> bool:
        """Note that its process is over; return whether it will be started again."""
        while self._died and self._died[0] < now_s - WITHIN_S:
            self._died.popleft()
        self._died.append(now_s)
        if len(self._died) > RESTARTS:
            self.due_s = None
            return False
        wait_s = _FIRST_WAIT_S if len(self._died) == 1 else min(0.25 * 2 ** len(self._died), _LONGEST_WAIT_S)
        self.due_s = now_s + wait_s
        return True

    def take(self, now_s: float) -> bool:
        """Whether to start it now; true once for each."""
        if self.due_s is None or now_s < self.due_s:
            return False
        self.due_s = None
        return True
