"""One stream onto the bus. Publishing never waits for anybody.

::

    publish() ──> Outgoing ──next()──> [thread] ─> XPUB ──> hub
                     └────get(number)─────┴── gaps that subscribers report <── DEALER <── hub
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from pathlib import Path
from types import TracebackType

import zmq

from drivers.base import Batch, StreamInfo
from drivers.bus import control, wire
from drivers.bus.client import Link
from drivers.bus.messages import Ended, Event, Failed
from drivers.bus.outgoing import Outgoing
from drivers.bus.prober import Prober
from drivers.bus.resend import ResendBuffer
from drivers.bus.session import SessionInfo
from drivers.bus.socket import Waker, bare, client_socket
from drivers.bus.spool import Spool
from drivers.clock.host import HostClock, clock_identity
from drivers.errors import WireError

log = logging.getLogger(__name__)

RESEND_BYTES = 96 << 20
OUTAGE_S = 120.0
CATCH_UP_S = 60.0
SILENT_S = 3.5  # the hub answers a probe at least each two seconds: there was an outage
PROBES_S = 1.0  # probes are handed to the recorder together
ANNOUNCE_S = 1.0
END_S = 0.1  # the end is repeated so often until all who listen have it


class Publisher:
    """Publishes one stream.

    Args:
        address: of the hub.
        info: the stream; or only its name, and :meth:`announce` follows before the first batch.
        resend_bytes: bound on what is kept in memory to fill gaps, bytes.
        timeout_s: how long to wait for the hub to answer.
        outage_s: how long the hub may be silent before ``stop_requested`` and ``hub_lost``. Until then all
            that is published is kept.
        spool: folder for what memory does not hold then; None: memory alone, the oldest goes.

    Attributes:
        session: the session of the hub.
        host_clock: this host's monotonic time -> session time.
        host: identity of this host's clock.

    Raises:
        BusUnreachable: nobody answers at the address.
        BusError: the hub refuses, as the stream is published already.
        WireError: the stream cannot be sent as announced.
    """

    def __init__(
        self,
        address: str,
        info: StreamInfo | str,
        *,
        resend_bytes: int = RESEND_BYTES,
        timeout_s: float = 5.0,
        outage_s: float = OUTAGE_S,
        spool: Path | None = None,
    ) -> None:
        self.stream = info if isinstance(info, str) else wire.check_info(info).name
        self.host = clock_identity()
        self.hub_lost = False
        self._outage_s = outage_s
        # Until it was asked for again, it is older than the outage was long.
        kept_on_disk = Spool(spool, outage_s + CATCH_UP_S) if spool is not None else None
        self._kept = ResendBuffer(resend_bytes, kept_on_disk, outage_s + CATCH_UP_S)
        self._outgoing = Outgoing(self.stream, self._kept)
        self._announce_now = False
        self._stop = False
        self._closing = False
        self._acked: set[bytes] = set()
        self._interested: set[bytes] | None = None
        self._all_have_end = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._thread: threading.Thread | None = None
        try:
            self._hello = control.Hello(
                version=wire.VERSION,
                role="publisher",
                host=self.host,
                stream=self.stream,
                run=self._outgoing.run,
            )
            self._link = Link(self._context, address, self._hello, timeout_s)
            welcome = self._link.welcome
            self.session: SessionInfo = welcome.session
            self._stop = welcome.stopping
            self.host_clock = HostClock(self.session.epoch_ns, same=self.session.clock == self.host)
            self._prober = Prober(self._link, self.host_clock)
            self._prober.burst(timeout_s)
            self._data_address = self._link.data_address(welcome.publish_port)
            self._socket = client_socket(self._context, zmq.XPUB, self._data_address)
            self._socket.setsockopt(zmq.XPUB_VERBOSE, 1)
            self._socket.setsockopt(
                zmq.IMMEDIATE, 1
            )  # what waits for a lost connection waits in our buffer alone
            self._socket.connect(bare(self._data_address))
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._waker = Waker()
        if isinstance(info, StreamInfo):
            self.announce(info)
        self._thread = threading.Thread(target=self._work, name=f"publish-{self.stream}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Publisher({self.stream!r}, {self._outgoing.messages} messages, {self._outgoing.rows} rows)"

    @property
    def stop_requested(self) -> bool:
        """The hub wants the stream to end, or is gone."""
        return self._stop

    def poll(self) -> bool:
        """Return ``stop_requested``."""
        return self._stop

    def announce(self, info: StreamInfo) -> None:
        """Say what the stream is; once before the first batch, and again where it changed.

        Raises:
            WireError: the stream cannot be sent so.
        """
        self._outgoing.announce(info)
        self._announce_now = True
        self._waker.wake()

    def publish(self, batch: Batch) -> None:
        """Send a batch; a batch without rows carries its losses only. Never waits.

        Raises:
            WireError: the batch is not what the stream announced; nothing was sent.
        """
        self._outgoing.publish(batch)
        self._waker.wake()

    def event(self, event: Event) -> None:
        """Send an event; it keeps its place among the batches and is never silently lost."""
        self._outgoing.event(event)
        self._waker.wake()

    def fail(self, failed: Failed) -> None:
        """Say why the stream ends; :meth:`end` still follows, with the totals."""
        self._outgoing.fail(failed)
        self._waker.wake()

    def end(self, ended: Ended) -> None:
        """End the stream with its totals; nothing can follow.

        Subscribers get the end when they have all before it; :meth:`close` waits for that.
        """
        self._outgoing.end(ended)
        self._waker.wake()

    def close(self, linger_s: float = 5.0) -> bool:
        """Leave the bus.

        Args:
            linger_s: how long to stay, to resend, until all subscribers have an ended stream's end.

        Returns:
            whether all subscribers have everything.
        """
        if self._thread is None:
            return self._all_have_end.is_set()
        if self._outgoing.ended is not None and not self.hub_lost:
            deadline = time.monotonic() + linger_s
            while not self.hub_lost and not self._all_have_end.wait(0.05):
                if time.monotonic() > deadline:
                    break
        self._closing = True
        self._waker.wake()
        self._thread.join()
        self._thread = None
        self._context.term()
        self._waker.close()
        self._kept.close()
        return self._all_have_end.is_set()

    # What follows runs in the publisher's own thread; the sockets belong to it.

    def _work(self) -> None:
        poller = zmq.Poller()
        for source in (self._link.socket, self._socket, self._waker.fileno()):
            poller.register(source, zmq.POLLIN)
        now = time.monotonic()
        self._heard = now
        due = {"probes": now, "announce": now + ANNOUNCE_S, "end": now}
        try:
            while not self._closing:
                now = time.monotonic()
                self._keep_time(now, due)
                wait = min(self._prober.due_s, due["probes"], due["announce"])
                if self._outgoing.ended is not None and not self._all_have_end.is_set():
                    wait = min(wait, due["end"])
                ready = dict(poller.poll(max(0, int((wait - time.monotonic()) * 1000) + 1)))
                if self._link.socket in ready:  # first, so that a probe's answer does not wait here
                    self._hear_hub()
                if self._waker.fileno() in ready:
                    self._waker.clear()
                if self._socket in ready:
                    self._socket.recv()  # somebody subscribes, or leaves
                    due["announce"] = 0.0
                self._send_outbox()
            self._send_outbox()
            self._link.send(control.Bye())
        finally:
            self._link.socket.close()
            self._socket.close(linger=200)

    def _keep_time(self, now: float, due: dict[str, float]) -> None:
        self._prober.tick(now)
        self._tell_news()
        if now >= due["probes"]:
            due["probes"] = now + PROBES_S
            self._outgoing.probes(self.host, self._prober.take().tobytes())
            if now - self._heard > self._outage_s:
                self.hub_lost = self._stop = True
        if self._announce_now or now >= due["announce"]:
            self._announce_now = False
            due["announce"] = now + ANNOUNCE_S
            if (header := self._outgoing.announce_again()) is not None:
                self._link.send(control.Announce(stream=header))
        if self._outgoing.ended is not None and now >= due["end"] and not self._all_have_end.is_set():
            due["end"] = now + END_S
            self._send_outbox()
            self._send(wire.encode("e", self.stream, self._outgoing.ended))
            self._link.send(control.Ending(stream=self.stream, run=self._outgoing.run))

    def _tell_news(self) -> None:
        while self._prober.news:
            now, _ = self.host_clock.to_session(time.monotonic_ns())
            with contextlib.suppress(WireError):  # the stream has ended: nobody's time depends on it
                self.event(Event(now, "clock", self._prober.news.pop(0), self.stream))

    def _send_outbox(self) -> None:
        while (frames := self._outgoing.next()) is not None:
            self._send(frames)

    def _send(self, frames: wire.Frames) -> None:
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            pass  # nobody keeps up; the gap will be asked for

    def _hear_hub(self) -> None:
        while True:
            try:
                got = self._link.receive()
            except WireError:
                continue
            if got is None:
                return
            now = time.monotonic()
            if now - self._heard > SILENT_S:
                self._kept.hold_s = now + CATCH_UP_S
            self._heard = self._kept.reached_s = now
            self._obey(got[0])

    def _obey(self, message: control.FromHub) -> None:
        match message:
            case control.Told():
                self._prober.answered(message, self._link.received_ns)
                self._stop = self._stop or message.stopping
            case control.Wanted(who=who, stream=stream, run=run, first=first, last=last):
                if stream == self.stream and run == self._outgoing.run:
                    self._resend(who, first, min(last, first + control.MAX_WANTED - 1))
            case control.Interested(who=who):
                self._interested = set(who)
                self._note_acks()
            case control.Acked(who=who):
                self._acked.add(who)
                self._note_acks()
            case control.Again():
                self._link.send(self._hello)
            case control.Welcome():
                self._join_again(message)
            case control.Refused(what=what):
                log.warning("%s: %s", self.stream, what)
                self.hub_lost = self._stop = True
            case control.Stop():
                self._stop = True
            case control.Closing():
                self.hub_lost = self._stop = True

    def _join_again(self, welcome: control.Welcome) -> None:
        """Go on at a hub that was started anew, if it goes on with the session."""
        if welcome.session != self.session:
            log.warning("%s: another session was begun at %s", self.stream, bare(self._link.address))
            self.hub_lost = self._stop = True
            return
        address = self._link.data_address(welcome.publish_port)
        if address != self._data_address:
            self._socket.disconnect(bare(self._data_address))
            self._socket.connect(bare(address))
            self._data_address = address
        self._stop = self._stop or welcome.stopping
        self._announce_now = True

    def _note_acks(self) -> None:
        if self._interested is not None and self._interested <= self._acked:
            self._all_have_end.set()

    def _resend(self, who: bytes, first: int, last: int) -> None:
        for number in range(first, last + 1):
            frames, published = self._outgoing.get(number)
            if frames is not None:
                self._link.send(control.Delivery(to=who), *frames)
            elif published:
                lack = control.Lack(
                    to=who, stream=self.stream, run=self._outgoing.run, first=number, last=number
                )
                self._link.send(lack)
