"""A thread that encodes one camera's pictures while the session is written.

::

    writer ── offer(stamp, picture) ──> queue, bounded ──> thread: x264 ──> take() ──> writer

The file is written by one thread only: what the encoder has made is fetched from here. A picture that
finds the queue full, that is none, or that comes after the encoder failed, is lost for the reason
``encoder``; nobody ever waits for the encoder but the end of the session.
"""

from __future__ import annotations

import collections
import dataclasses
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import StreamInfo

QUEUE_S = 10.0
"""How far the encoder may fall behind, at the nominal rate: while many drivers start, it gets little time."""
QUEUE_BYTES = 64 << 20


class NotAPicture(ValueError):
    """Bytes that are no picture of the announced size."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How x264 encodes.

    Attributes:
        preset: of x264, ``ultrafast`` to ``medium``: slower makes smaller files.
        crf: constant rate factor, 0 (lossless) to 51: smaller is better and larger.
    """

    preset: str = "veryfast"
    crf: int = 20


@dataclasses.dataclass(frozen=True)
class Encoded:
    """One picture's packet, with its (1,) stamp of :data:`drivers.base.STAMP`."""

    stamp: NDArray[Any]
    packet: bytes
    key: bool


@dataclasses.dataclass(frozen=True)
class Dropped:
    """A picture that was not encoded."""


class EncoderThread:
    """Encodes what is offered, in order.

    Attributes:
        failure: why the encoder gave up, or empty; all that was offered and will be is then dropped.
    """

    def __init__(self, info: StreamInfo, settings: Settings) -> None:
        self.failure = ""
        self._info, self._settings = info, settings
        self._limit = max(round(QUEUE_S * (info.rate_hz or 30.0)), 2)
        self._waiting: collections.deque[tuple[NDArray[Any], Any] | object] = collections.deque()
        self._made: collections.deque[Any] = collections.deque()
        self._pictures = self._bytes = 0  # waiting
        self._finished = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"h264 {info.name}", daemon=True)
        self._thread.start()

    def offer(self, stamp: NDArray[Any], picture: bytes | NDArray[np.uint8]) -> None:
        """Take a picture and its (1,) stamp, or drop it."""
        size = len(picture) if not isinstance(picture, np.ndarray) else picture.nbytes
        with self._change:
            full = self._pictures >= self._limit or self._bytes + size > QUEUE_BYTES
            if self.failure or (full and self._pictures):
                self._waiting.append(Dropped())
            else:
                self._waiting.append((stamp.copy(), picture))
                self._pictures += 1
                self._bytes += size
            self._change.notify_all()

    def mark(self, what: object) -> None:
        """Let something come out of :meth:`take` after all that was offered before."""
        with self._change:
            self._waiting.append(what)
            self._change.notify_all()

    def take(self) -> list[Any]:
        """Return what came out since the last call, in order: Encoded, Dropped, and what was marked."""
        with self._change:
            made = list(self._made)
            self._made.clear()
        return made

    def drain(self) -> None:
        """Wait until all that was offered has come out."""
        with self._change:
            self._change.wait_for(lambda: not self._waiting or not self._thread.is_alive())

    def finish(self) -> None:
        """Encode the rest and end the thread; safe to call twice."""
        with self._change:
            self._finished = True
            self._change.notify_all()
        self._thread.join()

    def _run(self) -> None:
        encode: Any = None
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._finished)
                if not self._waiting:
                    return
                item = self._waiting[0]  # taken away when its result is there: drain waits for that
            result: object = item
            size = 0
            if isinstance(item, tuple):
                stamp, picture = item
                size = len(picture) if not isinstance(picture, np.ndarray) else picture.nbytes
                result = Dropped()
                if not self.failure:
                    try:
                        encode = encode or self._encoder()
                        result = Encoded(stamp, *encode(picture, int(stamp["time"][0])))
                    except NotAPicture:
                        pass
                    except Exception as error:  # whatever a codec does must not end the recording
                        self.failure = " ".join(str(error).split())[:300] or type(error).__name__
            with self._change:
                self._waiting.popleft()
                self._pictures -= isinstance(item, tuple)
                self._bytes -= size
                self._made.append(result)
                self._change.notify_all()

    def _encoder(self) -> Any:
        from recordings.h264 import Encoder  # late: most sessions need no codec

        return Encoder(self._info, self._settings)
