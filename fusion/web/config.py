"""What the page's server is told when it starts."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import msgspec

from drivers.bus.socket import is_local
from drivers.errors import ConfigError, MissingDependency

PORT = 8765
LOOPBACK = "127.0.0.1"


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of uploads.

    Attributes:
        max_mb: largest file that is taken, MB.
        max_minutes: a job that takes longer is ended.
        keep_hours: files of uploads are deleted when so old.
        max_total_mb: uploads and what came of them take at most so much room, MB.
        receiving: uploads that may come in at the same time.
        waiting: uploads that may wait for their turn.
    """

    max_mb: float = 512.0
    max_minutes: float = 30.0
    keep_hours: float = 24.0
    max_total_mb: float = 4096.0
    receiving: int = 4
    waiting: int = 8

    @property
    def max_bytes(self) -> int:
        """Size of the largest file that is taken."""
        return round(self.max_mb * 1e6)


class LiveStream(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of the rig, as the page shows it."""

    name: str
    kind: str
    rate_hz: float = 0.0
    worn_on: str = ""
    device: str = ""
    channels: tuple[str, ...] = ()


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What is tracked.

    Attributes:
        name: of the rig or the recording.
        address: of the hub; empty for a recording, which can be neither marked nor recorded.
        private: no picture may be shown.
        people: how many are followed at most.
        actions: names of the network's actions.
        streams: of the rig.
        rig_file: the rig's file, which a calibration is written into; empty where there is none.
        rig: the rig as YAML, overrides applied.
        rig_folder: folder that relative paths of the rig refer to.
    """

    name: str
    address: str = ""
    private: bool = False
    people: int = 1
    actions: tuple[str, ...] = ()
    streams: tuple[LiveStream, ...] = ()
    rig_file: str = ""
    rig: str = ""
    rig_folder: str = "."


class PageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """All that the server needs to know.

    Attributes:
        host: address to listen on; beyond loopback a token is needed to enter.
        port: 0 takes a free one.
        names: further names that the page may be called by.
        uploads: folder of uploads and what came of them.
        sessions: folder of recordings.
        limits: of uploads.
        vision: front end for uploads.
        weights: of the fused network for uploads; None: those of the package.
        live: what is tracked; None: only uploads.
    """

    host: str = LOOPBACK
    port: int = PORT
    names: tuple[str, ...] = ()
    uploads: str = "sessions/uploads"
    sessions: str = "sessions"
    limits: Limits = Limits()
    vision: str = "blazepose"
    weights: str | None = None
    live: Live | None = None

    @property
    def local(self) -> bool:
        """Whether only this machine reaches it."""
        return is_local(self.host)


def check_page(host: str, port: int) -> None:
    """Refuse what the page can't be served with, before anything is started.

    Raises:
        MissingDependency: the libraries of the page are not installed.
        ConfigError: the address can't be one to listen on.
    """
    missing = [name for name in ("fastapi", "uvicorn", "wsproto") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependency(
            f"the page needs {', '.join(missing)}", mend="pip install 'chorus-fusion[web]'"
        )
    if not 0 <= port <= 65535:
        raise ConfigError(f"the page's port is {port}", mend="Give 0 (any that is free) to 65535")
    if not host or len(host) > 253 or any(letter.isspace() or letter in "/?#@" for letter in host):
        raise ConfigError(
            f"the page cannot listen on '{host[:60]}'",
            mend="Give 127.0.0.1 for this machine, 0.0.0.0 for all who reach it",
        )


def static_folder() -> Path:
    """Return the folder of the page's own files."""
    return Path(__file__).parent / "static"
