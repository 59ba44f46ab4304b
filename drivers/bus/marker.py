"""Marks: a person's word for a moment of a session, sent over the hub to all who listen."""

from __future__ import annotations

import dataclasses
import time

import zmq

from drivers.bus import control
from drivers.bus.client import Link
from drivers.bus.prober import Prober
from drivers.bus.wire import MAX_TEXT, VERSION
from drivers.clock.host import HostClock, clock_identity
from drivers.errors import BusError, BusUnreachable


@dataclasses.dataclass(frozen=True)
class Marked:
    """A mark that was sent.

    Attributes:
        time: session time, ns, of the moment in which it was made.
        bound: the error of that is at most this, ns.
        listeners: how many received it: recorders, live engines, views.
    """

    time: int
    bound: int
    listeners: int


def mark(
    address: str, label: str, *, source: str = "", now_ns: int | None = None, timeout_s: float = 5.0
) -> Marked:
    """Mark a moment of the session of a hub.

    Args:
        address: of the hub.
        label: words for the moment, 200 characters at most.
        source: who says so; empty for the name of this host's clock.
        now_ns: the moment on this host's monotonic clock, ns; None for the moment of the call.
        timeout_s: how long to wait for the hub.

    Raises:
        BusError: the label is empty or too long, or this machine's key has no right to.
        BusUnreachable: nobody answers.
    """
    now_ns = time.monotonic_ns() if now_ns is None else now_ns
    label = " ".join(label.split())
    if not label or len(label) > control.MAX_LABEL:
        raise BusError(
            f"a mark of {len(label)} characters", mend=f"Give words, at most {control.MAX_LABEL} characters"
        )
    host = clock_identity()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    link: Link | None = None
    try:
        hello = control.Hello(version=VERSION, role="control", host=host)
        link = Link(context, address, hello, timeout_s)
        session = link.welcome.session
        clock = HostClock(session.epoch_ns, same=session.clock == host)
        Prober(link, clock).burst(timeout_s)
        at, bound = clock.to_session(now_ns)
        source = (source or host)[:MAX_TEXT]
        link.send(control.Mark(time=int(at), label=label, source=source))
        heard = _await(link, timeout_s)
        link.send(control.Bye())
        return Marked(int(at), int(bound), heard.listeners)
    finally:
        if link is not None:
            link.socket.close()
        context.term()


def _await(link: Link, timeout_s: float) -> control.Heard:
    deadline = time.monotonic() + timeout_s
    while link.socket.poll(max(0, int((deadline - time.monotonic()) * 1000))):
        got = link.receive()
        if got is not None and isinstance(got[0], control.Heard):
            return got[0]
    raise BusUnreachable(
        f"The bus at {link.address} did not confirm the mark",
        mend="Look whether it is in the recording; chorus keys allow KEY --role control gives the right",
    )
