"""The hello: what publishers and subscribers do first."""

from __future__ import annotations

import secrets
import time

import zmq

from drivers.bus import control
from drivers.bus.keys import own_keys, to_hex
from drivers.bus.socket import INSECURE, bare, client_socket, pinned, split_address
from drivers.errors import BusError, BusUnreachable, WireError


class Link:
    """A control connection to a hub that has welcomed us.

    Args:
        context: whose sockets to use.
        address: of the hub.
        hello: what to say.
        timeout_s: how long to wait for the welcome.

    Raises:
        BusError: the address is malformed, or the hub refuses.
        BusUnreachable: nobody answers.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        hello: control.Hello,
        timeout_s: float,
    ) -> None:
        self.address = address
        self.received_ns = 0
        """Monotonic time at which the newest message was received, ns."""
        self.host, _ = split_address(address)
        self.socket = client_socket(context, zmq.DEALER, address)
        self.socket.setsockopt(zmq.LINGER, 200)
        # The hub knows it again when a connection was lost and made anew. Nobody can guess it.
        self.socket.setsockopt(zmq.ROUTING_ID, b"\1" + secrets.token_bytes(16))
        try:
            self.socket.connect(bare(address))
            self.send(hello)
            self.welcome = self._await_welcome(timeout_s)
        except zmq.ZMQError as error:
            self.socket.close(linger=0)
            raise BusError(f"'{address}' cannot be connected to: {error.strerror}", mend=_MEND) from error
        except BaseException:
            self.socket.close(linger=0)
            raise

    def send(self, message: control.Control, *frames: bytes) -> bool:
        """Send without ever waiting; False where the queue is full."""
        try:
            self.socket.send_multipart([control.pack(message), *frames], zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def receive(self) -> tuple[control.FromHub, list[bytes]] | None:
        """Return the next message and the frames behind it, or None if none waits.

        Raises:
            WireError: it is no control message.
        """
        try:
            frames = self.socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        self.received_ns = time.monotonic_ns()
        return control.from_hub(frames), frames[1:]

    def data_address(self, port: int) -> str:
        """Return the address of one of the hub's data ports, as reached from here, with the hub's key."""
        _, hash_mark, key = self.address.partition("#")
        return f"tcp://{self.host}:{port}{hash_mark}{key}"

    def probe(self, timeout_s: float) -> tuple[int, int, int, int] | None:
        """Take one clock probe and wait for it: (t0, t1, t2, t3), ns, or None in time."""
        asked = time.monotonic_ns()
        self.send(control.Ask(t0=asked))
        deadline = time.monotonic() + timeout_s
        while self.socket.poll(max(0, int((deadline - time.monotonic()) * 1000))):
            got = self.receive()
            if got is not None and isinstance(got[0], control.Told) and got[0].t0 == asked:
                return got[0].t0, got[0].t1, got[0].t2, self.received_ns
        return None

    def _await_welcome(self, timeout_s: float) -> control.Welcome:
        deadline = time.monotonic() + timeout_s
        while self.socket.poll(max(0, int((deadline - time.monotonic()) * 1000))):
            try:
                got = self.receive()
            except WireError as error:
                raise BusUnreachable(
                    f"What answers at {self.address} is not a Chorus bus of this version", mend=_MEND
                ) from error
            if got is None:
                continue
            message = got[0]
            if isinstance(message, control.Refused):
                raise BusError(message.what, mend=message.mend)
            if isinstance(message, control.Welcome):
                return message
        raise BusUnreachable(
            f"No Chorus bus answers at {bare(self.address)} within {timeout_s:g} s", mend=self._mend()
        )

    def _mend(self) -> str:
        keys = own_keys() if pinned(self.address) not in ("", INSECURE) else None
        if keys is None:
            return _MEND
        return f"{_MEND}; there, chorus keys allow {to_hex(keys.public)} lets this machine in"


_MEND = "Start 'chorus record' or 'chorus live' first, and use the address that it prints"
