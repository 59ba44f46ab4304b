"""Messages on the disk: what a publisher has to keep while nobody can be reached, and memory does not hold.

The files have no name once they are open, so that they vanish with the program, whatever ends it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from collections import deque
from pathlib import Path
from typing import BinaryIO

from drivers.bus.wire import Frames

log = logging.getLogger(__name__)

SEGMENT_BYTES = 32 << 20
RESERVE_BYTES = 1 << 30
"""The disk keeps this much room, or a tenth of a small one: recordings go before this."""


def default_folder() -> Path:
    """Return where spools go: this user's cache, on a disk; the system's temporary files may be in memory."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "chorus", "spool")


class _Segment:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.numbers: list[int] = []
        self.bytes = 0
        self.newest_s = 0.0


class Spool:
    """Messages of one stream by number; the oldest go when they are older than ``keep_s``.

    Args:
        folder: on which disk; made when it is needed first.
        keep_s: how long a message is kept at least, s.
    """

    def __init__(self, folder: Path, keep_s: float) -> None:
        self._folder = folder
        self._keep_s = keep_s
        self._segments: deque[_Segment] = deque()
        self._where: dict[int, tuple[_Segment, int, tuple[int, ...]]] = {}
        self._failed = False

    def __len__(self) -> int:
        return len(self._where)

    def append(self, number: int, frames: Frames, published_s: float, now_s: float) -> None:
        """Keep a message; where the disk fails or is full, say so once and let it go."""
        self.forget(now_s)
        try:
            if not self._segments or self._segments[-1].bytes >= SEGMENT_BYTES:
                self._begin_segment()
            segment = self._segments[-1]
            offset = segment.bytes
            segment.file.write(b"".join(frames))
        except OSError as error:
            if not self._failed:
                log.warning(
                    "what cannot be sent now can't be kept on the disk either (%s): it will be lost", error
                )
            self._failed = True
            return
        self._failed = False
        segment.bytes += sum(len(frame) for frame in frames)
        segment.numbers.append(number)
        segment.newest_s = published_s
        self._where[number] = segment, offset, tuple(len(frame) for frame in frames)

    def get(self, number: int) -> Frames | None:
        """Return a message, or None where it is not here."""
        if number not in self._where:
            return None
        segment, offset, sizes = self._where[number]
        try:
            segment.file.seek(offset)
            data = segment.file.read(sum(sizes))
            segment.file.seek(0, os.SEEK_END)
        except OSError:
            return None
        frames, at = [], 0
        for size in sizes:
            frames.append(data[at : at + size])
            at += size
        return frames if at == len(data) else None

    def forget(self, now_s: float) -> None:
        """Let go what is older than it need be."""
        while (
            self._segments and self._segments[0].newest_s < now_s - self._keep_s and self._segments[0].numbers
        ):
            self._drop()

    def close(self) -> None:
        """Give the room back."""
        while self._segments:
            self._drop()

    def _begin_segment(self) -> None:
        segment = _Segment(self._folder)
        disk = shutil.disk_usage(self._folder)
        if disk.free < min(RESERVE_BYTES, disk.total // 10) + SEGMENT_BYTES:
            segment.file.close()
            raise OSError("the disk is nearly full")
        self._segments.append(segment)

    def _drop(self) -> None:
        segment = self._segments.popleft()
        for number in segment.numbers:
            del self._where[number]
        with contextlib.suppress(OSError):
            segment.file.close()
