"""Keys of this machine, and the list of those that its hub lets in.

::

    ~/.config/chorus/keys/     (or the folder that CHORUS_KEYS names)
        secret                 this machine's secret key, readable by its user alone
        allowed                one line a key: KEY ROLES STREAMS NAME

Keys are those of CURVE (RFC 26/ZeroMQ), made and used by libsodium through pyzmq. People see a public key
as 64 hexadecimal digits, which every shell and YAML takes as they are.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import re
import tempfile
from collections.abc import Collection
from pathlib import Path

import zmq
from zmq.utils import z85

from drivers.base import NAME
from drivers.errors import BusError

log = logging.getLogger(__name__)

PUBLISH, SUBSCRIBE, CONTROL = "publish", "subscribe", "control"
ROLES = (PUBLISH, SUBSCRIBE, CONTROL)
"""What a key may do: send streams, receive streams, command the session."""

_KEY = re.compile(r"[0-9a-f]{64}\Z")
_LABEL = re.compile(r"[\w .@-]{1,63}\Z")
_MAX_ENTRIES = 10_000


@dataclasses.dataclass(frozen=True)
class KeyPair:
    """A key pair in Z85, as ZeroMQ takes it; the secret is never shown."""

    public: bytes
    secret: bytes = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Allowed:
    """One key that the hub lets in.

    Attributes:
        key: public, 64 hexadecimal digits.
        roles: of :data:`ROLES`.
        streams: it may publish these only; empty for any that no other key has published.
        name: of the machine or person, for people.
    """

    key: str
    roles: frozenset[str]
    streams: frozenset[str]
    name: str


def folder() -> Path:
    """Return the folder of keys: ``CHORUS_KEYS``, or ``chorus/keys`` in the user's configuration."""
    own = os.environ.get("CHORUS_KEYS")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "chorus" / "keys"


def to_hex(public: bytes) -> str:
    """Return a Z85 key (40 characters) as people see it."""
    return z85.decode(public).hex()


def from_hex(key: str) -> bytes:
    """Return the Z85 form of a key of 64 hexadecimal digits.

    Raises:
        BusError: it is none.
    """
    if not _KEY.match(key):
        raise BusError(
            f"'{key[:80]}' is no key: it is not 64 hexadecimal digits",
            mend="chorus keys list on the other machine shows its key",
        )
    return z85.encode(bytes.fromhex(key))


def own_keys() -> KeyPair | None:
    """Return this machine's keys, or None where there are none yet.

    Raises:
        BusError: the secret is readable by others, damaged, or cannot be read.
    """
    path = folder() / "secret"
    try:
        with path.open("r", encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(100).strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise BusError(f"The secret key {path} cannot be read ({error})", mend="Check the file") from None
    if os.name == "posix" and mode & 0o077:
        raise BusError(
            f"The secret key {path} can be read by other users, so it is not used",
            mend="Remove it and make a new one with chorus keys new",
        )
    if not _KEY.match(text):
        raise BusError(f"The secret key {path} is damaged", mend="Remove it, then run chorus keys new")
    secret = z85.encode(bytes.fromhex(text))
    return KeyPair(zmq.curve_public(secret), secret)


def new_keys() -> KeyPair:
    """Make this machine's keys.

    Raises:
        BusError: it has some already, or they cannot be written.
    """
    path = folder() / "secret"
    public, secret = zmq.curve_keypair()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(to_hex(secret) + "\n")
    except FileExistsError:
        raise BusError(
            f"This machine has keys already, in {path}",
            mend="chorus keys list shows the public one; remove the file to make new ones",
        ) from None
    except OSError as error:
        raise BusError(f"{path} cannot be written: {error.strerror}", mend="Check the folder") from None
    return KeyPair(public, secret)


class AllowList:
    """The keys that the hub lets in; read again whenever the file changes."""

    def __init__(self) -> None:
        self.path = folder() / "allowed"
        # Which file was read and what it said change together: another thread must see both or neither.
        self._known: tuple[tuple[int, int, int] | None, dict[str, Allowed]] = (None, {})

    def get(self, key: str) -> Allowed | None:
        """Return what a key may do; None where it is not listed, or the list is damaged."""
        return self._fresh().get(key)

    def entries(self) -> list[Allowed]:
        """Return all, in the order of the file.

        Raises:
            BusError: the file is damaged.
        """
        return list(self._read().values())

    def allow(self, key: str, roles: Collection[str], streams: Collection[str], name: str) -> Allowed:
        """Let a key in, or change what it may do.

        Raises:
            BusError: one of the values is none, or the file cannot be written.
        """
        from_hex(key)
        if not roles or not set(roles) <= set(ROLES):
            raise BusError(f"'{','.join(roles)}' are no roles", mend=f"Choose of {', '.join(ROLES)}")
        for stream in streams:
            if not NAME.match(stream):
                raise BusError(f"'{stream[:80]}' cannot name a stream", mend="Use its name in the rig")
        if not _LABEL.match(name):
            raise BusError(f"'{name[:80]}' cannot name a key", mend="Use letters, digits and . _ @ -")
        entry = Allowed(key, frozenset(roles), frozenset(streams), name)
        self._write({**self._read(), key: entry})
        return entry

    def revoke(self, which: str) -> list[Allowed]:
        """Let a key (or all keys of a name) in no more; return what was taken away.

        Raises:
            BusError: no such key is listed.
        """
        entries = self._read()
        gone = [entry for entry in entries.values() if which in (entry.key, entry.name)]
        if not gone:
            raise BusError(f"'{which[:80]}' is not on the list", mend="chorus keys list shows who is")
        self._write({key: entry for key, entry in entries.items() if entry not in gone})
        return gone

    def _fresh(self) -> dict[str, Allowed]:
        try:
            status = self.path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            seen = None
        known, entries = self._known
        if seen != known or seen is None:
            try:
                entries = self._read()
            except BusError as error:  # in doubt nobody
                log.error("%s", error)
                entries = {}
            self._known = (seen, entries)
        return entries

    def _read(self) -> dict[str, Allowed]:
        try:
            lines = self.path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise BusError(f"{self.path} cannot be read ({error})", mend="Check the file") from None
        entries: dict[str, Allowed] = {}
        for number, line in enumerate(lines[:_MAX_ENTRIES], 1):
            parts = line.split(" ", 3)
            roles = frozenset(parts[1].split(",")) if len(parts) == 4 else frozenset()
            if not roles or not roles <= set(ROLES) or not _KEY.match(parts[0]):
                raise BusError(
                    f"{self.path} line {number} is damaged, so no other machine is let in",
                    mend="Remove that line, then use chorus keys allow",
                )
            streams = frozenset() if parts[2] == "*" else frozenset(parts[2].split(","))
            entries[parts[0]] = Allowed(parts[0], roles, streams, parts[3])
        return entries

    def _write(self, entries: dict[str, Allowed]) -> None:
        lines = [
            f"{one.key} {','.join(sorted(one.roles))} {','.join(sorted(one.streams)) or '*'} {one.name}\n"
            for one in entries.values()
        ]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, work = tempfile.mkstemp(prefix="allowed-", dir=self.path.parent)  # of mode 0600
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.writelines(lines)
                    file.flush()
                    os.fsync(file.fileno())
                Path(work).replace(self.path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(work).unlink()
                raise
        except OSError as error:
            raise BusError(f"{self.path} cannot be written: {error.strerror}", mend="Check it") from None
