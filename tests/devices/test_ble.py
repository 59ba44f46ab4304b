"""Bluetooth LE sensors on a virtual radio; without an adapter, and without a Bluetooth service, for real."""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from device_wires import gather, joined, losses, rows

from drivers.base import DriverContext
from drivers.bus import Hub, Publisher, Subscriber
from drivers.bus.messages import Batch, Ended, Event
from drivers.errors import DeviceError, Fault
from drivers.imu.wireless.ble import BleImuConfig, BleImuDriver
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
from drivers.loop import pump

pytest.importorskip("bleak")
pytest.importorskip("bumble")
from virtual_ble import SENSOR, Air, on_air

G = 9.80665
UP = np.array([0, 0, G])
CONTEXT = DriverContext("wrist", worn_on="right_forearm")
DATA, COMMAND = "6e400003-b5a3-f393-e0a9-e50e24dcca9e", "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
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


class Sending:
    """A sensor that notifies on its own clock once it was subscribed to and, if it has commands, started."""

    def __init__(
        self, air: Air, packets: Callable[[int], bytes], period_s: float, lost: tuple[int, ...] = ()
    ) -> None:
        self.air, self.packets, self.period_s, self.lost = air, packets, period_s, lost
        self.sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self.air.subscribed.wait(0.05):
            if self._stop.is_set():
                return
        for n in range(10_000):
            self.sent = n
            if self._stop.wait(self.period_s):
                return
            if n not in self.lost:
                self.air.notify(self.packets(n))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def air() -> Iterator[Callable[..., Air]]:
    made: list[Air | Sending] = []

    def make(name: str = "Board", notify: str = DATA, control: tuple[str, ...] = (COMMAND,)) -> Air:
        made.append(Air(name, notify, control))
        return made[-1]

    def sending(*args, **options) -> Sending:
        made.append(Sending(*args, **options))
        return made[-1]

    make.sending = sending
    yield make
    for one in reversed(made):
        one.stop() if isinstance(one, Sending) else one.close()


def driver_on(air: Air, **options) -> BleImuDriver:
    return on_air(BleImuDriver, air)(BleImuConfig(**{**OPTIONS, **options}), CONTEXT)


def failure(driver: BleImuDriver) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        driver.open()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("wrist: ")
    return caught.value


@pytest.mark.parametrize("by", [{"address": SENSOR.lower()}, {"name": "Board"}])
def test_samples_arrive_exactly_with_their_loss_and_the_device_is_started_and_stopped(air, by) -> None:
    radio = air()
    air.sending(radio, packet, 0.02, lost=(30, 31, 55))
    driver = driver_on(radio, rate_hz=100, **by)
    info = driver.open()
    try:
        got = gather(driver, lambda got: rows(got) >= 200)
    finally:
        driver.close()
    assert (info.kind, info.rate_hz, info.regular, info.worn_on) == ("imu", 100, True, "right_forearm")
    seq = joined(got, "seq").astype(int)
    assert seq.tolist() == [m for m in range(seq[-1] + 1) if m // 2 not in (30, 31, 55)]
    assert [lost for item in got if (lost := item.lost)] == [{"device_gap": 4}, {"device_gap": 2}]
    data = joined(got, "data")
    np.testing.assert_allclose(data[:, 0], seq * G / 1000, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(data[:, 5], np.radians(-(seq % 3000) % 3000 * 0.1), rtol=1e-5, atol=1e-6)
    assert joined(got, "time_device").tolist() == [10_000_000 * m for m in seq]
    assert (np.diff(joined(got, "time_host")) >= 0).all()
    assert radio.written == [(COMMAND, b"\x01\x64"), (COMMAND, b"\x00")]


def test_the_rate_is_found_by_the_devices_own_stamps(air) -> None:
    radio = air()
    air.sending(radio, packet, 0.02)
    driver = driver_on(radio, address=SENSOR)
    try:
        assert driver.open().rate_hz == 100
        assert losses(gather(driver, lambda got: rows(got) >= 10)) == 0
    finally:
        driver.close()


def test_a_lost_connection_is_told_and_the_device_can_be_opened_again_when_it_is_back(air) -> None:
    radio = air()
    air.sending(radio, packet, 0.02)
    driver = driver_on(radio, address=SENSOR, rate_hz=100)
    driver.open()
    gather(driver, lambda got: rows(got) >= 10)
    radio.vanish()
    with pytest.raises(DeviceError) as caught:
        gather(driver, lambda got: False)
    assert caught.value.fault is Fault.UNPLUGGED
    driver.close()
    radio.call(radio.advertise())
    driver.open()
    try:
        assert rows(gather(driver, lambda got: rows(got) >= 10)) >= 10
    finally:
        driver.close()


def test_what_a_sensor_out_of_reach_counted_meanwhile_is_on_the_ledger_to_the_row(air) -> None:
    radio = air()
    sensor = air.sending(radio, packet, 0.02)
    got: list[Batch] = []
    with (
        Hub() as hub,
        Subscriber(hub.address, ["wrist"]) as subscriber,
        Publisher(hub.address, "wrist") as publisher,
    ):
        driver = driver_on(radio, address=SENSOR, rate_hz=100)
        stop = threading.Event()
        pumped = threading.Thread(target=pump, args=(driver, publisher), kwargs={"stop": stop.is_set})
        pumped.start()
        while sum(map(len, got)) < 60:
            got += [one for one in [subscriber.receive(20.0)] if isinstance(one, Batch)]
        radio.vanish()
        while not isinstance(one := subscriber.receive(20.0), Event):  # it is told that the device is gone
            got += [one] if isinstance(one, Batch) else []
        gone = sensor.sent
        while sensor.sent < gone + 25:  # it counts on, out of reach
            subscriber.receive(0.1)
        radio.call(radio.advertise())
        before = sum(map(len, got))
        while sum(map(len, got)) < before + 100:
            got += [one for one in [subscriber.receive(20.0)] if isinstance(one, Batch)]
        stop.set()
        while not isinstance(one := subscriber.receive(20.0), Ended):
            got += [one] if isinstance(one, Batch) else []
        pumped.join()
    seq = np.concatenate([batch.stamps["seq"] for batch in got]).astype(int)
    sent = np.rint(np.concatenate([batch.data for batch in got])[:, 0] * 1000 / G).astype(int)
    assert (np.diff(seq) > 10).sum() == 1
    np.testing.assert_array_equal(seq - seq[0], sent - sent[0])
    assert seq[-1] + 1 == len(seq) + one.lost["device_gap"]


def test_a_device_that_is_not_near_is_told_with_those_that_are(air) -> None:
    error = failure(driver_on(air("Another"), address="AA:BB:CC:DD:EE:FF", connect_s=0.7))
    assert error.fault is Fault.NOT_FOUND
    assert f"'Another' ({SENSOR})" in error.mend


def test_a_characteristic_that_is_not_there_is_named(air) -> None:
    error = failure(driver_on(air(), address=SENSOR, notify="2a37"))
    assert error.fault is Fault.UNSUPPORTED
    assert "00002a37-0000-1000-8000-00805f9b34fb" in error.what


def test_silence_and_packets_that_do_not_fit_are_told_apart(air) -> None:
    radio = air()
    assert failure(driver_on(radio, address=SENSOR, patience_s=0.5)).fault is Fault.SILENT
    air.sending(radio, lambda n: b"hello", 0.02)
    error = failure(driver_on(radio, address=SENSOR, patience_s=0.5))
    assert error.fault is Fault.GARBAGE
    assert "packets of another size" in error.what


def refused(reason: str) -> type:
    """A driver whose system refuses as bleak's backends say it."""
    from bleak.backends.scanner import BaseBleakScanner
    from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason

    class Refusing(BaseBleakScanner):
        def __init__(self, detection_callback, service_uuids, *_, **__):
            super().__init__(detection_callback, service_uuids)

        async def start(self):
            raise BleakBluetoothNotAvailableError("no", BleakBluetoothNotAvailableReason[reason])

        async def stop(self):
            pass

    return type("Refused", (BleImuDriver,), {"scanner": {"backend": Refusing}})


@pytest.mark.parametrize(
    ("reason", "fault", "mend"),
    [
        ("NO_BLUETOOTH", Fault.NOT_FOUND, "Plug one in"),
        ("POWERED_OFF", Fault.NOT_FOUND, "bluetoothctl power on"),
        ("DENIED_BY_USER", Fault.PERMISSION, "usermod -aG bluetooth"),
    ],
)
def test_an_adapter_that_is_missing_off_or_forbidden_is_a_typed_fault_with_its_mend(
    reason, fault, mend
) -> None:
    error = failure(refused(reason)(BleImuConfig(**OPTIONS, address=SENSOR), CONTEXT))
    assert error.fault is fault
    assert mend in error.mend


@pytest.mark.skipif(sys.platform != "linux", reason="the system's Bluetooth service is BlueZ on Linux only")
@pytest.mark.parametrize("bus", ["no system bus", "no Bluetooth service on it"])
def test_a_system_without_a_bluetooth_service_is_told_with_how_to_install_it(
    bus, tmp_path, monkeypatch
) -> None:
    daemon = None
    if bus == "no system bus":
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nowhere")
    else:
        program = shutil.which("dbus-daemon")
        if program is None:
            pytest.skip("needs dbus-daemon")
        daemon = subprocess.Popen(
            [program, "--session", "--nofork", "--print-address"], stdout=subprocess.PIPE, text=True
        )
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", daemon.stdout.readline().strip())
    try:
        error = failure(BleImuDriver(BleImuConfig(**OPTIONS, address=SENSOR), CONTEXT))
    finally:
        if daemon is not None:
            daemon.terminate()
            daemon.communicate()
    assert error.fault is Fault.NOT_FOUND
    assert "apt install bluez" in error.mend


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "give either the device's address or the name"),
        ({"address": "x", "name": "y"}, "give either"),
        ({"name": "x", "notify": "data"}, "notify is 'data', which is no UUID"),
        ({"name": "x", "start": "01"}, "start is no list of commands"),
        ({"name": "x", "start": [{"to": "2a37", "write": "xx"}]}, "start[0].write is no bytes"),
        ({"name": "x", "rate_hz": -1}, "rate_hz must be"),
        ({"name": "x", "packet": {"sample": []}}, "packet: sample names no values"),
    ],
)
def test_options_that_are_wrong_are_refused_in_one_line(options, says) -> None:
    with pytest.raises(ValueError) as caught:
        BleImuConfig(**{**OPTIONS, **options})
    assert says in str(caught.value)


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
