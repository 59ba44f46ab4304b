"""A thread that takes pictures from a live source, and a bounded queue the driver reads.

A live camera cannot be asked to wait: when the reader is slow the newest picture is refused and counted.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from drivers.base import Samples
from drivers.camera.frozen import FrozenWatch
from drivers.camera.numbering import Numbering
from drivers.camera.picture import Picture
from drivers.camera.pictures import one_picture
from drivers.errors import DeviceError, Fault

ROOM = 60
"""Pictures kept while the reader is busy: 2 s at 30 Hz."""

_SETTLE_S, _MEASURE_S, _MEASURE_SLOW_S, _INTERVALS = 0.25, 1.25, 3.0, 5
_USUAL_HZ = (1, 2, 3, 4, 5, 6, 7.5, 8, 10, 12, 12.5, 15, 18, 20, 24, 25, 30, 48, 50, 60, 75, 90, 100, 120)
_NEAR = 0.025
"""A measured rate so near to a usual one, of 1, is taken for that: a second shows no more."""


class Feed:
    """Runs ``source`` in a thread.

    Args:
        stream: name of the stream, for errors.
        source: yields pictures until it raises or is closed; it releases the device when closed.
        unblock: makes a waiting source return, so that closing is prompt.
        numbering: of the source's pictures, if they came through other connections before.
        watch: is shown every picture that is read.
    """

    def __init__(
        self,
        stream: str,
        source: Iterator[Picture],
        unblock: Callable[[], None] = lambda: None,
        *,
        numbering: Numbering | None = None,
        watch: FrozenWatch | None = None,
    ) -> None:
        self._stream_name = stream
        self._source = source
        self._unblock = unblock
        self._numbering = numbering or Numbering()
        self._watch = watch
        self._queue: queue.Queue[tuple[Picture, int] | Exception] = queue.Queue()
        self._room = threading.Semaphore(ROOM)
        self._stop = threading.Event()
        self._ahead: deque[tuple[Picture, int]] = deque()  # taken, and not read yet
        self._end: Exception | None = None
        self._heard = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def first(self, patience_s: float) -> Picture:
        """Wait for the first picture and keep it for :meth:`read`.

        Raises:
            DeviceError: none came within ``patience_s``, or the source failed.
        """
        item = self._take(patience_s)
        if item is None:
            raise DeviceError(
                self._stream_name,
                Fault.SILENT,
                f"the camera gave no picture in {patience_s:g} s",
                mend="Check that it is on, and that no other program uses it",
            )
        self._ahead.append(item)
        return item[0]

    def measured_rate(self) -> float:
        """Take pictures for about a second, keep them for :meth:`read`, and return their rate; 0: unknown.

        A slow camera is given up to three seconds. Pictures that came at once at the start, because they had
        waited somewhere, tell nothing.
        """
        begin = time.monotonic()
        arrivals: list[int] = []
        with contextlib.suppress(DeviceError):  # it will be told when the pictures before it are read
            while (passed := time.monotonic() - begin) < _MEASURE_S or (
                len(arrivals) < _INTERVALS and passed < _MEASURE_SLOW_S
            ):
                item = self._take(_MEASURE_S - passed if passed < _MEASURE_S else _MEASURE_SLOW_S - passed)
                if item is not None:
                    self._ahead.append(item)
                    if time.monotonic() - begin >= _SETTLE_S:
                        arrivals.append(item[0].time_host)
        return usual_rate(arrivals)

    def read(self, timeout_s: float, patience_s: float) -> Samples | None:
        """Return the next picture as samples, or None if none came within ``timeout_s``.

        Raises:
            DeviceError: the source failed, or was silent for ``patience_s``.
        """
        item = self._ahead.popleft() if self._ahead else self._take(timeout_s)
        if item is None:
            if time.monotonic() - self._heard > patience_s:
                raise DeviceError(
                    self._stream_name,
                    Fault.SILENT,
                    f"the camera gave no picture for {patience_s:g} s",
                    mend="Check that it is on; what came before is kept",
                )
            return None
        picture, refused = item
        if self._watch is not None:
            self._watch.see(picture)
        seq, lost = self._numbering.take(picture, refused)
        return one_picture(picture.payload, seq, picture.time_host, picture.time_device, lost)

    def close(self) -> None:
        """Stop the thread and release the device."""
        self._stop.set()
        with contextlib.suppress(Exception):
            self._unblock()
        self._thread.join(2.0)

    def _take(self, timeout_s: float) -> tuple[Picture, int] | None:
        if self._end is not None:
            raise self._end
        try:
            item = self._queue.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            self._end = item  # every later read ends in the same way
            raise item
        self._room.release()
        self._heard = time.monotonic()
        return item

    def _run(self) -> None:
        refused = damaged = 0
        try:
            for picture in self._source:
                if self._stop.is_set():
                    return
                if not self._room.acquire(blocking=False):
                    refused += 1
                    damaged += picture.damaged
                    continue
                self._queue.put((picture._replace(damaged=picture.damaged + damaged), refused))
                refused = damaged = 0
        except Exception as error:  # it is raised again where the pictures are read
            self._queue.put(error)
        finally:
            close_source(self._source)


def close_source(source: Iterable[Picture]) -> None:
    """Run the ``finally`` of a generator."""
    close = getattr(source, "close", None)
    if close is not None:
        close()


def usual_rate(arrivals: list[int]) -> float:
    """Return the rate, Hz, that arrivals (ns) show, or the usual one that they mean; 0: unknown."""
    if len(arrivals) < 3 or arrivals[-1] <= arrivals[0]:
        return 0.0
    rate = (len(arrivals) - 1) * 1e9 / (arrivals[-1] - arrivals[0])
    near = min(_USUAL_HZ, key=lambda usual: abs(rate / usual - 1))
    return float(near) if abs(rate / near - 1) <= _NEAR else round(rate, 2)
