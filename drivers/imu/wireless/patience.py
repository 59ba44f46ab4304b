"""How long a wireless sensor may send nothing, or nothing that can be read."""

from __future__ import annotations

import time

from drivers.errors import Fault
from drivers.imu.parser import Parser


class Patience:
    """Since when no packet was taken, and since when none that made a row; from now on, to begin with."""

    def __init__(self) -> None:
        self._packet_s = self._row_s = time.monotonic()

    def feed(self, parser: Parser, packet: bytes, arrival_ns: int) -> None:
        """Give a packet to its parser, and note whether it made a row."""
        waiting = parser.waiting
        parser.feed(packet, arrival_ns)
        self._packet_s = time.monotonic()  # not its arrival: it may have waited for a busy driver
        if parser.waiting > waiting:
            self._row_s = self._packet_s

    def over(self, limit_s: float) -> Fault | None:
        """Return what lasted longer than ``limit_s``: SILENT, no packet; GARBAGE, none that made a row."""
        now = time.monotonic()
        if now - self._packet_s > limit_s:
            return Fault.SILENT
        return Fault.GARBAGE if now - self._row_s > limit_s else None
