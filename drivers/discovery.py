"""What is plugged in: serial ports, cameras and sound inputs, without opening any of them for long."""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivers.camera.v4l2 import Mode


@dataclasses.dataclass(frozen=True)
class Found:
    """One device the system offers.

    Attributes:
        kind: ``"serial"``, ``"camera"`` or ``"microphone"``.
        name: what a rig writes to use it (port, index or device name).
        description: make and model as the system tells it.
        problem: why it can't be used as things stand, or empty.
        mend: the command that mends the problem, or empty.
        modes: what it can send, a line each: format, then sizes in px with their rates in pictures a second.
    """

    kind: str
    name: str
    description: str
    problem: str = ""
    mend: str = ""
    modes: tuple[str, ...] = ()


def serial_ports() -> list[Found]:
    """List serial ports that belong to real adapters."""
    from serial.tools import list_ports

    found = []
    for port in sorted(list_ports.comports()):
        if port.hwid == "n/a" and port.device.startswith("/dev/ttyS"):
            continue  # a legacy UART that the board does not wire
        problem, mend = _permission(port.device, "dialout")
        what = port.description or ""
        if port.serial_number:
            what += f", serial number {port.serial_number}"
        found.append(Found("serial", port.device, what, problem, mend))
    return found


def cameras() -> list[Found]:
    """List cameras: on Linux from the kernel, with what they can send; elsewhere by an extra package."""
    return _linux_cameras() if sys.platform == "linux" else _other_cameras()


def _linux_cameras() -> list[Found]:
    from drivers.camera import linux
    from drivers.camera.v4l2 import VideoDevice

    found = []
    for node in linux.nodes():
        path = str(node.path)
        problem, mend = _permission(path, "video")
        modes: tuple[str, ...] = ()
        if not problem:
            try:
                with VideoDevice(path) as device:
                    if not device.captures():
                        continue
                    modes = _in_lines(device.modes())
            except OSError as error:
                problem, mend = f"it cannot be opened: {error.strerror}", f"sudo fuser {path}"
        if not problem and (users := linux.users(node.path)):
            problem, mend = f"in use by {', '.join(users)}", "close that program"
        what = f"{node.name}, serial number {node.serial}" if node.serial else node.name
        found.append(Found("camera", str(node.index), what, problem, mend, modes))
    return found


def _in_lines(modes: list[Mode]) -> tuple[str, ...]:
    lines: dict[str, list[str]] = {}
    for mode in modes:
        rates = "/".join(f"{rate:g}" for rate in mode.rates)
        size = f"{mode.width}x{mode.height}" + (f" at {rates}" if rates else "")
        lines.setdefault(mode.format, []).append(size)
    return tuple(f"{name}: {', '.join(sizes)}" for name, sizes in lines.items())


def _other_cameras() -> list[Found]:
    try:
        import cv2
        from cv2_enumerate_cameras import enumerate_cameras  # pyright: ignore[reportMissingImports]
    except ImportError:
        return []
    backend = cv2.CAP_MSMF if sys.platform == "win32" else cv2.CAP_AVFOUNDATION
    return [Found("camera", str(one.index), one.name) for one in enumerate_cameras(backend)]


def microphones() -> list[Found]:
    """List sound inputs that PortAudio offers.

    Raises:
        OSError: the PortAudio library is not installed.
    """
    import sounddevice

    return [
        Found(
            "microphone",
            str(device["name"]),
            f"{device['max_input_channels']} channels, {device['default_samplerate']:.0f} Hz",
        )
        for device in sounddevice.query_devices()
        if device["max_input_channels"] > 0
    ]


def _permission(path: str, group: str) -> tuple[str, str]:
    if sys.platform != "linux" or os.access(path, os.R_OK | os.W_OK):
        return "", ""
    return "no permission to open it", f"sudo usermod -aG {group} $USER, then log in again"
