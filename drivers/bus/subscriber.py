"""Streams from the bus, each in order and complete, or with its gaps reported."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from types import TracebackType

import zmq

from drivers.base import Batch, StreamInfo
from drivers.bus import control, wire
from drivers.bus.client import Link
from drivers.bus.hub import Hub
from drivers.bus.messages import Announcement, Ended, Event, Failed, Message, Missed
from drivers.bus.order import RETRY_S, Due, Position, StreamOrder
from drivers.bus.session import SessionInfo
from drivers.bus.socket import bare, client_socket
from drivers.clock.host import clock_identity
from drivers.errors import Fault, WireError

log = logging.getLogger(__name__)

_MOUTHFUL = 256  # messages read at once, so that a flood cannot keep receive() from returning
_LAST_ROWS_S = 0.3  # news over the control socket overtake rows on the data socket by less


_Placed = tuple[Due | Missed | Ended, Position | None]
"""What is handed out, and where the stream is then."""


class _Stream:
    """What is known of one stream."""

    def __init__(self, *, from_start: bool) -> None:
        self.from_start = from_start
        self.info: StreamInfo | None = None
        self.order: StreamOrder | None = None
        self.past: deque[int] = deque(maxlen=16)  # runs that are over
        self.waiting: deque[_Placed] = deque()  # rows that came before the announcement
        self.resumed: Position | None = None  # where another subscriber was, until its run is heard
        self.left_at: float | None = None  # when the publisher was reported gone


class Subscriber:
    """Receives streams. To be used from one thread; nothing happens between calls.

    Args:
        hub: its address; or the hub itself, where it is in this process and is closed after the subscriber:
            its rows are neither sent nor encrypted once more.
        streams: names of those wanted; None for all.
        reliable: fill gaps from the publishers' resend buffers, and wait for that. Otherwise gaps
            are reported at once (a live view).
        timeout_s: how long to wait for the hub to answer.
        positions: where another subscriber was in streams, by name; goes on there, where a run still lasts.

    Attributes:
        session: the session of the hub.
        position: of its stream behind the message that :meth:`receive` returned last; None where that is not
            one of a run.
        streams: the announced streams by name.
        refused: malformed messages, each refused whole.
        hub_closed: the hub said goodbye: nothing more will come.

    Raises:
        BusUnreachable: nobody answers at the address.
        BusError: the hub refuses.
    """

    def __init__(
        self,
        hub: str | Hub,
        streams: Collection[str] | None = None,
        *,
        reliable: bool = True,
        timeout_s: float = 5.0,
        patience_s: float = 3.0,
        positions: Mapping[str, Position] | None = None,
    ) -> None:
        self.position: Position | None = None
        self.streams: dict[str, StreamInfo] = {}
        self.refused = 0
        self.hub_closed = False
        self._wanted = None if streams is None else frozenset(streams)
        self._patience_s = patience_s if reliable else 0.0
        self._reliable = reliable
        self._known: dict[str, _Stream] = {}
        for name, position in (positions or {}).items():
            self._known[name] = _Stream(from_start=True)
            self._known[name].resumed = position
        self._ready: deque[tuple[Message, Position | None]] = deque()
        self._asked_which = float("-inf")
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            hello = control.Hello(
                version=wire.VERSION,
                role="subscriber",
                host=clock_identity(),
                run=random.SystemRandom().getrandbits(63),
                streams=None if self._wanted is None else sorted(self._wanted),
            )
            self._link = Link(self._context, hub if isinstance(hub, str) else hub.address, hello, timeout_s)
            welcome = self._link.welcome
            self.session: SessionInfo = welcome.session
            if isinstance(hub, str):
                data_address = self._link.data_address(welcome.subscribe_port)
                self._socket = client_socket(self._context, zmq.SUB, data_address)
                self._socket.connect(bare(data_address))
            else:
                self._socket = hub.data_socket()
            for topic in [b""] if self._wanted is None else _topics(self._wanted):
                self._socket.setsockopt(zmq.SUBSCRIBE, topic)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._poller = zmq.Poller()
        self._poller.register(self._link.socket, zmq.POLLIN)
        self._poller.register(self._socket, zmq.POLLIN)
        for header in welcome.streams:
            self._learn(header, from_start=False)

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Subscriber({sorted(self.streams)}, session={self.session.id[:8]})"

    def receive(self, timeout_s: float = 0.0) -> Message | None:
        """Return the next message, or None if none can be handed out within ``timeout_s``.

        Of one stream: its ``Announcement``, then its batches, events, probes and ``Missed`` in the order they
        were published, then, where it failed, ``Failed``, and last ``Ended``.
        """
        deadline = time.monotonic() + timeout_s
        while not self._ready:
            self._drain()
            if self._ready:
                break
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            self._poller.poll(max(1, int(min(remaining, self._patience()) * 1000)))
        message, self.position = self._ready.popleft()
        return message

    def latest(self, stream: str) -> Batch | None:
        """Return the newest batch of a stream that is here, or None; older ones are let go.

        Other messages stay for :meth:`receive`. For a live view: nothing is waited for.
        """
        while self._drain():
            pass
        newest: Batch | None = None
        kept: deque[tuple[Message, Position | None]] = deque()
        for message, position in self._ready:
            if isinstance(message, Batch) and message.stream == stream:
                newest = message if len(message) else newest
            else:
                kept.append((message, position))
        self._ready = kept
        return newest

    def close(self) -> None:
        """Leave the bus; can be called twice."""
        if self._context.closed:
            return
        self._link.send(control.Bye())
        self._link.socket.close()
        self._socket.close()
        self._context.term()

    def _patience(self) -> float:
        open_gaps = any(
            known.waiting or (known.order is not None and known.order.has_gap)
            for known in self._known.values()
        )
        return RETRY_S / 5 if open_gaps else 0.5

    def _drain(self) -> bool:
        """Read what is there, hand out what can be; whether a full mouthful was read."""
        for _ in range(_MOUTHFUL):
            try:
                got = self._link.receive()
            except WireError as error:
                self._refuse(error)
                continue
            if got is None:
                break
            self._hear_hub(*got)
        read = 0
        while read < _MOUTHFUL:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            self._take(frames)
            read += 1
        self._close_gaps()
        return read == _MOUTHFUL

    def _hear_hub(self, message: control.FromHub, frames: list[bytes]) -> None:
        match message:
            case control.Filled():
                self._take(frames)
            case control.Lacking(stream=stream, run=run, first=first, last=last):
                order = self._order(stream, run)
                if order is not None:
                    order.lacking(first, last)
            case control.Listing(streams=streams):
                for header in streams:
                    self._learn(header, from_start=True)
            case control.Silent(stream=stream, run=run, left=left):
                self._note_silence(stream, run, left=left)
            case control.Marked(time=time_ns, label=label, source=source):
                self._ready.append((Event(time_ns, "mark", label, source), None))
            case control.Closing():
                self.hub_closed = True

    def _take(self, frames: wire.Frames) -> None:
        try:
            stream, header = wire.decode(frames)
        except WireError as error:
            self._refuse(error)
            return
        known = self._stream(stream)
        if known is None or header.run in known.past:
            return
        if known.order is None or known.order.run != header.run:
            self._begin_run(stream, known, header.run)
        if isinstance(header, wire.AnnouncedHeader):
            self._learn(header, from_start=True)
        order = known.order
        assert order is not None
        now = time.monotonic()
        if order.finished:
            if (
                isinstance(header, wire.EndedHeader) and not known.waiting
            ):  # our word that we have it got lost
                self._link.send(control.Done(stream=stream, run=header.run))
            return
        order.offer(header, frames, now)
        self._hand_out(stream, known, order.due(now))

    def _stream(self, stream: str) -> _Stream | None:
        known = self._known.get(stream)
        if known is None:
            if self._wanted is not None and stream not in self._wanted:
                return None
            if len(self._known) >= wire.MAX_STREAMS:
                return None
            known = self._known[stream] = _Stream(from_start=True)
        return known

    def _order(self, stream: str, run: int) -> StreamOrder | None:
        known = self._known.get(stream)
        if known is None or known.order is None or known.order.run != run:
            return None
        return known.order

    def _begin_run(self, stream: str, known: _Stream, run: int) -> None:
        if known.order is not None:  # the publisher was started again
            if not known.order.finished:
                self._lose(stream, known)
            known.past.append(known.order.run)
            known.info, known.left_at = None, None
        resumed = known.resumed if known.resumed is not None and known.resumed.run == run else None
        known.order = StreamOrder(
            stream,
            run,
            from_start=known.from_start and self._reliable,
            patience_s=self._patience_s,
            position=resumed,
        )
        known.from_start, known.resumed = True, None

    def _learn(self, header: wire.AnnouncedHeader, *, from_start: bool) -> None:
        info = _checked(header)
        if info is None:
            self.refused += 1
            return
        known = self._known.get(info.name)
        if known is None:
            if self._wanted is not None and info.name not in self._wanted:
                return
            known = self._known[info.name] = _Stream(from_start=from_start)
        if header.run in known.past or (known.order is not None and known.order.run != header.run):
            return
        if known.info != info:
            known.info = info
            self.streams[info.name] = info
            self._ready.append((Announcement(info), None))
        if known.waiting:
            waiting, known.waiting = known.waiting, deque()
            for item, position in waiting:
                self._hand_out_one(info.name, known, item, position)

    def _hand_out(self, stream: str, known: _Stream, items: Iterable[Due | Missed | Ended]) -> None:
        for item in items:
            self._hand_out_one(stream, known, item, known.order.position if known.order else None)

    def _hand_out_one(
        self, stream: str, known: _Stream, item: Due | Missed | Ended, position: Position | None
    ) -> None:
        rows = isinstance(item, Due) and isinstance(item.header, wire.DataHeader)
        if known.waiting or (rows and known.info is None):
            known.waiting.append((item, position))
            return
        message = self._decode(stream, known, item) if isinstance(item, Due) else item
        self._ready.append((message, position))
        if isinstance(item, Ended) and known.order is not None:
            self._link.send(control.Done(stream=stream, run=known.order.run))

    def _decode(self, stream: str, known: _Stream, due: Due) -> Message:
        header = due.header
        try:
            if isinstance(header, wire.DataHeader):
                assert known.info is not None
                return wire.decode_batch(due.frames, header, known.info, due.lost)
            return wire.decode_other(due.frames, stream, header)
        except WireError as error:
            self._refuse(error)
            return Missed(stream, header.rows if isinstance(header, wire.DataHeader) else 0, "network")

    def _note_silence(self, stream: str, run: int, *, left: bool) -> None:
        known = self._stream(stream)
        if known is None or run in known.past:
            return
        if known.order is None:
            self._begin_run(stream, known, run)
        assert known.order is not None
        if known.order.run != run or known.order.finished:
            return
        if left:
            known.left_at = time.monotonic()  # its last rows may still be on their way
        else:
            self._ready.append((_vanished(stream, "its driver shows no sign of life"), None))

    def _lose(self, stream: str, known: _Stream) -> None:
        """The publisher is gone for good: hand out what there is, and say so."""
        assert known.order is not None
        known.left_at = None
        self._hand_out(stream, known, list(known.order.abandon()))
        known.order.finished = True
        self._ready.append((_vanished(stream, "its driver left without ending the stream"), None))

    def _close_gaps(self) -> None:
        now = time.monotonic()
        unknown = False
        for stream, known in self._known.items():
            unknown = unknown or bool(known.waiting)
            order = known.order
            if order is None or order.finished:
                continue
            if known.left_at is not None and now - known.left_at > _LAST_ROWS_S:
                self._lose(stream, known)
            if not order.has_gap:
                continue
            wanted = order.wanted(now) if self._reliable else None
            if wanted is not None:
                first, last = wanted
                self._link.send(control.Want(stream=stream, run=order.run, first=first, last=last))
            self._hand_out(stream, known, order.due(now))
        if unknown and now - self._asked_which > RETRY_S:
            self._asked_which = now
            self._link.send(control.Which())

    def _refuse(self, error: WireError) -> None:
        self.refused += 1
        if self.refused <= 10:
            log.warning("%s", error)


def _topics(streams: Iterable[str]) -> list[bytes]:
    return [topic for stream in streams for topic in wire.topics(stream)]


def _vanished(stream: str, what: str) -> Failed:
    return Failed(stream, Fault.FAILED, f"{stream}: {what}. See what it printed")


def _checked(header: wire.AnnouncedHeader) -> StreamInfo | None:
    """Return the stream of an announcement if it can be decoded safely."""
    try:
        return wire.check_info(header.info)
    except WireError:
        return None
