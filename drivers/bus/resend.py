"""What a publisher keeps to fill gaps: the newest messages, bounded in bytes."""

from __future__ import annotations

import math
from collections import deque

from drivers.bus.spool import Spool
from drivers.bus.wire import Frames

_ON_ITS_WAY_S = 1.0
"""What was published so shortly before the hub's last sign of life may have been lost with what followed."""


class ResendBuffer:
    """The newest messages of one stream, by number.

    Args:
        max_bytes: bound on the bytes held in memory; the oldest messages go first.
        spool: where messages go that are let go before anybody can have got them; None: they are gone.
        keep_s: older ones are let go, too: small rows would take an hour to reach the bound in bytes.

    Attributes:
        reached_s: when the hub was last known to be reached, s; what was published before is not spooled.
        hold_s: until when all is spooled nevertheless, s: the hub is back, and asks for what it missed.
    """

    def __init__(self, max_bytes: int, spool: Spool | None = None, keep_s: float = math.inf) -> None:
        if max_bytes < 0:
            raise ValueError(f"max_bytes must not be negative, but is {max_bytes}")
        self.max_bytes = max_bytes
        self.size = 0
        self.reached_s = self.hold_s = 0.0
        self._spool, self._keep_s = spool, keep_s
        self._kept: deque[tuple[Frames, int, float]] = deque()
        self._next = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def first(self) -> int:
        """Number of the oldest message held; that of the next one where none is."""
        return self._next - len(self._kept)

    def append(self, number: int, frames: Frames, now_s: float = 0.0) -> None:
        """Keep one message, published now; numbers are consecutive from 0."""
        if number != self._next:
            raise ValueError(f"message {number} was given where {self._next} was due")
        size = sum(len(frame) for frame in frames)
        self._kept.append((frames, size, now_s))
        self._next += 1
        self.size += size
        while self._kept and (self.size > self.max_bytes or self._kept[0][2] < now_s - self._keep_s):
            first = self.first
            oldest, size, published_s = self._kept.popleft()
            self.size -= size
            needed = published_s > self.reached_s - _ON_ITS_WAY_S or now_s < self.hold_s
            if self._spool is not None and needed:
                self._spool.append(first, oldest, published_s, now_s)

    def get(self, number: int) -> Frames | None:
        """Return a message, or None if it is held no longer, or not yet published."""
        index = number - self.first
        if 0 <= index < len(self._kept):
            return self._kept[index][0]
        return self._spool.get(number) if self._spool is not None else None

    def close(self) -> None:
        """Let all go."""
        if self._spool is not None:
            self._spool.close()
