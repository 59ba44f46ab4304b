"""Bluetooth: an adapter that is missing, switched off or blocked. From the kernel; Linux only."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from fusion.doctor.finding import Finding

ADAPTERS, SWITCHES = Path("/sys/class/bluetooth"), Path("/sys/class/rfkill")


def adapter(*, needed: bool) -> Iterator[Finding]:
    """Say what keeps Bluetooth from being used.

    Args:
        needed: by the rig; else it is a note.
    """
    if sys.platform != "linux":
        return
    there = any(path.name.startswith("hci") and ":" not in path.name for path in ADAPTERS.glob("hci*"))
    blocked = [kind for kind in ("soft", "hard") if _blocked(kind)]
    if not there and not blocked:
        if needed:
            mend = "Plug one in (any USB adapter of Bluetooth 4.0 or later), then run chorus doctor again"
            yield Finding("there is no Bluetooth adapter", mend)
        return
    if "hard" in blocked:
        yield Finding("Bluetooth is off by a switch of this machine", "Switch it on there", note=not needed)
    elif "soft" in blocked:
        yield Finding("Bluetooth is switched off", "sudo rfkill unblock bluetooth", note=not needed)
    if needed and shutil.which("bluetoothctl") is None:
        yield Finding("the Bluetooth service (BlueZ) is not installed", "sudo apt install bluez")


def _blocked(kind: str) -> bool:
    for switch in SWITCHES.glob("rfkill*"):
        with contextlib.suppress(OSError):
            if (switch / "type").read_text().strip() == "bluetooth" and (
                switch / kind
            ).read_text().strip() == "1":
                return True
    return False
