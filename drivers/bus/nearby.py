"""Hubs that this user runs on this machine, so that a second console finds them without an address."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from drivers.errors import BusError


def folder() -> Path:
    """Return the folder of notes, for this user's eyes only.

    Raises:
        OSError: it can't be made, or is another's.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    user = os.getuid() if hasattr(os, "getuid") else os.getlogin()
    made = Path(runtime, "chorus") if runtime else Path(tempfile.gettempdir(), f"chorus-{user}")
    made.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and (made.stat().st_uid != os.getuid() or made.is_symlink()):
        raise PermissionError(f"{made} belongs to somebody else")
    return made


@contextlib.contextmanager
def noted(address: str, what: str) -> Iterator[None]:
    """Note a hub while it runs; where no note can be left, others need its address."""
    note: Path | None = None
    with contextlib.suppress(OSError):
        note = folder() / f"{os.getpid()}-{address.rpartition(':')[2].partition('#')[0]}.json"
        note.write_text(json.dumps({"pid": os.getpid(), "address": address, "what": what}))
    try:
        yield
    finally:
        if note is not None:
            note.unlink(missing_ok=True)


def running() -> dict[str, str]:
    """Return what each hub that still runs is for, by its address."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for note in sorted(folder().glob("*.json")):
            try:
                told = json.loads(note.read_text())
                os.kill(int(told["pid"]), 0)
                found[str(told["address"])] = str(told["what"])
            except (ValueError, KeyError, TypeError):
                continue
            except OSError:  # its program is gone
                note.unlink(missing_ok=True)
    return found


def only() -> str:
    """Return the address of the one hub that runs here.

    Raises:
        BusError: there is none, or more than one.
    """
    hubs = running()
    if len(hubs) == 1:
        return next(iter(hubs))
    if not hubs:
        raise BusError(
            "nothing is being recorded on this machine",
            mend="Start chorus record, or give the address that it printed with --connect",
        )
    listed = "; ".join(f"{address} ({what})" for address, what in hubs.items())
    raise BusError(f"several sessions run here: {listed}", mend="Choose one of them with --connect")
