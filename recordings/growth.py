"""How a file grows, and how long the disk has room for it."""

from __future__ import annotations

import contextlib
import shutil
from collections import deque
from pathlib import Path

WINDOW_S = 20.0
"""The rate is taken over so long: files grow in lumps."""


class Growth:
    """Watches one file; time is given in, for tests."""

    def __init__(self) -> None:
        self._sizes: deque[tuple[float, int]] = deque()

    def told(self, path: Path, now_s: float) -> tuple[int, int, float | None]:
        """Return the size of the file and the room on its disk, bytes, and how long that lasts, s.

        The last is None where the file is too young to tell, or does not grow.
        """
        size = free = 0
        with contextlib.suppress(OSError):
            size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
        self._sizes.append((now_s, size))
        while self._sizes[0][0] < now_s - WINDOW_S:
            self._sizes.popleft()
        since, grown = now_s - self._sizes[0][0], size - self._sizes[0][1]
        return size, free, free * since / grown if since >= 2.0 and grown > 0 else None
