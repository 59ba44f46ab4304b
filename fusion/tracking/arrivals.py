"""When rows and pictures came that no pose knows of yet."""

from __future__ import annotations

import collections

_MOST = 4096
"""So many wait at most: those of a stream that no tick ever reaches are let go."""


class Arrivals:
    """Arrivals by the session time of what arrived; kept until a tick has seen it."""

    def __init__(self) -> None:
        self._waiting: collections.deque[tuple[int, int]] = collections.deque(maxlen=_MOST)

    def note(self, time: int, arrival: int) -> None:
        """Know that what is of session time ``time`` came at ``arrival``, ns."""
        self._waiting.append((time, arrival))

    def seen(self, tick: int) -> list[int]:
        """Return when that came which a tick, ns, is the first to see."""
        seen = [arrival for time, arrival in self._waiting if time <= tick]
        if seen:
            left = [each for each in self._waiting if each[0] > tick]
            self._waiting.clear()
            self._waiting.extend(left)
        return seen
