"""What is plugged in: serial ports, cameras and sound inputs, without opening any of them for long."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Found:
    """One device the system offers.

    Attributes:
        kind: ``"serial"``, ``"camera"`` or ``"microphone"``.
        name: what a rig writes to use it (port, index or device name).
        description: make and model as the system tells it.
        problem: why it can't be used as things stand, or empty.
        mend: the command that mends the problem, or empty.
    """

    kind: str
    name: str
    description: str
    problem: str = ""
    mend: str = ""


def serial_ports() -> list[Found]:
    """List serial ports that belong to real adapters."""
    from serial.tools import list_ports

    found = []
    for port in sorted(list_ports.comports()):
        if port.hwid == "n/a" and port.device.startswith("/dev/ttyS"):
            continue  # a legacy UART that the board does not wire
        problem, mend = _permission(port.device, "dialout")
        found.append(Found("serial", port.device, port.description or "", problem, mend))
    return found


def cameras() -> list[Found]:
    """List video inputs. On Linux from sysfs; elsewhere OpenCV can't enumerate, so none are listed."""
    found = []
    for device in sorted(Path("/sys/class/video4linux").glob("video*")):
        if (index := device / "index").exists() and index.read_text().strip() != "0":
            continue  # metadata nodes of the same camera
        name = (device / "name").read_text().strip() if (device / "name").exists() else ""
        problem, mend = _permission(f"/dev/{device.name}", "video")
        found.append(Found("camera", device.name.removeprefix("video"), name, problem, mend))
    return found


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
