"""The messages of one stream on their way out: numbered, kept to be sent again, and waiting to be sent.

::

    announce() publish() event() ... ─encode─> resend buffer ─> outbox ─> next()
                                                     └────────────────> get(number)
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from typing import Any

from drivers.base import Batch, StreamInfo
from drivers.bus import wire
from drivers.bus.messages import Ended, Event, Failed
from drivers.bus.resend import ResendBuffer
from drivers.errors import WireError

OUTBOX = 1000  # messages waiting to be sent at most; the resend buffer holds what it drops


class Outgoing:
    """One stream's messages; from any thread.

    Args:
        stream: its name.
        kept: what fills gaps later.

    Attributes:
        run: tells this run of the stream from any other.
        messages, rows: numbered so far.
        ended: the end, once it is known; nothing follows it.
    """

    def __init__(self, stream: str, kept: ResendBuffer) -> None:
        self.stream = stream
        self.run = random.SystemRandom().getrandbits(63)
        self.messages = self.rows = 0
        self.ended: wire.EndedHeader | None = None
        self._info: StreamInfo | None = None
        self._lost: dict[str, int] = {}
        self._kept = kept
        self._outbox: deque[wire.Frames] = deque(maxlen=OUTBOX)
        self._lock = threading.Lock()  # over all of these

    def announce(self, info: StreamInfo) -> None:
        """Say what the stream is.

        Raises:
            WireError: it is another stream, cannot be sent so, or changed what rows it has sent already.
        """
        if wire.check_info(info).name != self.stream:
            raise WireError(
                f"{self.stream}: the announcement is of stream '{info.name}'", mend="Announce the same name"
            )
        with self._lock:
            if self.rows and self._info is not None and _format(info) != _format(self._info):
                raise WireError(
                    f"{self.stream}: the format of its rows changed midway",
                    mend="End the stream and begin another",
                )
            self._info = info
            # Before any row of the stream, so that whoever sees rows knows them.
            self._announce(info)

    def announce_again(self) -> wire.AnnouncedHeader | None:
        """Say once more what the stream is, if that is known; return it."""
        with self._lock:
            return self._announce(self._info) if self._info is not None else None

    def publish(self, batch: Batch) -> None:
        """Number a batch.

        Raises:
            WireError: the batch is not what the stream announced; nothing was sent.
        """
        info = self._info
        if info is None:
            raise WireError(f"{self.stream}: rows before the announcement", mend="Call announce() first")
        sizes, body = wire.encode_batch(batch, info)
        with self._lock:
            for reason, rows in batch.lost.items():
                self._lost[reason] = self._lost.get(reason, 0) + int(rows)
            header = wire.DataHeader(rows=len(batch.data), sizes=sizes, **self._count())
            self._enqueue("d", header, body)
            self.rows += len(batch.data)

    def event(self, event: Event) -> None:
        """Number an event."""
        with self._lock:
            header = wire.EventHeader(
                time=int(event.time), kind=event.kind, label=event.label, source=event.source, **self._count()
            )
            self._enqueue("v", header)

    def fail(self, failed: Failed) -> None:
        """Number the reason why the stream ends."""
        with self._lock:
            header = wire.FailedHeader(
                fault=failed.fault[:4096], error=" ".join(failed.error.split())[:4096], **self._count()
            )
            self._enqueue("f", header)

    def probes(self, host: str, probes: bytes) -> None:
        """Number clock probes of a host; none follow the end."""
        with self._lock:
            if probes and self.ended is None:
                self._enqueue("p", wire.ProbesHeader(host=host, **self._count()), [b"", probes])

    def end(self, ended: Ended) -> None:
        """Close the stream with its totals."""
        with self._lock:
            self._refuse_after_end()
            self._lost = dict(ended.lost)
            self.ended = wire.EndedHeader(produced=ended.produced, **self._count())

    def next(self) -> wire.Frames | None:
        """Return the oldest message that waits to be sent, or None."""
        try:
            return self._outbox.popleft()
        except IndexError:
            return None

    def get(self, number: int) -> tuple[wire.Frames | None, bool]:
        """Return a message by its number, None if it is kept no longer; and whether there ever was one."""
        with self._lock:
            return self._kept.get(number), number < self.messages

    def _count(self) -> dict[str, Any]:
        return {"run": self.run, "number": self.messages, "row": self.rows, "lost": dict(self._lost)}

    def _refuse_after_end(self) -> None:
        if self.ended is not None:
            raise WireError(f"{self.stream}: the stream has ended", mend="Begin another")

    def _enqueue(self, kind: str, header: wire.AnyHeader, body: list[bytes] | None = None) -> None:
        self._refuse_after_end()
        frames = wire.encode(kind, self.stream, header, body or (b"", b""))
        self._kept.append(self.messages, frames, time.monotonic())
        self._outbox.append(frames)
        self.messages += 1

    def _announce(self, info: StreamInfo) -> wire.AnnouncedHeader:
        header = wire.AnnouncedHeader(info=info, **self._count())
        self._outbox.append(wire.encode("a", self.stream, header))
        return header


def _format(info: StreamInfo) -> tuple[Any, ...]:
    return info.encoding, info.dtype, info.shape, info.stamping
