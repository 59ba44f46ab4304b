"""The hub: the one place that listens.

::

    publishers ──> XSUB ═══ (a C loop, no Python) ═══ XPUB ──> subscribers
    everyone  <──> ROUTER: hello, clock service, resends, who ended

With keys, :mod:`drivers.bus.guard` stands before each of the three sockets.

It keeps no rows. It knows which streams there are, so that a late joiner learns everything with
its hello, and who listens to them, so that a stream that ends knows when all have its end.
"""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType

import msgspec
import zmq

from drivers.bus import control
from drivers.bus.guard import ANY, Guard, keys_for, user_of
from drivers.bus.keys import PUBLISH, SUBSCRIBE
from drivers.bus.session import SessionInfo
from drivers.bus.socket import INSECURE, Waker, is_local, make_socket, split_address
from drivers.bus.wire import VERSION, AnnouncedHeader
from drivers.errors import BusError, WireError

log = logging.getLogger(__name__)

SILENCE_NS = 5 * 10**9
"""A publisher probes the clock each two seconds; the stream of one not heard for so long is free."""

OUTAGE_NS = 120 * 10**9


MAX_SUBSCRIPTION = 1024
"""Longest that a subscriber may send to the data port, bytes; a subscription is a topic and one byte more."""


_INSIDE = "inproc://data"
"""Where subscribers of the hub's own process get their rows: nothing is encrypted or sent."""


class _Publisher(msgspec.Struct):
    identity: bytes
    run: int
    heard_ns: int
    announced: AnnouncedHeader | None = None
    ended: bool = False
    silent: bool = False
    lost: bool = False


class Hub:
    """Listens for publishers and subscribers, and keeps the session's clock.

    Args:
        listen: ``tcp://127.0.0.1:*``, or another address and port.
        insecure: allow an address that other machines can reach in plain text: anybody there can
            listen and speak. Without it such an address is encrypted and lets listed keys in only.
        keys: the same for an address that only this machine reaches: other users are kept out.
        silence_ns: time without a sign of life after which another may publish a publisher's stream, ns.
        outage_ns: time after which it is reported as lost, ns; until then it may come back with all it has.
        session: goes on with this session, of a hub that was killed, on this clock; None begins one.

    Raises:
        BusError: the address cannot be listened on, or needs keys and this machine has none.
    """

    def __init__(
        self,
        listen: str = "tcp://127.0.0.1:*",
        insecure: bool = False,
        *,
        keys: bool = False,
        silence_ns: int = SILENCE_NS,
        outage_ns: int = OUTAGE_NS,
        session: SessionInfo | None = None,
    ) -> None:
        host, port = split_address(listen, wildcard=True)
        own = keys_for(listen, insecure=insecure, keys=keys)
        self.session = session or SessionInfo.begin()
        self._silence_ns = silence_ns
        self._outage_ns = outage_ns
        self._publishers: dict[str, _Publisher] = {}
        self._subscribers: dict[bytes, frozenset[str] | None] = {}
        self._stopping = False
        self._closing = False
        self._told_stop = False
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._waker = Waker()
        self._guard: Guard | None = None
        try:
            self._guard = Guard(self._context, own) if own is not None else None
            self._router = make_socket(self._context, zmq.ROUTER, listen)
            self._router.setsockopt(zmq.LINGER, 500)
            self._router.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a client whose connection was lost comes back
            self._xsub = make_socket(self._context, zmq.XSUB, listen)
            self._xpub = make_socket(self._context, zmq.XPUB, listen)
            self._xpub.setsockopt(zmq.MAXMSGSIZE, MAX_SUBSCRIPTION)  # of what comes in
            if self._guard is not None:
                self._guard.secure(self._router, ANY)
                self._guard.secure(self._xsub, PUBLISH)
                self._guard.secure(self._xpub, SUBSCRIBE)
            self._router.bind(f"tcp://{host}:{port}")
            self._publish_port = self._bind(self._xsub, host)
            self._subscribe_port = self._bind(self._xpub, host)
            self._xpub.bind(_INSIDE)
        except zmq.ZMQError as error:
            if self._guard is not None:
                self._guard.close()
            self._context.destroy(linger=0)
            self._waker.close()
            raise BusError(
                f"The bus cannot listen on {listen}: {error.strerror}",
                mend="Choose another bus.listen in the rig; tcp://127.0.0.1:* always finds a free port",
            ) from error
        reachable = self._reachable(host)
        self.address = f"tcp://{reachable}:{self._port_of(self._router)}"
        if self._guard is not None:
            self.address += f"#{self._guard.key}"
        elif not is_local(reachable):
            self.address += f"#{INSECURE}"
        self._threads = [
            threading.Thread(target=self._serve, name="hub-control", daemon=True),
            threading.Thread(target=self._forward, name="hub-data", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Hub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Hub({self.address!r}, session={self.session.id[:8]})"

    @property
    def stopping(self) -> bool:
        """Whether the drivers were told to stop."""
        return self._stopping

    @property
    def publishers(self) -> tuple[str, ...]:
        """Streams that have a publisher now, announced or not."""
        return tuple(name for name, known in list(self._publishers.items()) if not known.ended)

    @property
    def ending(self) -> tuple[str, ...]:
        """Streams that have ended and whose publisher is still there, until all who listen have their end."""
        return tuple(
            name for name, known in list(self._publishers.items()) if known.ended and not known.silent
        )

    def release(self, stream: str) -> None:
        """Let another publish a stream, by who knows that its publisher is gone and not only silent."""
        known = self._publishers.get(stream)
        if known is not None:
            known.silent = known.lost = True

    def data_socket(self) -> zmq.Socket[bytes]:
        """Return a connected SUB socket for this process; to be closed before the hub is."""
        made = make_socket(self._context, zmq.SUB, "")
        made.connect(_INSIDE)
        return made

    def request_stop(self) -> None:
        """Tell all publishers, and those yet to come, to end their streams."""
        self._stopping = True
        self._waker.wake()

    def close(self) -> None:
        """Say goodbye to all and give everything back; can be called twice."""
        if self._closing:
            return
        self._stopping = self._closing = True
        self._waker.wake()
        self._threads[0].join()
        if self._guard is not None:
            self._guard.close()
        self._context.term()  # wakes the C loop, whose thread then closes its sockets
        self._threads[1].join()
        self._waker.close()

    @staticmethod
    def _port_of(bound: zmq.Socket[bytes]) -> int:
        return int(bound.getsockopt_string(zmq.LAST_ENDPOINT).rsplit(":", 1)[1])

    def _bind(self, what: zmq.Socket[bytes], host: str) -> int:
        what.bind(f"tcp://{host}:*")
        return self._port_of(what)

    @staticmethod
    def _reachable(host: str) -> str:
        return "127.0.0.1" if host in ("*", "0.0.0.0") else host

    def _forward(self) -> None:
        try:
            if self._guard is None:
                zmq.proxy(self._xsub, self._xpub)
            else:
                self._guard.forward(self._xsub, self._xpub)
        except zmq.ContextTerminated:
            pass
        finally:
            self._xsub.close(linger=0)
            self._xpub.close(linger=0)

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._waker.fileno(), zmq.POLLIN)
        while not self._closing:
            ready = dict(poller.poll(200))
            if self._waker.fileno() in ready:
                self._waker.clear()
            if self._stopping and not self._told_stop:
                self._told_stop = True
                self._tell_publishers(control.Stop())
            if self._router in ready:
                self._take()
            else:  # only when nothing waits: what waits may be the sign of life
                self._report_silence()
        self._tell_publishers(control.Closing())
        for identity in self._subscribers:
            self._send(identity, control.Closing())
        self._router.close()

    def _take(self) -> None:
        for _ in range(256):
            try:
                identity, frames, user = self._receive()
            except zmq.Again:
                return
            received_ns = time.monotonic_ns()
            try:
                message = control.from_client(frames)
            except WireError as error:
                log.warning("%s", error)
                continue
            if isinstance(message, control.Announce) and not self._knows(identity, message):
                self._send(identity, control.Again())
                continue
            if self._guard is not None and not self._guard.permits(user, message, frames):
                continue
            self._hear(identity, received_ns)
            if isinstance(message, control.Hello):
                self._send(identity, self._welcome(identity, user, message, received_ns))
            else:
                self._answer(identity, message, frames, received_ns)

    def _receive(self) -> tuple[bytes, list[bytes], str]:
        if self._guard is None:
            identity, *frames = self._router.recv_multipart(zmq.NOBLOCK)
            return identity, frames, ""
        received = self._router.recv_multipart(zmq.NOBLOCK, copy=False)
        identity, *frames = (frame.bytes for frame in received)
        return identity, frames, user_of(received)

    def _answer(
        self, identity: bytes, message: control.FromClient, frames: list[bytes], received_ns: int
    ) -> None:
        match message:
            case control.Ask(t0=t0):
                told = control.Told(t0=t0, t1=received_ns, t2=time.monotonic_ns(), stopping=self._stopping)
                self._send(identity, told)
            case control.Announce(stream=announced):
                self._publishers[announced.info.name].announced = announced
            case control.Which():
                self._send(identity, control.Listing(streams=self._listing()))
            case control.Want(stream=stream, run=run, first=first, last=last):
                known = self._publishers.get(stream)
                if known is None or known.run != run or (known.ended and known.silent):
                    self._send(identity, control.Lacking(stream=stream, run=run, first=first, last=last))
                else:
                    wanted = control.Wanted(who=identity, stream=stream, run=run, first=first, last=last)
                    self._send(known.identity, wanted)
            case control.Delivery(to=to):
                self._send(to, control.Filled(), *frames[1:])
            case control.Lack(to=to, stream=stream, run=run, first=first, last=last):
                self._send(to, control.Lacking(stream=stream, run=run, first=first, last=last))
            case control.Ending(stream=stream, run=run):
                known = self._publishers.get(stream)
                if known is not None and known.run == run:
                    known.ended = True
                self._send(identity, control.Interested(who=self._interested(stream)))
            case control.Done(stream=stream, run=run):
                known = self._publishers.get(stream)
                if known is not None and known.run == run:
                    self._send(known.identity, control.Acked(who=identity))
            case control.Mark(time=at, label=label, source=source):
                marked = control.Marked(time=at, label=label, source=source)
                listeners = list(self._subscribers)
                for who in listeners:
                    self._send(who, marked)
                self._send(identity, control.Heard(listeners=len(listeners)))
            case control.Bye():
                self._leave(identity)

    def _welcome(
        self, identity: bytes, user: str, hello: control.Hello, received_ns: int
    ) -> control.Welcome | control.Refused:
        if hello.version != VERSION:
            return control.Refused(
                what=f"The hub speaks version {VERSION} of the bus, the other side version {hello.version}",
                mend="Install the same version of Chorus on all hosts",
            )
        refused = None if self._guard is None else self._guard.refuse(user, hello)
        if refused is not None:
            return refused
        streams = self._listing()
        if hello.role == "subscriber":
            self._subscribers[identity] = None if hello.streams is None else frozenset(hello.streams)
        elif hello.role == "publisher":
            name = hello.stream or ""
            known = self._publishers.get(name)
            if known is not None and not known.ended and not known.silent and known.identity != identity:
                return control.Refused(
                    what=f"Stream '{name}' is published already",
                    mend="Stop the other driver, or give this stream another name in the rig",
                )
            self._publishers[name] = _Publisher(identity, hello.run, received_ns)
        return control.Welcome(
            version=VERSION,
            session=self.session,
            publish_port=self._publish_port,
            subscribe_port=self._subscribe_port,
            streams=streams,
            stopping=self._stopping,
        )

    def _knows(self, identity: bytes, announce: control.Announce) -> bool:
        known = self._publishers.get(announce.stream.info.name)
        return known is not None and known.identity == identity

    def _listing(self) -> list[AnnouncedHeader]:
        return [
            known.announced
            for known in self._publishers.values()
            if known.announced is not None and not known.silent
        ]

    def _interested(self, stream: str) -> list[bytes]:
        return [who for who, wants in self._subscribers.items() if wants is None or stream in wants]

    def _hear(self, identity: bytes, now_ns: int) -> None:
        for known in self._publishers.values():
            if known.identity == identity:
                known.heard_ns = now_ns
                known.silent = known.lost = False

    def _leave(self, identity: bytes) -> None:
        self._subscribers.pop(identity, None)
        for name, known in self._publishers.items():
            if known.identity == identity:
                if not known.ended:
                    self._report(name, known, left=True)
                known.ended = known.silent = True

    def _report_silence(self) -> None:
        now_ns = time.monotonic_ns()
        for name, known in self._publishers.items():
            silent_ns = now_ns - known.heard_ns
            known.silent = known.silent or silent_ns > self._silence_ns
            if silent_ns > max(self._outage_ns, self._silence_ns) and not known.lost:
                known.lost = True
                if not known.ended:
                    self._report(name, known, left=False)

    def _report(self, name: str, known: _Publisher, *, left: bool) -> None:
        for who in self._interested(name):
            self._send(who, control.Silent(stream=name, run=known.run, left=left))

    def _tell_publishers(self, message: control.Control) -> None:
        for known in self._publishers.values():
            if not (known.ended and known.silent):
                self._send(known.identity, message)

    def _send(self, identity: bytes, message: control.Control, *frames: bytes) -> None:
        try:
            self._router.send_multipart([identity, control.pack(message), *frames], zmq.NOBLOCK)
        except zmq.Again:
            pass  # its queue is full: a client that does not read; it will ask again
