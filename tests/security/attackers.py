"""What the attacks of these tests are made of."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from drivers.bus.keys import AllowList, KeyPair, new_keys, to_hex


class Machine:
    """A user on a machine: a folder of keys. ``with machine:`` acts as that user."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._before: list[str] = []
        with self:
            self.keys: KeyPair = new_keys()
        self.key = to_hex(self.keys.public)

    def __enter__(self) -> Machine:
        self._before.append(os.environ["CHORUS_KEYS"])
        self._monkeypatch.setenv("CHORUS_KEYS", str(self.folder))
        return self

    def __exit__(self, *_: object) -> None:
        self._monkeypatch.setenv("CHORUS_KEYS", self._before.pop())

    def allows(self, other: Machine, *roles: str, streams: tuple[str, ...] = ()) -> None:
        """Let another machine's key in."""
        with self:
            AllowList().allow(other.key, roles, streams, other.folder.name)


@dataclasses.dataclass(frozen=True)
class Ports:
    """Where a hub listens."""

    control: int
    publish: int
    subscribe: int


FATES = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_DISCONNECTED
)


def let_in(made: zmq.Socket[bytes], port: int, timeout_ms: int = 20_000) -> bool:
    """Connect to a local port; whether the handshake succeeds, once its fate is decided."""
    monitor = made.get_monitor_socket(FATES)
    made.connect(f"tcp://127.0.0.1:{port}")
    assert monitor.poll(timeout_ms), "the handshake neither succeeds nor fails"
    fate = recv_monitor_message(monitor)["event"]
    made.disable_monitor()
    monitor.close()
    return fate == zmq.EVENT_HANDSHAKE_SUCCEEDED


def armed(made: zmq.Socket[bytes], client: KeyPair, hub_key: bytes) -> zmq.Socket[bytes]:
    """Give a socket keys to connect with."""
    made.setsockopt(zmq.LINGER, 0)
    made.setsockopt(zmq.CURVE_SERVERKEY, hub_key)
    made.setsockopt(zmq.CURVE_PUBLICKEY, client.public)
    made.setsockopt(zmq.CURVE_SECRETKEY, client.secret)
    return made


Change = Callable[[int, bytes], bytes]
"""Bytes as they go on, of the n-th piece that a client sends on one connection."""


class Tap:
    """Somebody on the way to a port who sees, and can change, what clients send."""

    def __init__(self, port: int, change: Change = lambda _, piece: piece) -> None:
        self.sent: list[bytes] = []  # all that a client sent, by connection
        self._target, self._change = port, change
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """End all connections."""
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(20)
        for one in [self._listener, *self._open]:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            hub = socket.create_connection(("127.0.0.1", self._target))
            self._open += [client, hub]
            self.sent.append(b"")
            for pump in ((client, hub, len(self.sent) - 1), (hub, client, None)):
                self._threads.append(threading.Thread(target=self._pump, args=pump))
                self._threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket, index: int | None) -> None:
        number = 0
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if index is not None:
                    self.sent[index] += piece
                    piece = self._change(number, piece)
                    number += 1
                sink.sendall(piece)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
