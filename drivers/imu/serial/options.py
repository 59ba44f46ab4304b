"""Options of an IMU on a serial port."""

from __future__ import annotations

import dataclasses
from typing import Literal

from drivers.imu.parser import Parser
from drivers.imu.serial.lines import LinesParser
from drivers.imu.serial.protocols import PROTOCOLS
from drivers.imu.serial.witmotion import WitMotionParser
from drivers.imu.serial.ximu3 import XImu3Parser
from drivers.ports import check_port


@dataclasses.dataclass(frozen=True)
class SerialImuConfig:
    """Options of ``imu.serial``.

    Attributes:
        port: the port's path or name; or ``serial:`` and the USB serial number of its adapter, or ``usb:``
            and its maker and model (``usb:10c4:ea60``). It is found again under another name.
        protocol: ``witmotion``, ``bno08x`` (UART-RVC), ``xsens`` (MTData2), ``ximu3`` (text and binary),
            ``lines`` (CSV or JSON); or ``auto``: found by listening, lines if they are as ``columns`` says.
        baudrate: bits per second; ``auto`` or 0: found by listening.
        rate_hz: nominal samples per second; 0: measured when opened.
        range_g, range_dps: full scale of a WitMotion sensor, g and deg/s.
        magnetic_ut: uT in one count of a WitMotion magnetometer.
        earth: axes that an x-IMU3's settings name for its orientation.
        columns, units, counter_bits: of ``lines``, see :class:`drivers.imu.serial.lines.LinesParser`.
        patience_s: how long nothing may come before the sensor counts as failed.
    """

    port: str
    protocol: Literal["auto", "witmotion", "bno08x", "xsens", "ximu3", "lines"] = "witmotion"
    baudrate: int | Literal["auto"] = 115200
    rate_hz: float = 0.0
    range_g: float = 16.0
    range_dps: float = 2000.0
    magnetic_ut: float = 0.1
    earth: Literal["nwu", "enu", "ned"] = "nwu"
    columns: tuple[str, ...] = ("t", "ax", "ay", "az", "gx", "gy", "gz")
    units: tuple[str, ...] = ("ms", "g", "g", "g", "deg/s", "deg/s", "deg/s")
    counter_bits: Literal[0, 8, 16, 32] = 0
    patience_s: float = 3.0

    def __post_init__(self) -> None:
        check_port(self.port)
        if self.baudrate != "auto" and self.baudrate < 0:
            raise ValueError("baudrate must be above 0, or auto")
        for name in ("range_g", "range_dps", "magnetic_ut", "patience_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0")
        if not 0 <= self.rate_hz <= 10_000:
            raise ValueError("rate_hz must be 0 (measured) to 10000")
        self.parsers()

    def parsers(self) -> dict[str, Parser]:
        """Return fresh parsers of the protocols that come into question, by name."""
        names = [*PROTOCOLS, "lines"] if self.protocol == "auto" else [self.protocol]
        return {name: self._parser(name) for name in names}

    def _parser(self, name: str) -> Parser:
        if name == "witmotion":
            return WitMotionParser(self.range_g, self.range_dps, self.magnetic_ut)
        if name == "ximu3":
            return XImu3Parser(self.earth)
        if name == "lines":
            return LinesParser(self.columns, self.units, self.counter_bits)
        return PROTOCOLS[name]()
