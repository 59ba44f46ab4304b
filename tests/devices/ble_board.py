"""A small board that notifies packets of two samples, and the driver of Bluetooth LE sensors on it."""

from __future__ import annotations

import struct

import pytest

from drivers.base import DriverContext
from drivers.errors import DeviceError
from drivers.imu.wireless.ble import BleImuConfig, BleImuDriver

pytest.importorskip("bleak")
pytest.importorskip("bumble")
from virtual_ble import COMMAND, DATA, Air, on_air

CONTEXT = DriverContext("wrist", worn_on="right_forearm")
PACKET = {
    "header": [{"name": "seq", "type": "u16"}, {"name": "t", "type": "u32", "unit": "ms"}],
    "sample": [
        {"name": ["ax", "ay", "az"], "type": "i16", "unit": "mg"},
        {"name": ["gx", "gy", "gz"], "type": "i16", "unit": "deg/s", "scale": 0.1},
    ],
    "samples": 2,
}
OPTIONS = {
    "notify": DATA,
    "packet": PACKET,
    "start": [{"to": COMMAND, "write": "01 64"}],
    "stop": [{"to": COMMAND, "write": "00", "response": True}],
    "connect_s": 10.0,
}


def packet(n: int) -> bytes:
    """Packet number n of two samples, at 100 samples a second."""
    samples = b"".join(struct.pack("<6h", m % 2000, 0, 1000, 0, 0, -m % 3000) for m in (2 * n, 2 * n + 1))
    return struct.pack("<HI", n % 65536, 20 * n) + samples


def driver_on(air: Air, **options) -> BleImuDriver:
    return on_air(BleImuDriver, air)(BleImuConfig(**{**OPTIONS, **options}), CONTEXT)


def failure(driver: BleImuDriver) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        driver.open()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("wrist: ")
    return caught.value
