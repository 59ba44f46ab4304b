"""Addresses, and what all sockets of the bus have in common.

An address ends with the hub's public key, ``tcp://192.168.1.20:7400#KEY``, where the hub listens with keys:
whoever connects then speaks CURVE, with this machine's own keys, and to the hub that has that key alone.
One that leads to another machine without a key must say so: ``#insecure``.
"""

from __future__ import annotations

import ipaddress
import re
import socket as system_socket

import zmq

from drivers.bus.keys import from_hex, own_keys
from drivers.bus.wire import MAX_MESSAGE
from drivers.errors import BusError

HIGH_WATER_MARK = 2000  # messages that wait in one direction of one socket before any is dropped
_ADDRESS = re.compile(
    r"tcp://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.*-]+):(\d{1,5}|\*)(?:#([0-9a-f]{64}|insecure))?\Z"
)

INSECURE = "insecure"
"""Stands in an address for the key where there is none."""

_NEW = "chorus keys new makes them; then, on the bus's machine, chorus keys allow lets them in"


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


def pinned(address: str) -> str:
    """Return the hub's key that an address names, :data:`INSECURE`, or an empty text."""
    match = _ADDRESS.match(address)
    return "" if match is None else match[3] or ""


def bare(address: str) -> str:
    """Return an address without its key, as ZeroMQ takes it."""
    return address.partition("#")[0]


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
    made.setsockopt(zmq.CONNECT_TIMEOUT, 2000)  # the system's own is minutes
    made.setsockopt(zmq.RECONNECT_IVL, 50)
    made.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
    if "[" in address:
        made.setsockopt(zmq.IPV6, 1)
    return made


def client_socket(context: zmq.Context[zmq.Socket[bytes]], kind: int, address: str) -> zmq.Socket[bytes]:
    """Return a socket to connect to ``bare(address)``: encrypted, to the hub whose key is in the address.

    Raises:
        BusError: the address leads to another machine and names no key, or this machine has no keys.
    """
    host, _ = split_address(address)
    key = pinned(address)
    keys = None
    if not key and not is_local(host):
        raise BusError(
            f"{address} is on another machine, and names no key of the bus there",
            mend="Use the whole address that it printed, tcp://HOST:PORT#KEY; #insecure means plain text",
        )
    if key and key != INSECURE:
        keys = own_keys()
        if keys is None:
            raise BusError(
                f"The bus at {bare(address)} lets in keys only, and this machine has none", mend=_NEW
            )
    made = make_socket(context, kind, address)
    if keys is not None:
        made.setsockopt(zmq.CURVE_SERVERKEY, from_hex(key))
        made.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
        made.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)
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
