"""A phone, or anything else that sends its inertial sensors as datagrams: JSON, CSV, OSC, or packets.

::

    phone: {driver: imu.udp, listen: "0.0.0.0:5555", app: sensorstream, sender: 192.168.1.20}

Datagrams are plain text from anybody: ``sender`` takes those of one address only, against mistakes and not
against attackers on that network. Whatever comes is bounded, and read as numbers or refused.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import ipaddress
import select
import socket
import time
from typing import Any, Literal

from drivers.base import Driver, DriverContext, Samples, StreamInfo
from drivers.errors import DeviceError, Fault
from drivers.imu.rate import wireless_rate
from drivers.imu.wireless.datagram import LONGEST, DatagramParser
from drivers.imu.wireless.packet import Layout
from drivers.imu.wireless.packets import PacketParser
from drivers.imu.wireless.patience import Patience

APPS: dict[str, tuple[Literal["json", "csv", "osc"], list[dict[str, Any]]]] = {
    # 1-10.github.io/zigsim/features/motion.html; Core Motion's axes: at rest gravity reads -1 where up is +1.
    "zigsim": (
        "osc",
        [
            {"name": ["ax", "ay", "az"], "at": "/*/accel", "unit": "g", "scale": -1.0},
            {"name": ["ax", "ay", "az"], "at": "/*/gravity", "unit": "g", "scale": -1.0},
            {"name": ["gx", "gy", "gz"], "at": "/*/gyro", "unit": "rad/s"},
        ],
    ),
    # ianovir.com/works/mobile/hyperimu/hyperimu-help: accelerometer and gyroscope chosen, in this order.
    "hyperimu": (
        "csv",
        [
            {"name": "t", "at": 0, "unit": "ms"},
            {"name": ["ax", "ay", "az"], "at": 1, "unit": "m/s^2"},
            {"name": ["gx", "gy", "gz"], "at": 4, "unit": "rad/s"},
        ],
    ),
    # SensorStream IMU+GPS: s, then a number that tells the sensor and its three values, each.
    "sensorstream": (
        "csv",
        [
            {"name": "t", "at": 0, "unit": "s"},
            {"name": ["ax", "ay", "az"], "at": 1, "tag": 3, "unit": "m/s^2"},
            {"name": ["gx", "gy", "gz"], "at": 1, "tag": 4, "unit": "rad/s"},
        ],
    ),
}
"""Formats that the makers of apps document: format and fields."""

AGAIN_S = 2.0
"""A sender that is away is listened for this long at a time, so that a stop need not wait."""
BATCH_S = 0.02
"""Rows are handed on together about this often."""
AT_ONCE = 2000
"""Datagrams taken in one read: a flood must not keep the driver from its loop."""
BUFFER = 1 << 20
"""Bytes that the system keeps while nobody reads."""
MEASURE_S = 2.0
"""How long datagrams are listened to for their rate, where the rig gives none."""


@dataclasses.dataclass(frozen=True)
class UdpImuConfig:
    """Options of ``imu.udp``.

    Attributes:
        listen: address and port; 0.0.0.0 is every network of this machine.
        app: a sender whose format is known; else ``format`` with ``fields``, or ``packet``.
        format: of the datagrams.
        fields: where their numbers are, see :class:`drivers.imu.wireless.message.SourceConfig`.
        packet: layout of binary ones, see :class:`drivers.imu.wireless.packet.PacketConfig`.
        sender: the address that they come from; others are left out.
        rate_hz: nominal samples per second; 0: measured when opened.
        patience_s: how long nothing may come before the sender counts as failed.
    """

    listen: str = "127.0.0.1:5555"
    app: Literal["", "zigsim", "hyperimu", "sensorstream"] = ""
    format: Literal["", "json", "csv", "osc"] = ""
    fields: Any = None
    packet: Any = None
    sender: str = ""
    rate_hz: float = 0.0
    patience_s: float = 10.0

    def __post_init__(self) -> None:
        self.address()
        if self.sender:
            try:
                ipaddress.ip_address(self.sender)
            except ValueError:
                raise ValueError(f"sender is '{self.sender[:60]}', which is no IP address") from None
        given = [name for name in ("app", "fields", "packet") if getattr(self, name)]
        if len(given) != 1 or bool(self.format) != bool(self.fields):
            raise ValueError("give one of: app; format and fields; packet")
        if not 0 <= self.rate_hz <= 10_000 or not 0 < self.patience_s <= 3600:
            raise ValueError("rate_hz must be 0 (measured) to 10000, and patience_s above 0, at most 3600")
        self.parser()

    def address(self) -> tuple[str, int]:
        """Return the address and the port to listen on."""
        host, _, port = self.listen.rpartition(":")
        try:
            ipaddress.ip_address(host.strip("[]"))
            if not 0 <= int(port) <= 65535:
                raise ValueError
        except ValueError:
            raise ValueError(f"listen is '{self.listen[:60]}'; write it as \"0.0.0.0:5555\"") from None
        return host.strip("[]"), int(port)

    def parser(self) -> DatagramParser | PacketParser:
        """Return a fresh parser."""
        if self.packet:
            return PacketParser(Layout(self.packet), self.rate_hz)
        if self.app:
            return DatagramParser(*APPS[self.app])
        assert self.format
        return DatagramParser(self.format, self.fields)


class UdpImuDriver(Driver[UdpImuConfig]):
    """Samples from datagrams: float32 rows, channels as the fields name them."""

    Config = UdpImuConfig

    def __init__(self, config: UdpImuConfig, context: DriverContext) -> None:
        super().__init__(config, context)
        self._socket: socket.socket | None = None
        self._parser = config.parser()
        self._patience = Patience()
        self._restarts = self._strangers = 0
        self._stranger = ""
        self._rate = 0.0  # as found when it was first opened

    @property
    def port(self) -> int:
        """The port that is listened on while open."""
        return self._socket.getsockname()[1] if self._socket is not None else 0

    def open(self) -> StreamInfo:
        """Listen, until samples come.

        Raises:
            DeviceError: the port is taken, the address not this machine's, or nothing readable comes.
        """
        self.close()
        self._parser, self._restarts, self._strangers = self.config.parser(), 0, 0
        self._socket = self._bind()
        self._patience = Patience()
        try:
            while not self._parser.waiting:
                self._listen(BATCH_S)
                self._check(opening=True)
            rate = self._rate = self.config.rate_hz or self._rate or self._measure()
        except BaseException:
            self.close()
            raise
        if isinstance(self._parser, PacketParser):
            self._parser.rate_hz = rate
        # Phones sample unevenly and stamp well: their stamps are a better clock than the row number.
        stamped = isinstance(self._parser, DatagramParser) and self._parser.stamped
        return StreamInfo(
            name=self.context.stream,
            kind="imu",
            shape=(len(self._parser.channels),),
            channels=self._parser.channels,
            units=self._parser.units,
            rate_hz=rate,
            regular=rate > 0 and not stamped,
            device=f"{self.config.app or self.config.format or 'packets'} over UDP on {self.config.listen}",
            worn_on=self.context.worn_on,
            properties={
                "listen": self.config.listen,
                **({"app": self.config.app} if self.config.app else {}),
            },
        )

    def read(self, timeout_s: float) -> Samples | None:
        """Return about 20 ms of samples; see :class:`Driver`."""
        if self._socket is None:
            raise DeviceError(
                self.context.stream, Fault.FAILED, "it was read while closed", mend="Open it first"
            )
        self._listen(timeout_s)
        rows = self._parser.take()
        if rows is None:
            self._check()
            return None
        return Samples(rows.values, rows.time_host, rows.time_device, rows.seq, rows.lost)

    def close(self) -> None:
        """Stop listening."""
        opened, self._socket = self._socket, None
        if opened is not None:
            opened.close()

    def events(self) -> list[tuple[int, str, str]]:
        """Tell of a sender that began to count anew."""
        if self._parser.restarts == self._restarts:
            return []
        self._restarts = self._parser.restarts
        return [(time.monotonic_ns(), "device", f"{self.context.stream}: its sender began again")]

    def _bind(self) -> socket.socket:
        host, port = self.config.address()
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            with contextlib.suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            made.bind((host, port))
            made.setblocking(False)
        except OSError as error:
            made.close()
            raise self._refused(error) from error
        return made

    def _refused(self, error: OSError) -> DeviceError:
        stream, listen = self.context.stream, self.config.listen
        if error.errno == errno.EADDRINUSE:
            return DeviceError(
                stream,
                Fault.BUSY,
                f"another program listens on {listen}",
                mend="Close it ('ss -ulpn' names it), or set another port in 'listen' and in the app",
            )
        if error.errno == errno.EADDRNOTAVAIL:
            return DeviceError(
                stream,
                Fault.NOT_FOUND,
                f"{listen} is no address of this machine",
                mend="Set 'listen' to 0.0.0.0 and the port, which is every network of this machine",
            )
        if error.errno in (errno.EACCES, errno.EPERM):
            return DeviceError(
                stream,
                Fault.PERMISSION,
                f"this program may not listen on {listen}",
                mend="Use a port above 1023",
            )
        return DeviceError(
            stream, Fault.FAILED, f"cannot listen on {listen}: {error.strerror}", mend="Set another 'listen'"
        )

    def _listen(self, timeout_s: float) -> None:
        """Wait for datagrams, for ``timeout_s`` at most, then gather for :data:`BATCH_S`, unless prompt."""
        assert self._socket is not None
        if not select.select([self._socket], [], [], timeout_s)[0]:
            return
        deadline = time.monotonic() + (0.0 if self.context.prompt else BATCH_S)
        for _ in range(AT_ONCE):
            try:
                data, (sender, *_) = self._socket.recvfrom(LONGEST + 1)
            except (BlockingIOError, ConnectionResetError):
                rest = deadline - time.monotonic()
                if rest <= 0 or not select.select([self._socket], [], [], rest)[0]:
                    return
                continue
            arrival = time.monotonic_ns()
            if self.config.sender and sender != self.config.sender:
                self._strangers, self._stranger = self._strangers + 1, sender
                continue
            self._patience.feed(self._parser, data, arrival)

    def _check(self, *, opening: bool = False) -> None:
        """Raise what kept samples from coming, after a while."""
        config, stream = self.config, self.context.stream
        patience_s = config.patience_s
        if opening and self._rate:
            patience_s = min(patience_s, AGAIN_S)
        fault = self._patience.over(patience_s)
        if fault is Fault.SILENT:
            others = f"; {self._strangers} came from {self._stranger}" if self._strangers else ""
            raise DeviceError(
                stream,
                fault,
                f"no datagram came to {config.listen} for {patience_s:g} s{others}",
                mend="Set this machine's address and port in the app, start it, let the firewall pass UDP",
            )
        if fault is Fault.GARBAGE:
            raise DeviceError(
                stream,
                fault,
                f"datagrams come, but no sample in {patience_s:g} s ({self._parser.note()})",
                mend="Check 'app', or 'format' and 'fields', and which sensors the app sends",
            )

    def _measure(self) -> float:
        deadline = time.monotonic() + MEASURE_S
        while time.monotonic() < deadline:
            self._listen(BATCH_S)
        rows = self._parser.take()
        assert rows is not None
        self._parser.give_back(rows)
        return wireless_rate(rows)
