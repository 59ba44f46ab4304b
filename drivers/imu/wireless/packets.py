"""Packets of a wireless sensor to rows: numbered by its counter, or else by its stamps."""

from __future__ import annotations

from collections.abc import Callable

from drivers.imu.parser import Parser
from drivers.imu.wireless.packet import Layout, Packet
from drivers.imu.wireless.sequence import Stamped, Wrapping

Values = tuple[float, ...]
Conversion = Callable[[Values], Values]
"""Values of a sample to those of a row."""


class PacketParser(Parser):
    """One packet a call to rows.

    What is missing between two packets is told by the counter; without one, by stamps that lie on a grid of
    steady sampling; with neither, only packets that came damaged are known to be lost.

    Args:
        layout: of a packet.
        rate_hz: nominal samples per second; 0: not known.
        channels: of a row, where ``convert`` makes it.
        convert: makes a row of a sample.

    Attributes:
        others: packets of other kinds that were left out.
    """

    def __init__(
        self,
        layout: Layout,
        rate_hz: float = 0.0,
        channels: tuple[str, ...] = (),
        convert: Conversion | None = None,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.channels = channels or layout.channels
        self.restarts = self.others = 0
        self._newest: tuple[int, int] | None = None  # the device's count of rows, and where it wraps
        self._convert = convert
        self._seq = 0  # of the next row
        self._number = max(1, layout.config.samples)  # samples in the last packet
        self._bad = 0  # damaged packets since the last good one
        self._started = False
        self._host = 0
        self._stamped = Stamped()
        self._passed: int | None = None  # ns by the device's clock since the packet before
        self._time = 0
        counter, clock = layout.counter, layout.clock
        self._count = None if counter is None else Wrapping(counter.bits)
        self._clock = None if clock is None else Wrapping(clock.bits, 1e9 / clock.scale)
        self.rate_hz = rate_hz

    @property
    def counter(self) -> tuple[int, int] | None:
        """See :class:`Parser`."""
        return self._newest

    @property
    def rate_hz(self) -> float:
        """Nominal samples per second; 0: not known."""
        return self._rate

    @rate_hz.setter
    def rate_hz(self, rate: float) -> None:
        self._rate = rate
        if self._count is not None:
            each = self._number if self.layout.config.counts == "packets" else 1
            self._count.rate = rate / each

    def feed(self, data: bytes, time_host: int) -> None:
        """Parse one packet; see :class:`Parser`."""
        try:
            packet = self.layout.read(data)
        except ValueError:
            self._refuse()
            return
        if packet is None:
            self.others += 1
            return
        missing = self._missing(packet, time_host)
        if missing is None:
            self.damaged += 1  # it came before
            return
        if self._started:
            damaged = min(self._bad * self._number, missing)
            self._lose("checksum", damaged)
            self._lose("device_gap", missing - damaged)
            self._seq += missing
        self._bad, self._started, self._number = 0, True, len(packet.samples)
        if packet.count is not None and self.layout.counter is not None and self.layout.config.samples:
            each = self._number if self.layout.config.counts == "packets" else 1
            last = packet.count * each + self._number - 1
            self._newest = last, (1 << self.layout.counter.bits) * each
        self._rows(packet, time_host, missing)

    def note(self) -> str:
        """Tell of packets that came but made no sample."""
        told = (
            [f"{self.damaged} packets of another size or with numbers that are none"] if self.damaged else []
        )
        told += [f"{self.others} of another kind"] if self.others else []
        return ", ".join(told)

    def _refuse(self) -> None:
        self.damaged += 1
        self._bad += 1
        if self._started and self._count is None and self._clock is None:
            self._lose("checksum", self._number)
            self._seq += self._number

    def _missing(self, packet: Packet, time_host: int) -> int | None:
        """Return how many rows are missing before a packet; None: the packet came before."""
        self._passed = None
        if self._clock is not None and packet.ticks is not None and self.layout.clock is not None:
            step = self._clock.step(packet.ticks, time_host)
            if step is None:
                self._time = _ns(packet.ticks, self.layout.clock.scale)
                self.restarts += self._started and self._count is None
            else:
                self._passed = _ns(step, self.layout.clock.scale)
                self._time += self._passed
        number = len(packet.samples)
        if self._count is not None and packet.count is not None:
            step = self._count.step(packet.count, time_host)
            if step is None:
                self.restarts += self._started
                return 0
            if step == 0:
                return None
            by_packets = self.layout.config.counts == "packets"
            return max(0, int(step - 1) * number if by_packets else int(step) - self._number)
        if self._passed is None:
            return 0
        if self._passed == 0:
            return None
        each = self._number if self.layout.config.stamps == "first" else number
        return (self._stamped.steps(self._passed / each) - 1) * each

    def _rows(self, packet: Packet, time_host: int, missing: int) -> None:
        number = len(packet.samples)
        last = self.layout.config.stamps == "last"
        if self._rate:
            period = 1e9 / self._rate
        else:
            period = 0.0 if self._passed is None else self._passed / (number + missing)
        before = number - 1 if last else 0
        for index, values in enumerate(packet.samples):
            row = values if self._convert is None else self._convert(values)
            stamp = self._time + round((index - before) * period)
            timed = packet.ticks is not None and abs(stamp) < 1 << 62
            self._emit(row, time_host, stamp if timed else None, self._seq)
            self._seq += 1


def _ns(ticks: float, scale: float) -> int:
    """Return ticks in ns, exact where both are whole: a stamp in ns needs more digits than a float has."""
    return int(ticks) * int(scale) if ticks == int(ticks) and scale.is_integer() else round(ticks * scale)
