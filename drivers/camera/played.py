"""Pictures that lie in files, handed on as a camera would: each when it is due.

A thread makes them a little ahead; :meth:`PlayedDriver.read` hands each picture on when it is due. When the
machine cannot keep pace, pictures are left out and counted (``driver_queue``): a played camera may lose, it
never drifts. Where the start is agreed for later, the time until then is used: short films are whole in
memory when they begin.
"""

from __future__ import annotations

import abc
import dataclasses
import itertools
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from drivers.base import Driver, DriverContext, EndOfStream, Samples, StreamInfo
from drivers.camera.pictures import one_picture
from drivers.errors import DeviceError, Fault

AHEAD = 12
"""Pictures decoded before they are due: rides out a stall of 0.2 s at 60 Hz."""
AHEAD_BYTES = 64 << 20
"""Pictures made before an agreed start, as far as they fit: 200 JPEGs of 1080x1920."""
LATE_NS = 250_000_000
"""A picture later than this is left out."""
HOPELESS = 300
"""Pictures left out in a row while falling further behind: decoding alone is too slow."""


class PlayedConfig(Protocol):
    """What the config of every played camera has.

    Attributes:
        fps: show that many pictures a second; 0: at their own pace.
        loop: begin again at the end.
        cache_mb: looped pictures that fit into this are made once only.
    """

    @property
    def fps(self) -> float: ...
    @property
    def loop(self) -> bool: ...
    @property
    def cache_mb(self) -> int: ...


C = TypeVar("C", bound=PlayedConfig)


@dataclasses.dataclass(slots=True)
class _Picture:
    number: int
    due: int  # ns after the first picture
    stamp: int  # presentation time, ns, going on over loops
    payload: Any  # JPEG bytes, pixels, or None where left out

    @property
    def size(self) -> int:
        """Bytes."""
        return _size(self.payload)


class PlayedDriver(Driver[C]):
    """Base of drivers that play files. ``time_device``: time since the first picture, over all loops."""

    reopens = False

    def __init__(self, config: C, context: DriverContext) -> None:
        super().__init__(config, context)
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._begun = threading.Event()
        self._queue: queue.Queue[_Picture | Exception] = queue.Queue()
        self._room = threading.Condition()
        self._held = 0  # bytes in the queue
        self._start = 0
        self._agreed = False
        self._next: _Picture | None = None
        self._end: Exception | None = None
        self._left_out = 0
        self._rate, self._file_rate = 0.0, 30.0  # shown, and in the file, Hz

    @abc.abstractmethod
    def _look(self) -> tuple[Path, StreamInfo, float]:
        """Return the file or folder, what its rows are, and its own rate, Hz, or 0.

        Raises:
            DeviceError: it is not there, or not what it should be.
        """

    @abc.abstractmethod
    def _decode(self, path: Path) -> Iterator[tuple[int, Any]]:
        """Yield (time from the first picture, ns; the picture), rising."""

    @abc.abstractmethod
    def _payload(self, picture: Any) -> Any:
        """Return a picture as one row: an array or JPEG bytes."""

    def _agreed_start(self) -> int | None:
        """Return when the first picture is due, ns of the host's monotonic clock; None: when it is read."""
        return None

    _SLOWER = "Set a lower 'fps'"

    def open(self) -> StreamInfo:
        """Open the files and look at the first picture.

        Raises:
            DeviceError: they are not there, or not what they should be.
        """
        self.close()
        path, info, rate = self._look()
        self._file_rate, self._rate = rate or info.rate_hz or 30.0, info.rate_hz
        self._stop, self._begun = threading.Event(), threading.Event()
        self._queue, self._held = queue.Queue(), 0
        self._next, self._end, self._left_out, self._start = None, None, 0, 0
        agreed = self._agreed_start()
        self._agreed = agreed is not None
        if agreed is not None:
            self._start = agreed
            self._begun.set()
        self._thread = threading.Thread(target=self._produce, args=(path,), daemon=True)
        self._thread.start()
        return info

    def read(self, timeout_s: float) -> Samples | None:
        """Return the next picture when it is due; see :class:`Driver`."""
        deadline = time.monotonic_ns() + int(timeout_s * 1e9)
        while True:
            if self._next is None and not self._fetch(deadline):
                return self._losses_at_the_end()
            picture = self._next
            assert picture is not None
            if not self._begun.is_set():
                self._start = time.monotonic_ns() - picture.due
                self._begun.set()
            if picture.payload is None:
                self._left_out += 1
                self._next = None
                continue
            wait = self._start + picture.due - time.monotonic_ns()
            if wait > 0:
                rest = deadline - time.monotonic_ns()
                time.sleep(max(0, min(wait, rest)) / 1e9)
                if wait > rest:
                    return None
            lost = {"driver_queue": self._left_out} if self._left_out else {}
            self._next, self._left_out = None, 0
            # On an agreed schedule a picture's moment is when it is due, not when a busy machine gets to it.
            moment = self._start + picture.due if self._agreed else time.monotonic_ns()
            return one_picture(picture.payload, picture.number, moment, picture.stamp, lost)

    def _losses_at_the_end(self) -> Samples | None:
        """Return the losses that no later picture will carry, as samples without rows."""
        if self._end is None:
            return None
        if not self._left_out:
            raise self._end
        lost, self._left_out = {"driver_queue": self._left_out}, 0
        none = np.empty(0, np.int64)
        return Samples(data=(), time_host=none, time_device=none, seq=none.astype(np.uint64), lost=lost)

    def close(self) -> None:
        """Stop decoding and let the file go."""
        self._stop.set()
        self._begun.set()
        with self._room:
            self._room.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _fetch(self, deadline: int) -> bool:
        if self._end is not None:
            raise self._end
        if self._thread is None:
            raise DeviceError(
                self.context.stream, Fault.FAILED, "it was read while closed", mend="Open it first"
            )
        try:
            item = self._queue.get(timeout=max(0.0, (deadline - time.monotonic_ns()) / 1e9))
        except queue.Empty:
            return False
        if isinstance(item, Exception):
            self._end = item  # every later read ends in the same way
            return False
        with self._room:
            self._held -= item.size
            self._room.notify_all()
        self._next = item
        return True

    # The thread that decodes ahead.

    def _produce(self, path: Path) -> None:
        try:
            for picture in self._pictures(path):
                with self._room:
                    self._room.wait_for(lambda size=picture.size: self._has_room(size))
                    self._held += picture.size
                if self._stop.is_set():
                    return
                self._queue.put(picture)
            self._queue.put(EndOfStream())
        except Exception as error:  # it is raised again where the pictures are read
            self._queue.put(error)

    def _has_room(self, size: int) -> bool:
        fits = self._agreed and self._held + size <= AHEAD_BYTES
        return fits or self._queue.qsize() < AHEAD or self._stop.is_set()

    def _pictures(self, path: Path) -> Iterator[_Picture]:
        """Yield every picture with its number, due time and stamp, over all loops."""
        number, offset = 0, 0
        cache = _Cache(self.config.cache_mb << 20 if self.config.loop else 0)
        run, worst = 0, 0  # pictures left out in a row, and how late the first of them was
        for _ in itertools.count() if self.config.loop else range(1):
            end, filled = 0, cache.complete
            source = iter(cache.items) if filled else self._decode(path)
            for stamp, image in source:
                end = stamp + int(1e9 / self._file_rate)
                due = int(number * 1e9 / self.config.fps) if self.config.fps else offset + stamp
                late = time.monotonic_ns() - self._start - due if self._begun.is_set() else 0
                payload = None
                if late <= LATE_NS:
                    run = 0
                    payload = image if filled else self._payload(image)
                else:
                    worst, run = (late, 1) if run == 0 else (worst, run + 1)
                    if run > HOPELESS and late > worst:
                        raise self._too_slow(path)
                if not filled:
                    cache.add(stamp, payload)
                yield _Picture(number, due, offset + stamp, payload)
                number += 1
            offset += end
            cache.end_of_pass()

    def _too_slow(self, path: Path) -> DeviceError:
        return DeviceError(
            self.context.stream,
            Fault.FAILED,
            f"{path} cannot be read at {self._rate:g} pictures a second on this machine",
            mend=self._SLOWER,
        )


def _size(payload: Any) -> int:
    return 0 if payload is None else len(payload) if isinstance(payload, bytes) else int(payload.nbytes)


class _Cache:
    """The pictures of one pass, if all of them are there and fit into ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self.items: list[tuple[int, Any]] = []
        self.complete = False
        self._room = self._limit = limit
        self._whole = limit > 0

    def add(self, stamp: int, payload: Any) -> None:
        self._room -= _size(payload)
        self._whole = self._whole and payload is not None and self._room >= 0
        if self._whole:
            self.items.append((stamp, payload))
        else:
            self.items = []

    def end_of_pass(self) -> None:
        """Keep what this pass left, or try again with the next one where it fell short of pictures."""
        if not self.complete:
            self.complete = self._whole and bool(self.items)
            self._whole, self._room = self._room >= 0 and self._limit > 0, self._limit
            if not self.complete:
                self.items = []
