"""Addresses, and what all sockets of the bus have in common."""

from __future__ import annotations

import ipaddress
import re
import socket as system_socket

import zmq

from drivers.bus.wire import MAX_MESSAGE
from drivers.errors import BusError

HIGH_WATER_MARK = 2000  # messages that wait in one direction of one socket before any is dropped
_ADDRESS = re.compile(r"tcp://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.*-]+):(\d{1,5}|\*)\Z")


def split_address(address: str, *, wildcard: bool = False) -> tuple[str, str]:
    """Return (host, port) of ``tcp://host:port``.

    Args:
        wildcard: the port may be ``*``, any free one.

    Raises:
        BusError: it is no such address.
    """
    match = _ADDRESS.match(address)
    if match is None or (match[2] == "*" and not wildcard):
        raise BusError(f"'{address}' is no address of a bus", mend="Write it as tcp://127.0.0.1:41234")
    if match[2] != "*" and not 0 < int(match[2]) < 65536:
        raise BusError(f"'{address}' has no valid port", mend="Use a port from 1 to 65535")
    return match[1], match[2]


def is_local(host: str) -> bool:
    """Whether only this machine reaches what is bound to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def make_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int, address: str) -> zmq.Socket[bytes]:
    """Return a socket with the bus's limits set; ``address`` decides on IPv6."""
    made = context.socket(kind)
    made.setsockopt(zmq.LINGER, 0)
    made.setsockopt(zmq.SNDHWM, HIGH_WATER_MARK)
    made.setsockopt(zmq.RCVHWM, HIGH_WATER_MARK)
    made.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
    made.setsockopt(zmq.HEARTBEAT_IVL, 1000)
    made.setsockopt(zmq.HEARTBEAT_TIMEOUT, 5000)
    made.setsockopt(zmq.RECONNECT_IVL, 50)
    made.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    if "[" in address:
        made.setsockopt(zmq.IPV6, 1)
    return made


class Waker:
    """Wakes a thread that waits in a ZeroMQ poll; ``fileno`` goes into the poller."""

    def __init__(self) -> None:
        self._near, self._far = system_socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)

    def fileno(self) -> int:
        """Return what to poll."""
        return self._near.fileno()

    def wake(self) -> None:
        """Wake the poller; callable from any thread, never blocks."""
        try:
            self._far.send(b"\0")
        except (BlockingIOError, OSError):
            pass  # awake already, or closed

    def clear(self) -> None:
        """Take note of being woken."""
        try:
            while len(self._near.recv(4096)) == 4096:
                pass
        except (BlockingIOError, OSError):
            pass

    def close(self) -> None:
        """Give the two sockets back."""
        self._near.close()
        self._far.close()
