"""What a publisher keeps to fill gaps: the newest messages, bounded in bytes."""

from __future__ import annotations

from collections import deque

from drivers.bus.wire import Frames


class ResendBuffer:
    """The newest messages of one stream, by number.

    Args:
        max_bytes: bound on the bytes held; the oldest messages go first.
    """

    def __init__(self, max_bytes: int) -> None:
        if max_bytes < 0:
            raise ValueError(f"max_bytes must not be negative, but is {max_bytes}")
        self.max_bytes = max_bytes
        self.size = 0
        self._kept: deque[tuple[Frames, int]] = deque()
        self._next = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def first(self) -> int:
        """Number of the oldest message held; that of the next one where none is."""
        return self._next - len(self._kept)

    def append(self, number: int, frames: Frames) -> None:
        """Keep one message; numbers are consecutive from 0."""
        if number != self._next:
            raise ValueError(f"message {number} was given where {self._next} was due")
        size = sum(len(frame) for frame in frames)
        self._kept.append((frames, size))
        self._next += 1
        self.size += size
        while self.size > self.max_bytes:
            self.size -= self._kept.popleft()[1]

    def get(self, number: int) -> Frames | None:
        """Return a message, or None if it is held no longer, or not yet published."""
        index = number - self.first
        return self._kept[index][0] if 0 <= index < len(self._kept) else None
