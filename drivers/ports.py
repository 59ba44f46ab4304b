"""Which serial port a rig means: by its path, or by the USB adapter behind it, also under another name.

The system names ports in the order they are plugged in: what was ``/dev/ttyUSB0`` may come back as
``/dev/ttyUSB1``, and two adapters that were unplugged may come back with their names exchanged. So an adapter
is remembered when its port was opened, and looked for when it is opened again.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Protocol

SERIAL, USB = "serial:", "usb:"
"""Before a USB serial number, or maker and model (``usb:10c4:ea60``), where a rig names no path."""


class PortInfo(Protocol):
    """What pyserial tells of a port (``serial.tools.list_ports_common.ListPortInfo``)."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    location: str | None


@dataclasses.dataclass(frozen=True)
class Adapter:
    """A USB adapter, as it is known again.

    Attributes:
        vid, pid: maker and model.
        serial_number: its own, or None: many have none.
        location: the socket, and the interface of an adapter with several ports.
    """

    vid: int | None
    pid: int | None
    serial_number: str | None
    location: str | None

    def is_at(self, port: PortInfo) -> bool:
        """Whether a port may be this adapter's: the same number; or without one, the same socket."""
        if (self.vid, self.pid, self.serial_number) != (port.vid, port.pid, port.serial_number):
            return False
        if self.serial_number is None:
            return self.location == port.location
        return _interface(self.location) == _interface(port.location)


class PortFinder:
    """Finds the port of one device, again and again.

    Args:
        wanted: a path, or :data:`SERIAL` or :data:`USB` and what follows.
    """

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        self._adapter: Adapter | None = None

    def find(self, ports: Sequence[PortInfo]) -> str:
        """Return the path to open.

        Args:
            ports: those there are.

        Raises:
            LookupError: there is none, or more than one; the argument says what there is, in words.
        """
        if self._adapter is not None:
            mine = [port for port in ports if self._adapter.is_at(port)]
            here = [port for port in mine if port.location == self._adapter.location]
            if found := here or mine:  # adapters with the same number: the one in the same socket
                return found[0].device
        if not self.wanted.startswith((SERIAL, USB)):
            return self.wanted
        found = [port for port in ports if self._means(port)]
        if len(found) == 1:
            return found[0].device
        if found:
            raise LookupError(f"{len(found)} ports are {self.wanted}: {_told(found)}")
        raise LookupError(f"there is no port {self.wanted}")

    def opened(self, path: str, ports: Sequence[PortInfo]) -> None:
        """Remember the adapter of a port that was opened."""
        real = os.path.realpath(path)
        for port in ports:
            if os.path.realpath(port.device) == real and port.vid is not None:
                self._adapter = Adapter(port.vid, port.pid, port.serial_number, port.location)

    def _means(self, port: PortInfo) -> bool:
        _, _, name = self.wanted.partition(":")
        if self.wanted.startswith(SERIAL):
            return port.serial_number is not None and port.serial_number.lower() == name.lower()
        return port.vid is not None and f"{port.vid:04x}:{port.pid or 0:04x}" == name.lower()


def known_ports() -> list[PortInfo]:
    """Return the serial ports of this machine."""
    from serial.tools import list_ports

    return list(list_ports.comports())


def check_port(wanted: str) -> None:
    """Check the name of a port in a rig.

    Raises:
        ValueError: it is none.
    """
    if wanted in ("", SERIAL, USB):
        raise ValueError("port must be a path, serial:NUMBER or usb:MAKER:MODEL")


def _interface(location: str | None) -> str:
    """The interface in ``1-4.2:1.3``: which port of an adapter with several."""
    return (location or "").partition(":")[2]


def _told(ports: Sequence[PortInfo]) -> str:
    return ", ".join(f"{port.device} (serial number {port.serial_number or 'none'})" for port in ports)
