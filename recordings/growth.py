"""How a file grows, and how long the disk has room for it."""

from __future__ import annotations

import contextlib
import shutil
from collections import deque
from pathlib import Path

WARN_S = 600.0
"""A disk that lasts for less is warned of."""

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


def disk_warning(path: Path, room_s: float | None, left_s: float | None) -> str:
    """Return a warning where a disk will not last, or an empty text.

    Args:
        path: the file that grows.
        room_s: how long the disk lasts at the present rate, or None while that is unknown.
        left_s: how long the recording has still to go, or None where nobody knows.
    """
    if room_s is None or room_s > (WARN_S if left_s is None else left_s):
        return ""
    lasts = f"{room_s / 60:.0f} minutes" if room_s >= 120 else f"{room_s:.0f} s"
    return f"the disk of {path} is full in about {lasts}: free some space; what is recorded stays safe"


class DiskWatch:
    """Watches the file and its disk while recording.

    Attributes:
        size, free: of the file, and what its disk has room for, bytes.
        room_s: how long that lasts at the present rate, s, or None while that is unknown.
        warning: that the disk will not last, or empty.
    """

    def __init__(self, path: Path) -> None:
        self.size = self.free = 0
        self.room_s: float | None = None
        self.warning = ""
        self._path = path
        self._growth = Growth()

    def look(self, now_s: float, left_s: float | None, *, warn: bool) -> str:
        """Look again; return the warning if it is new.

        Args:
            left_s: how long the recording has still to go, s, or None where nobody knows.
            warn: it goes on.
        """
        self.size, self.free, self.room_s = self._growth.told(self._path, now_s)
        before, self.warning = self.warning, ""
        if warn:
            self.warning = disk_warning(self._path, self.room_s, left_s)
        return "" if before else self.warning
