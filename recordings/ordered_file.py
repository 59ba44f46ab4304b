"""The file under a session being written: HDF5's changes reach it in an order that is whole at each step.

HDF5 writes what it changed in any order, so that a program killed within a flush can leave an index that
points nowhere. Here its writes are held back until :meth:`OrderedFile.commit`, which hands them to the system
so that nothing points at what is not there yet::

    what lies beyond the old end        nothing points at it yet
    heaps
    the superblock                      the new end of the file
    chunk indexes, from the root down   a node that was split keeps its entries until its parent knows both
    rows that HDF5 itself writes        checksums, events, probes
    object headers                      lengths of datasets
    ledgers                             what a reader of an interrupted file goes by

Whole chunks of rows are not held back: they lie where nothing points yet, or begin with the bytes that are
there.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows, which lets nobody else write a file that is open
    fcntl = None

_HEAPS = (b"HEAP", b"GCOL", b"FRHP", b"FHDB", b"FHIB", b"FSHD", b"FSSE", b"SNOD", b"SMTB")
_INDEXES = (b"BTHD", b"BTIN", b"BTLF", b"FAHD", b"EAHD")
_HEADERS = (b"OCHK", b"OHDR")
_REMEMBERED = 4096  # chunks; only the last of each dataset is written again
_SUPERBLOCK = b"\x89HDF"
_END = struct.Struct("<8sBBBB8x8xQ")
"""Superblock, versions 2 and 3: signature, version, sizes and flags, two addresses, end of the file."""


class OrderedFile(io.RawIOBase):
    """A new file for ``h5py.File(OrderedFile(path), "w")``; or one that is there, with ``"r+"``.

    No other program that writes sessions can open it meanwhile; reading is free.

    Args:
        path: the file.
        existing: it must be there, and is not emptied. What lies behind the end that it gives itself is cut
            off: a recorder was killed before anything pointed there.

    Attributes:
        through: bytes of the chunk of rows that is handed over now, 0 while there is none.
        last: addresses of what is written after everything else.

    Raises:
        FileExistsError, OSError: it can't be created.
        FileNotFoundError, BlockingIOError: it is not there, or being written by another program.
    """

    def __init__(self, path: Path, *, existing: bool = False) -> None:
        super().__init__()
        self.through = 0
        self.last: set[int] = set()
        flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | (0 if existing else os.O_CREAT | os.O_EXCL)
        self._descriptor = os.open(path, flags, 0o644)
        try:
            self._lock()
            size = self._cut() if existing else 0
        except BaseException:
            os.close(self._descriptor)
            raise
        self._at = 0
        self._size = size  # as HDF5 sees it
        self._committed = size  # end of what the file on the disk may point at
        self._chunks: dict[int, None] = {}  # addresses, the oldest first
        self._pending: dict[int, bytes] = {}
        self._broken = False

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        start, stop = self._at, min(self._at + len(view), self._size)
        if stop <= start:
            return 0
        os.lseek(self._descriptor, start, os.SEEK_SET)
        there = os.read(self._descriptor, stop - start)
        view[: stop - start] = there + bytes(stop - start - len(there))
        for at, data in self._pending.items():
            first, end = max(at, start), min(at + len(data), stop)
            if first < end:
                view[first - start : end - start] = data[first - at : end - at]
        self._at = stop
        return stop - start

    def write(self, data: Any) -> int:
        """Take bytes; those of a chunk of rows are written at once.

        Raises:
            OSError: the system does not take them.
        """
        view = memoryview(data).cast("B")
        if self.through == len(view) and (self._at >= self._committed or self._at in self._chunks):
            if not self._broken:
                self._chunks[self._at] = None
                if len(self._chunks) > _REMEMBERED:
                    del self._chunks[next(iter(self._chunks))]
                self._put(self._at, view)
        else:
            self._hold(self._at, bytes(view))
        self._at += len(view)
        self._size = max(self._size, self._at)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        self._size = self._at if size is None else size
        return self._size

    def commit(self) -> None:
        """Hand over all that is held back; call it when HDF5 has flushed.

        Raises:
            OSError: the system does not take it; what was committed before stays whole.
        """
        if self._broken:
            return
        if os.fstat(self._descriptor).st_size < self._size:
            os.ftruncate(self._descriptor, self._size)
        for at in sorted(self._pending, key=self._rank):
            self._put(at, self._pending[at])
        self._pending.clear()
        self._committed = self._size

    def give_up(self) -> None:
        """Leave the file as it was after the last commit; what HDF5 still writes goes nowhere."""
        self._broken = True

    def close(self) -> None:
        """Close; what was not committed is gone."""
        if not self.closed:
            if not self._broken and os.fstat(self._descriptor).st_size > self._committed:
                os.ftruncate(self._descriptor, self._committed)
            os.close(self._descriptor)
        super().close()

    def sync(self) -> None:
        """Wait until what was written is on the disk; from any thread.

        Raises:
            OSError: it can't be brought there.
        """
        getattr(os, "fdatasync", os.fsync)(self._descriptor)

    def _lock(self) -> None:
        if fcntl is not None:  # a POSIX lock: HDF5's own, which readers ask for, is of the other sort
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _cut(self) -> int:
        """Return the size of the file, what lies behind its own end cut off."""
        size = os.fstat(self._descriptor).st_size
        head = os.read(self._descriptor, _END.size)
        if len(head) == _END.size:
            signature, version, *_, end = _END.unpack(head)
            if signature[:4] == _SUPERBLOCK and version in (2, 3) and end < size:
                os.ftruncate(self._descriptor, end)
                return end
        return size

    def _hold(self, at: int, data: bytes) -> None:
        """Remember bytes; what they cover of others is changed there, so that none of them overlap."""
        known = self._pending.get(at)
        if (
            known is not None
            and len(known) <= len(data)
            and not self._overlapped(at + len(known), at + len(data))
        ):
            self._pending[at] = data
            return
        for start in self._overlapped(at, at + len(data)):
            old = self._pending.pop(start)
            begin, end = min(start, at), max(start + len(old), at + len(data))
            merged = bytearray(end - begin)
            merged[start - begin : start - begin + len(old)] = old
            merged[at - begin : at - begin + len(data)] = data
            at, data = begin, bytes(merged)
        self._pending[at] = data

    def _overlapped(self, start: int, stop: int) -> list[int]:
        return [at for at, data in self._pending.items() if at < stop and at + len(data) > start]

    def _rank(self, at: int) -> tuple[int, int, int]:
        data = self._pending[at]
        signature = data[:4]
        if at >= self._committed:
            return 0, 0, at
        if signature in _HEAPS:
            return 1, 0, at
        if signature == _SUPERBLOCK:
            return 2, 0, at
        if signature == b"TREE":
            return 3, -data[5], at
        if signature in _INDEXES:
            return 3, 0, at
        if signature in _HEADERS:
            return 5, _HEADERS.index(signature), at
        return (6 if at in self.last else 4), 0, at

    def _put(self, at: int, data: bytes | memoryview) -> None:
        os.lseek(self._descriptor, at, os.SEEK_SET)
        while len(data):
            data = data[os.write(self._descriptor, data) :]
