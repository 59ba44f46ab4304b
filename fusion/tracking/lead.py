"""How far ahead of their time ticks are fused, so that pictures wait as little as may be for the next one.

::

    ticks        |               |               |               |               16.7 ms apart
    pictures seen     x                               x                          33.3 ms apart
    fused at     <----|lead----------<----|----------------<----|     right after a picture, all alike

A camera and the ticks go at rates that are multiples of one another, or nearly: what was looked at is ready
at about the same moment between two ticks for minutes, and at worst waits for almost a whole one. So the
ticks, all of them, are fused earlier by the same time: their distance stays, rows of IMUs wait no longer
than before, and the network, which is told all ages, says where the body is a few milliseconds from now.
"""

from __future__ import annotations

import collections

import numpy as np

_RECENT = 45
"""Pictures that tell when they come."""
_FEW = 15
_MOST_S, _STEP_S = 0.012, 0.001
_BETTER_S = 0.0015
"""So much less must pictures wait for the lead to change: it should not wander about."""
_PRICE = 0.1
"""A lead must save a picture at least this part of itself."""


class Lead:
    """Finds the lead from when pictures become ready.

    Args:
        span: from tick to tick, ns.
    """

    def __init__(self, span: int) -> None:
        self.now = 0
        """ns, 0 to 12 ms."""
        self._span = span
        self._phases: collections.deque[int] = collections.deque(maxlen=_RECENT)
        steps = min(int(_MOST_S / _STEP_S), int(0.75 * span / 1e9 / _STEP_S))
        self._leads = (np.arange(steps + 1) * _STEP_S * 1e9).astype(np.int64)

    def ready(self, tick: int, now: int) -> None:
        """Know that a picture became ready at ``now``, ns; ``tick``: any tick."""
        self._phases.append((tick - now) % self._span)
        if len(self._phases) < _FEW:
            return
        waits = (np.array(self._phases)[None] - self._leads[:, None]) % self._span
        costs = waits.mean(axis=1) + _PRICE * self._leads
        best, mine = int(costs.argmin()), int(np.abs(self._leads - self.now).argmin())
        if costs[best] < costs[mine] - _BETTER_S * 1e9:
            self.now = int(self._leads[best])
