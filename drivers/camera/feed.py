"""A thread that takes pictures from a live source, and a bounded queue the driver reads.

A live camera cannot be asked to wait: when the reader is slow the newest picture is refused and counted.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from drivers.base import NO_TIME, Samples
from drivers.camera.pictures import one_picture
from drivers.errors import DeviceError, Fault

ROOM = 60
"""Pictures kept while the reader is busy: 2 s at 30 Hz."""


class Picture(NamedTuple):
    """One picture of a source.

    Attributes:
        payload: JPEG bytes, or BGR pixels (H, W, 3).
        time_host: arrival of its last byte, ns.
        time_device: the camera's own clock, ns, or NO_TIME.
        damaged: pictures refused just before it.
    """

    payload: Any
    time_host: int
    time_device: int = NO_TIME
    damaged: int = 0


class Feed:
    """Runs ``source`` in a thread.

    Args:
        stream: name of the stream, for errors.
        source: yields pictures until it raises or is closed; it releases the device when closed.
        unblock: makes a waiting source return, so that closing is prompt.
    """

    def __init__(
        self, stream: str, source: Iterator[Picture], unblock: Callable[[], None] = lambda: None
    ) -> None:
        self._stream_name = stream
        self._source = source
        self._unblock = unblock
        self._queue: queue.Queue[tuple[Picture, int] | Exception] = queue.Queue()
        self._room = threading.Semaphore(ROOM)
        self._stop = threading.Event()
        self._first: tuple[Picture, int] | None = None
        self._end: Exception | None = None
        self._seq = 0
        self._heard = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def first(self, patience_s: float) -> Picture:
        """Wait for the first picture and keep it for :meth:`read`.

        Raises:
            DeviceError: none came within ``patience_s``, or the source failed.
        """
        self._first = self._take(patience_s)
        if self._first is None:
            raise DeviceError(
                self._stream_name,
                Fault.SILENT,
                f"the camera gave no picture in {patience_s:g} s",
                mend="Check that it is on, and that no other program uses it",
            )
        return self._first[0]

    def read(self, timeout_s: float, patience_s: float) -> Samples | None:
        """Return the next picture as samples, or None if none came within ``timeout_s``.

        Raises:
            DeviceError: the source failed, or was silent for ``patience_s``.
        """
        item, self._first = self._first or self._take(timeout_s), None
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
        lost = {"driver_queue": refused, "checksum": picture.damaged}
        self._seq += refused + picture.damaged
        samples = one_picture(
            picture.payload,
            self._seq,
            picture.time_host,
            picture.time_device,
            {reason: rows for reason, rows in lost.items() if rows},
        )
        self._seq += 1
        return samples

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
