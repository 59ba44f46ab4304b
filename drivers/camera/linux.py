"""Cameras in the file systems of Linux: which there are, which one is which, and who uses one."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

SYS, DEV, PROC = Path("/sys"), Path("/dev"), Path("/proc")


@dataclasses.dataclass(frozen=True)
class Node:
    """A video node that gives pictures, or may.

    Attributes:
        path: such as ``/dev/video0``.
        index: its number.
        name: what the maker calls the camera.
        identity: maker, model, serial number and node of a camera on USB; or empty. It stays the same when
            the camera is plugged in elsewhere; cameras of one kind without serial numbers share it.
        serial: its serial number, or empty.
    """

    path: Path
    index: int
    name: str
    identity: str = ""
    serial: str = ""


def nodes() -> list[Node]:
    """Return the video nodes, those left out that only tell what goes with the pictures of another."""
    found = []
    for entry in (SYS / "class" / "video4linux").glob("video*"):
        number = entry.name.removeprefix("video")
        if not number.isdecimal() or _line(entry / "index") not in ("", "0"):
            continue
        usb = next((one for one in _upwards(entry) if (one / "idVendor").is_file()), None)
        identity = serial = ""
        if usb is not None:
            serial = _line(usb / "serial")
            place = _line(entry / "device" / "bInterfaceNumber")
            identity = f"{_line(usb / 'idVendor')}:{_line(usb / 'idProduct')}:{serial}:{place}"
        found.append(Node(DEV / entry.name, int(number), _line(entry / "name"), identity, serial))
    return sorted(found, key=lambda node: node.index)


def find(device: int | str) -> Path:
    """Return the path of a camera.

    Args:
        device: number, path (also below ``/dev/v4l/by-id``), serial number, or part of the name under
            ``by-id``.
    """
    if isinstance(device, int):
        return DEV / f"video{device}"
    if "/" in device or device == "":
        return Path(device)
    if device.isdecimal() and len(device) <= 3:
        return DEV / f"video{device}"
    for node in nodes():
        if device == node.serial:
            return node.path
    for link in sorted((DEV / "v4l" / "by-id").glob("*-video-index0")):
        if device in link.name:
            return link
    return DEV / device


def identity_of(path: Path) -> str:
    """Return the identity of a camera, or an empty text where it has none of its own."""
    there = nodes()
    mine = next((node.identity for node in there if node.path == _resolved(path)), "")
    alone = sum(node.identity == mine for node in there) == 1
    return mine if alone else ""


def found_again(identity: str, before: Path) -> Path | None:
    """Return where a camera is now; None: it is not there. One that is where it was is taken to be there."""
    there = [node.path for node in nodes() if node.identity == identity]
    return before if _resolved(before) in there else there[0] if len(there) == 1 else None


def users(path: Path) -> list[str]:
    """Return who has a device open, ``name (process id)`` each, as far as this user may see it."""
    device, found = str(_resolved(path)), []
    for process in PROC.glob("[0-9]*"):
        try:
            if any(str(link.readlink()) == device for link in (process / "fd").iterdir()):
                found.append(f"{_line(process / 'comm') or 'process'} ({process.name})")
        except OSError:  # it ended, or is another user's
            continue
    return sorted(found)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except OSError:
        return path


def _upwards(entry: Path) -> list[Path]:
    device = _resolved(entry / "device")
    return [device, *device.parents][:4]  # interface, device, and what else there is on the way


def _line(path: Path) -> str:
    try:
        return re.sub(
            r"[^\x20-\x7e\x80-\U0010ffff]", "", path.read_text(errors="replace").partition("\n")[0]
        ).strip()
    except OSError:
        return ""
