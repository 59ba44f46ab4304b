"""A sensor that notifies over Bluetooth LE, with the layout of its packets in the rig.

::

    wrist:
      driver: imu.ble
      address: "C4:D3:00:11:22:33"        # or name: the name it advertises
      notify: "6e400003-b5a3-f393-e0a9-e50e24dcca9e"
      start: [{to: "6e400002-b5a3-f393-e0a9-e50e24dcca9e", write: "01 64"}]
      rate_hz: 100
      packet: {...}                       # see drivers.imu.wireless.packet

What a driver of one maker adds is its :class:`Protocol`; the rest is here.
"""

from __future__ import annotations

import abc
import dataclasses
import re
import time
from typing import Any, ClassVar, TypeVar

from drivers.base import Driver, DriverContext, Samples, StreamInfo
from drivers.errors import DeviceError, Fault
from drivers.imu.parser import Rows
from drivers.imu.rate import wireless_rate
from drivers.imu.wireless.ble_link import BleLink, Target, Write
from drivers.imu.wireless.packet import Layout
from drivers.imu.wireless.packets import PacketParser
from drivers.imu.wireless.patience import Patience
from drivers.typed import build

AGAIN_S = 3.0
"""A device that is away is looked for this long at a time, so that a stop need not wait."""
BATCH_S = 0.02
"""Rows are handed on together about this often: single rows cost the bus and the file far more."""
MEASURE_S = 3.0
"""How long packets are listened to for their rate, where the rig gives none: radios deliver in bunches."""

_SHORT_UUID = re.compile(r"[0-9a-fA-F]{4}\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")
_BASE_UUID = "0000{}-0000-1000-8000-00805f9b34fb"
"""A UUID of 16 bits stands in this one (Bluetooth Core Specification, Vol 3, Part B, 2.5.1)."""


@dataclasses.dataclass(frozen=True)
class Protocol:
    """What is said to a device, and how it is understood.

    Attributes:
        target: the device, and what is written to it.
        parser: of its notifications, fresh.
        rate_hz: nominal samples per second; 0: measured.
        device: make and model, as a person would name it.
        properties: further facts of the stream.
    """

    target: Target
    parser: PacketParser
    rate_hz: float
    device: str
    properties: dict[str, str] = dataclasses.field(default_factory=dict)


C = TypeVar("C")


class BleDriver(Driver[C], abc.ABC):
    """Samples of a sensor that notifies; subclasses say how by :meth:`protocol`.

    Attributes:
        client, scanner: further arguments of bleak's classes; another backend, for one.
    """

    client: ClassVar[dict[str, Any]] = {}
    scanner: ClassVar[dict[str, Any]] = {}

    def __init__(self, config: C, context: DriverContext) -> None:
        super().__init__(config, context)
        self._link: BleLink | None = None
        self._protocol: Protocol | None = None
        self._patience = Patience()
        self._restarts = self._overrun = 0
        self._rate = 0.0  # as found when it was first opened

    @abc.abstractmethod
    def protocol(self) -> Protocol:
        """Return what is said to the device, made anew."""

    @property
    @abc.abstractmethod
    def patience_s(self) -> float:
        """How long nothing may come before the sensor counts as failed, s."""

    def prepare(self) -> None:
        """Import bleak."""
        import bleak  # noqa: F401

    def open(self) -> StreamInfo:
        """Find the device, connect, start it, and listen until its samples are understood.

        Raises:
            MissingDependency: bleak is not installed.
            DeviceError: no adapter, no permission, no such device, silent, or other packets.
        """
        self.close()
        protocol = self._protocol = self.protocol()
        self._restarts = self._overrun = 0
        target = protocol.target
        if self._rate:
            target = dataclasses.replace(target, connect_s=min(target.connect_s, AGAIN_S))
        link = BleLink(self.context.stream, target, self.client, self.scanner)
        link.open()
        self._link = link
        self._patience = Patience()
        try:
            while not protocol.parser.waiting:
                self._listen(link, protocol.parser, BATCH_S)
                self._check(link, protocol.parser)
            rate = self._rate = protocol.rate_hz or self._rate or self._measure(link, protocol.parser)
        except BaseException:
            self.close()
            raise
        protocol.parser.rate_hz = rate
        return StreamInfo(
            name=self.context.stream,
            kind="imu",
            shape=(len(protocol.parser.channels),),
            channels=protocol.parser.channels,
            units=protocol.parser.units,
            rate_hz=rate,
            regular=True,
            device=protocol.device,
            worn_on=self.context.worn_on,
            properties={"address": protocol.target.address or protocol.target.name, **protocol.properties},
        )

    def read(self, timeout_s: float) -> Samples | None:
        """Return about 20 ms of samples; see :class:`Driver`."""
        link, protocol = self._link, self._protocol
        if link is None or protocol is None:
            raise DeviceError(
                self.context.stream, Fault.FAILED, "it was read while closed", mend="Open it first"
            )
        self._listen(link, protocol.parser, timeout_s)
        rows = protocol.parser.take()
        if rows is None:
            self._check(link, protocol.parser)
            return None
        return _samples(rows)

    def close(self) -> None:
        """Stop the device and disconnect."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def counter(self) -> tuple[int, int] | None:
        """Return the device's own count at the last row; see :class:`Driver`."""
        return None if self._protocol is None else self._protocol.parser.counter

    def events(self) -> list[tuple[int, str, str]]:
        """Tell of a device that began to count anew, and of notifications that nobody took in time."""
        told, now, stream = [], time.monotonic_ns(), self.context.stream
        if self._protocol is not None and self._protocol.parser.restarts > self._restarts:
            self._restarts = self._protocol.parser.restarts
            told.append((now, "device", f"{stream}: its counter began again"))
        if self._link is not None and self._link.overrun > self._overrun:
            count, self._overrun = self._link.overrun - self._overrun, self._link.overrun
            told.append((now, "device", f"{stream}: {count} packets came while the driver was busy"))
        return told

    def _listen(self, link: BleLink, parser: PacketParser, timeout_s: float) -> None:
        """Wait for packets, for ``timeout_s`` at most, then gather for :data:`BATCH_S`, unless prompt."""
        got = link.take(timeout_s)
        if got and not link.lost.is_set():
            if not self.context.prompt:
                time.sleep(BATCH_S)
            got += link.take(0.0)
        for data, arrival in got:
            self._patience.feed(parser, data, arrival)

    def _check(self, link: BleLink, parser: PacketParser) -> None:
        """Raise what kept samples from coming, after a while."""
        stream, target = self.context.stream, link.target
        if link.lost.is_set():
            raise DeviceError(
                stream,
                Fault.UNPLUGGED,
                f"the connection to {target} was lost",
                mend="Bring it near and switch it on again; what came before is kept",
            )
        fault = self._patience.over(self.patience_s)
        if fault is Fault.SILENT:
            raise DeviceError(
                stream,
                fault,
                f"{target} is connected, but notified nothing for {self.patience_s:g} s",
                mend="Check 'notify', and whether the device needs a start command ('start')",
            )
        if fault is Fault.GARBAGE:
            raise DeviceError(
                stream,
                fault,
                f"{target} notifies, but nothing that fits the layout came ({parser.note()})",
                mend="Check 'packet' against the maker's documentation",
            )

    def _measure(self, link: BleLink, parser: PacketParser) -> float:
        deadline = time.monotonic() + MEASURE_S
        while time.monotonic() < deadline:
            self._listen(link, parser, BATCH_S)
            self._check(link, parser)
        rows = parser.take()
        assert rows is not None
        parser.give_back(rows)
        return wireless_rate(rows)


@dataclasses.dataclass(frozen=True)
class BleImuConfig:
    """Options of ``imu.ble``.

    Attributes:
        notify: UUID of the characteristic that notifies, of 4 or 32 digits.
        packet: layout of a notification, see :class:`drivers.imu.wireless.packet.PacketConfig`.
        address: of the device; on macOS the UUID that the system gives it.
        name: that it advertises, where there is no address.
        start, stop: commands, each ``{to: UUID, write: "01 02", response: true}``.
        rate_hz: nominal samples per second; 0: measured when opened.
        patience_s: how long nothing may come before the sensor counts as failed.
        connect_s: how long to look for the device and to connect.
    """

    notify: str
    packet: Any
    address: str = ""
    name: str = ""
    start: Any = ()
    stop: Any = ()
    rate_hz: float = 0.0
    patience_s: float = 5.0
    connect_s: float = 20.0

    def __post_init__(self) -> None:
        check_target(self.address, self.name, self.patience_s, self.connect_s)
        if not 0 <= self.rate_hz <= 10_000:
            raise ValueError("rate_hz must be 0 (measured) to 10000")
        self.target()
        Layout(self.packet)

    def target(self) -> Target:
        """Return the device, and what is written to it."""
        return Target(
            self.address,
            self.name,
            uuid(self.notify, "notify"),
            _writes(self.start, "start"),
            _writes(self.stop, "stop"),
            self.connect_s,
        )


class BleImuDriver(BleDriver[BleImuConfig]):
    """Samples of a sensor whose packets the rig describes: float32 rows, channels as named there."""

    Config = BleImuConfig

    @property
    def patience_s(self) -> float:
        """See :class:`BleDriver`."""
        return self.config.patience_s

    def protocol(self) -> Protocol:
        """See :class:`BleDriver`."""
        config = self.config
        parser = PacketParser(Layout(config.packet), config.rate_hz)
        return Protocol(config.target(), parser, config.rate_hz, f"Bluetooth IMU {config.target()}")


def check_target(address: str, name: str, patience_s: float, connect_s: float) -> None:
    """Refuse options that no device can be found by.

    Raises:
        ValueError: naming the option.
    """
    if bool(address) == bool(name):
        raise ValueError("give either the device's address or the name that it advertises")
    if not (0 < patience_s <= 3600 and 0 < connect_s <= 3600):
        raise ValueError("patience_s and connect_s must be above 0, and at most 3600")


def uuid(text: str, key: str) -> str:
    """Return a UUID in full.

    Raises:
        ValueError: it is none.
    """
    if _SHORT_UUID.match(text):
        return _BASE_UUID.format(text.lower())
    if not _UUID.match(text):
        raise ValueError(
            f"{key} is '{text[:60]}', which is no UUID; write 4 hexadecimal digits, or all 32 with hyphens"
        )
    return text.lower()


@dataclasses.dataclass(frozen=True)
class _WriteConfig:
    to: str
    write: str
    response: bool = True


def _writes(tree: Any, key: str) -> tuple[Write, ...]:
    if not isinstance(tree, list | tuple):
        raise ValueError(f'{key} is no list of commands; write [{{to: UUID, write: "01 02"}}]')
    found = []
    for index, item in enumerate(tree):
        config = build(_WriteConfig, item, f"{key}[{index}]", key)
        try:
            data = bytes.fromhex(config.write)
        except ValueError:
            raise ValueError(f'{key}[{index}].write is no bytes; write them as "01 a0 ff"') from None
        found.append(Write(uuid(config.to, f"{key}[{index}].to"), data, config.response))
    return tuple(found)


def _samples(rows: Rows) -> Samples:
    return Samples(rows.values, rows.time_host, rows.time_device, rows.seq, rows.lost)
