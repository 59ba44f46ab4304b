"""The Movella DOT: its payloads, and the sensor on a virtual radio."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from device_wires import gather, joined, losses, rows

from drivers.base import DriverContext
from drivers.imu.wireless.movella_dot import (
    CONTROL,
    DEVICE_CONTROL,
    LONG,
    MEDIUM,
    Mode,
    MovellaDotConfig,
    MovellaDotDriver,
    dot_parser,
)

pytest.importorskip("bleak")
pytest.importorskip("bumble")
from virtual_ble import SENSOR, on_air

G = 9.80665
UP = np.array([0, 0, G])
CONTEXT = DriverContext("wrist", worn_on="right_forearm")


def tilted() -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """A sensor turned about all axes: its rotation matrix, true specific force, Euler angles in deg."""
    roll, pitch, yaw = np.radians((25.0, -40.0, 130.0))
    x = np.array([[1, 0, 0], [0, np.cos(roll), -np.sin(roll)], [0, np.sin(roll), np.cos(roll)]])
    y = np.array([[np.cos(pitch), 0, np.sin(pitch)], [0, 1, 0], [-np.sin(pitch), 0, np.cos(pitch)]])
    z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    turn = z @ y @ x
    moving = np.array([0.4, -1.2, 2.5])  # acceleration in the earth frame
    return turn, turn.T @ (moving + UP), (25.0, -40.0, 130.0)


def quaternion(turn: np.ndarray) -> np.ndarray:
    """(w, x, y, z) of a rotation matrix."""
    from scipy.spatial.transform import Rotation

    return np.roll(Rotation.from_matrix(turn).as_quat(), 1)


@pytest.mark.parametrize(
    ("mode", "size", "channels"),
    [
        ("custom_mode_5", 44, 10),
        ("rate_quantities", 28, 6),
        ("delta_quantities", 32, 6),
        ("custom_mode_1", 40, 10),
        ("complete_quaternion", 32, 7),
    ],
)
def test_every_mode_of_the_dot_gives_specific_force_with_gravity_in_sensor_axes(
    mode: Mode, size: int, channels: int
) -> None:
    from scipy.spatial.transform import Rotation

    turn, force, euler = tilted()
    free, rate, dt = turn @ force - UP, np.array([30.0, -200.0, 12.0]), 1 / 60
    dq = np.roll(Rotation.from_rotvec(np.radians(rate) * dt).as_quat(), 1)
    parts = {
        "custom_mode_5": (quaternion(turn), force, rate),
        "rate_quantities": (force, rate),
        "delta_quantities": (-dq, force * dt),  # a quaternion and its negative are the same turn
        "custom_mode_1": (euler, free, rate),
        "complete_quaternion": (quaternion(turn), free),
    }[mode]
    numbers = [float(value) for part in parts for value in part]
    body = struct.pack(f"<I{len(numbers)}f", 123, *numbers)
    assert len(body) == size
    parser = dot_parser(mode, 60)
    parser.feed(
        body.ljust(63 if size > 40 else 40, b"\0"), 0
    )  # as long as the characteristic, zeros at the end
    (row,) = parser.take().values
    assert len(row) == channels
    np.testing.assert_allclose(row[:3], force, atol=2e-4)
    if mode != "complete_quaternion":
        np.testing.assert_allclose(row[3:6], np.radians(rate), atol=2e-4)
    if channels in (7, 10):
        got = row[-4:] * math.copysign(1, row[-1])
        expected = np.roll(quaternion(turn), -1)
        np.testing.assert_allclose(got, expected * math.copysign(1, expected[-1]), atol=1e-5)


def test_the_dot_is_set_to_its_rate_told_to_measure_and_stopped_and_the_radios_losses_are_counted(
    air,
) -> None:
    def body(n: int) -> bytes:
        return struct.pack("<I10f", (4_294_000_000 + n * 16667) % 2**32, 1, 0, 0, 0, n, 0, G, 90, 0, 0)

    radio = air("Movella DOT", LONG, (DEVICE_CONTROL, CONTROL))
    air.sending(radio, body, 1 / 60, lost=(60, 61, 62, 90))
    driver = on_air(MovellaDotDriver, radio)(MovellaDotConfig(address=SENSOR), CONTEXT)
    info = driver.open()
    try:
        got = gather(driver, lambda got: rows(got) >= 120)
    finally:
        driver.close()
    assert (info.rate_hz, info.shape) == (60, (10,))
    assert [data for _, data in radio.written] == [
        b"\x10" + bytes(23) + b"\x3c\x00" + bytes(6),
        b"\x01\x01\x1a",
        b"\x01\x00\x1a",
    ]
    seq = joined(got, "seq").astype(int)
    assert seq.tolist() == [n for n in range(seq[-1] + 1) if n not in (60, 61, 62, 90)]
    np.testing.assert_array_equal(joined(got, "data")[:, 0], seq)
    assert losses(got) == 4
    assert (np.diff(joined(got, "time_device")) == np.diff(seq) * 16_667_000).all()


def test_the_dots_payloads_of_up_to_forty_bytes_come_by_their_own_characteristic() -> None:
    targets = {
        mode: MovellaDotDriver(MovellaDotConfig(name="x", mode=mode), CONTEXT).protocol().target.notify
        for mode in ("custom_mode_5", "rate_quantities", "custom_mode_1")
    }
    assert targets == {"custom_mode_5": LONG, "rate_quantities": MEDIUM, "custom_mode_1": MEDIUM}
