"""What speaks on a serial port: opened for some seconds, listened to at all baud rates, let go again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from drivers.base import DriverContext
from drivers.errors import DeviceError, Fault
from drivers.imu.parser import Parser
from drivers.imu.serial.driver import SerialImuDriver
from drivers.imu.serial.options import SerialImuConfig

PATIENCE_S = 3.0
"""How long to wait for a first byte: boards that reset when their port is opened take 2 s to start."""


@dataclasses.dataclass(frozen=True)
class Heard:
    """What was heard on a port.

    Attributes:
        port: its path or name.
        protocol: of ``imu.serial``, or empty.
        baudrate: bits per second, 0 where unknown.
        rate_hz: samples per second.
        channels: of a sample.
        problem: why nothing was understood, or empty.
        mend: what to do about it, or empty.
    """

    port: str
    protocol: str = ""
    baudrate: int = 0
    rate_hz: float = 0.0
    channels: tuple[str, ...] = ()
    problem: str = ""
    mend: str = ""


class _Devices(SerialImuConfig):
    """All protocols but lines: what their columns mean nobody but their author knows."""

    def parsers(self) -> dict[str, Parser]:
        return {name: parser for name, parser in super().parsers().items() if name != "lines"}


def probe(port: str, patience_s: float = PATIENCE_S) -> Heard:
    """Listen on a port that nobody uses. Opening it may reset a microcontroller behind it.

    A port that a program of this user holds open is not touched.
    """
    if held(port):
        return Heard(port, problem=str(Fault.BUSY), mend=f"'fuser {port}' names the program that holds it")
    config = _Devices(port=port, protocol="auto", baudrate="auto", patience_s=patience_s)
    driver = SerialImuDriver(config, DriverContext(stream=port))
    try:
        info = driver.open()
    except DeviceError as error:
        return Heard(port, problem=error.what.removeprefix(f"{port}: "), mend=error.mend)
    finally:
        driver.close()
    return Heard(
        port,
        info.properties["protocol"],
        int(info.properties["baudrate"]),
        info.rate_hz,
        info.channels,
    )


def held(port: str) -> bool:
    """Whether a program has the port open, as far as this user may know (Linux; elsewhere: False)."""
    try:
        device = Path(port).resolve(strict=True)
    except OSError:
        return False
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if descriptor.readlink() == device:
                return True
        except OSError:
            continue  # it was closed meanwhile, or is somebody else's
    return False
