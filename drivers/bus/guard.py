"""Who may do what at a hub that listens with keys.

::

    handshake ── CURVE ──> ZAP: is the key listed, with the role of this socket?
    message ── User-Id ──> is the stream this key's own?

The User-Id is the authenticated public key that libzmq attaches to each message, nothing that a peer writes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import zmq
from zmq.auth.thread import ThreadAuthenticator

from drivers.bus import control, wire
from drivers.bus.keys import CONTROL, PUBLISH, SUBSCRIBE, Allowed, AllowList, KeyPair, own_keys, to_hex
from drivers.bus.socket import is_local, pinned, split_address
from drivers.errors import BusError

log = logging.getLogger(__name__)

ANY = "any"
"""Domain of the socket that all listed keys reach; each message is then looked at for itself."""

_ROLE_OF = {
    control.Announce: PUBLISH,
    control.Delivery: PUBLISH,
    control.Lack: PUBLISH,
    control.Ending: PUBLISH,
    control.Which: SUBSCRIBE,
    control.Want: SUBSCRIBE,
    control.Done: SUBSCRIBE,
}
"""The role that a control message needs; one that is neither here nor in ``_OPEN`` needs control."""

_OPEN = (control.Hello, control.Ask, control.Bye)
_SUBSCRIPTION = (b"\x00", b"\x01")
_MOUTHFUL = 256


class Guard:
    """Authenticates and authorises. Its methods may be called from any thread of the hub.

    Args:
        context: of the hub's sockets.
        keys: the hub's own; whoever has them too, that is this user on this machine, may do everything.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: KeyPair) -> None:
        self.key = to_hex(keys.public)
        self._keys = keys
        self._allowed = AllowList()
        self._owners: dict[str, str] = {}
        self._said: set[tuple[str, str]] = set()
        self._zap = ThreadAuthenticator(context)
        for domain in (PUBLISH, SUBSCRIBE, ANY):
            self._zap.configure_curve_callback(domain, self)
        self._zap.start()

    def close(self) -> None:
        """Authenticate nobody any more; before the context ends."""
        self._zap.stop()

    def secure(self, socket: zmq.Socket[bytes], domain: str) -> None:
        """Make a socket that will be bound speak to listed keys of a role only."""
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._keys.secret)
        socket.setsockopt_string(zmq.ZAP_DOMAIN, domain)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether a key may connect to a socket; called by the authenticator."""
        user = to_hex(key)
        entry = self._entry(user)
        if entry is not None and (domain == ANY or domain in entry.roles):
            return True
        what = "is not allowed here" if entry is None else f"may not {domain}"
        self._say(user, domain, f"Key {user} {what}. If it should: chorus keys allow {user} --name NAME")
        return False

    def may(self, user: str, role: str) -> bool:
        """Whether a key has a role now; the list may have changed since it connected."""
        entry = self._entry(user)
        return entry is not None and role in entry.roles

    def claim(self, user: str, stream: str) -> bool:
        """Give a stream to a key for the rest of the session; False where it is another's or not for it."""
        entry = self._entry(user)
        if entry is None or PUBLISH not in entry.roles or (entry.streams and stream not in entry.streams):
            return False
        if stream not in self._owners and len(self._owners) >= wire.MAX_STREAMS:
            return False
        return self._owners.setdefault(stream, user) == user

    def refuse(self, user: str, hello: control.Hello) -> control.Refused | None:
        """Return why a key may not do what its hello asks for, or None where it may."""
        role = {"subscriber": SUBSCRIBE, "publisher": PUBLISH, "control": CONTROL}[hello.role]
        if not self.may(user, role):
            return control.Refused(
                what=f"This machine's key may not {role}",
                mend=f"On the bus's machine, chorus keys allow {user} --role {role} lets it",
            )
        if role != PUBLISH or self.claim(user, hello.stream or ""):
            return None
        return control.Refused(
            what=f"This machine's key may not publish stream '{hello.stream}'",
            mend="It is another key's in this session, or chorus keys allow named other --streams",
        )

    def owns(self, user: str, stream: str | None) -> bool:
        """Whether a key may speak for a stream now."""
        return stream is not None and self._owners.get(stream) == user and self.may(user, PUBLISH)

    def permits(self, user: str, message: control.FromClient, frames: Sequence[bytes]) -> bool:
        """Whether a key may send a control message."""
        if isinstance(message, _OPEN):
            return self._entry(user) is not None
        role = _ROLE_OF.get(type(message), CONTROL)
        if role == PUBLISH:
            good = self.owns(user, _spoken_for(message, frames))
        else:
            good = self.may(user, role)
        if not good:
            kind = type(message).__name__
            self._say(user, kind, f"Key {user} sent '{kind}' without a right to; it was refused")
        return good

    def forward(self, xsub: zmq.Socket[bytes], xpub: zmq.Socket[bytes]) -> None:
        """Copy data from publishers to subscribers, each message checked, until the context ends.

        Raises:
            zmq.ContextTerminated: it has.
        """
        poller = zmq.Poller()
        poller.register(xsub, zmq.POLLIN)
        poller.register(xpub, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if xpub in ready:
                self._pass_subscriptions(xsub, xpub)
            if xsub in ready:
                self._pass_data(xsub, xpub)

    def _pass_data(self, xsub: zmq.Socket[bytes], xpub: zmq.Socket[bytes]) -> None:
        for _ in range(_MOUTHFUL):
            try:
                frames = xsub.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            user = user_of(frames)
            if len(frames) == 4 and self.owns(user, wire.stream_of(frames[0].bytes)):
                xpub.send_multipart(frames, copy=False)
            else:
                self._say(user, "data", f"Key {user} sent data of a stream that is not its own")

    def _pass_subscriptions(self, xsub: zmq.Socket[bytes], xpub: zmq.Socket[bytes]) -> None:
        for _ in range(_MOUTHFUL):
            try:
                frames = xpub.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            # A subscriber's socket could send anything upstream: only what subscribes passes.
            if len(frames) == 1 and frames[0][:1] in _SUBSCRIPTION and len(frames[0]) <= wire.MAX_TOPIC + 1:
                xsub.send_multipart(frames)

    def _entry(self, user: str) -> Allowed | None:
        if user == self.key:
            return Allowed(user, frozenset((PUBLISH, SUBSCRIBE, CONTROL)), frozenset(), "this machine")
        return self._allowed.get(user)

    def _say(self, user: str, about: str, what: str) -> None:
        """Log each thing once: who knocks a thousand times a second fills no disk."""
        if (user, about) not in self._said and len(self._said) < 1000:
            self._said.add((user, about))
            log.warning("%s", what)


def user_of(frames: Sequence[zmq.Frame]) -> str:
    """Return the authenticated key of a message received with ``copy=False``, or an empty text."""
    try:
        return to_hex(str(frames[-1].get("User-Id")).encode("ascii"))
    except (zmq.ZMQError, ValueError, IndexError):
        return ""


def _spoken_for(message: control.FromClient, frames: Sequence[bytes]) -> str | None:
    match message:
        case control.Announce(stream=announced):
            return announced.info.name
        case control.Delivery():
            return wire.stream_of(frames[1])
        case control.Lack(stream=stream) | control.Ending(stream=stream):
            return stream
    return None


def keys_for(listen: str, *, insecure: bool, keys: bool) -> KeyPair | None:
    """Return the keys to listen with, or None for plain text.

    Raises:
        BusError: keys are needed and there are none; or the two settings contradict each other.
    """
    host, _ = split_address(listen, wildcard=True)
    if pinned(listen):
        raise BusError(f"bus.listen is '{listen}', with a key", mend="Write it without what follows the #")
    if keys and insecure:
        raise BusError("bus.keys and bus.insecure are both true", mend="Set one of them in the rig")
    if not keys and (insecure or is_local(host)):
        if not is_local(host):
            log.warning("The bus listens on %s in plain text: anybody there can listen and speak", listen)
        return None
    own = own_keys()
    if own is None:
        raise BusError(
            f"The bus would listen on {listen} with keys, and this machine has none",
            mend="chorus keys new makes them; bus.insecure: true in the rig listens in plain text",
        )
    return own
