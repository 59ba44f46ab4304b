"""The serial IMU on pseudo-terminals: samples, losses, and each way a port can fail."""

from __future__ import annotations

import dataclasses
import os
import time

import numpy as np
import pytest
from device_wires import gather, joined, losses

from drivers.base import DriverContext, Samples
from drivers.errors import DeviceError, Fault
from drivers.imu.serial.driver import SerialImuConfig, SerialImuDriver
from drivers.imu.serial.port_errors import port_error
from drivers.imu.serial.witmotion import packet

CONTEXT = DriverContext(stream="wrist", worn_on="right_forearm")
PATIENCE = 0.4


def witmotion(number: int) -> list[bytes]:
    """Sets of acceleration, angular rate and quaternion whose counts tell their number."""
    sets = []
    for index in range(number):
        counts = (index % 30000, -index % 30000, 2048, index % 7)
        sets.append(packet(0x51, counts) + packet(0x52, counts) + packet(0x59, (32767, 0, 0, index % 100)))
    return sets


def driver_on(path: str, **options) -> SerialImuDriver:
    return SerialImuDriver(SerialImuConfig(port=path, patience_s=PATIENCE, **options), CONTEXT)


def failure(driver: SerialImuDriver) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        driver.open()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("wrist: ")
    return caught.value


def indices(samples: list[Samples]) -> np.ndarray:
    """Number of each received set among those sent, from its acceleration."""
    counts = joined(samples, "data")[:, 0].astype(np.float64) / (16 * 9.80665) * 32768
    return np.rint(counts).astype(int)


def until(index: int):
    """Enough is had when the set of this number came. What was sent before the port opened is nobody's."""
    return lambda got: bool(got) and indices(got)[-1] >= index


def test_every_sample_sent_arrives_exactly_and_the_rate_is_found(port):
    port.send_paced(witmotion(300), 200)
    driver = driver_on(port.path)
    info = driver.open()
    try:
        got = gather(driver, until(299))
    finally:
        driver.close()
    assert (info.kind, info.worn_on, info.rate_hz, info.regular) == ("imu", "right_forearm", 200, True)
    assert (len(info.channels), info.shape, info.units[3]) == (10, (10,), "rad/s")
    first = indices(got)[0]
    assert first < 150
    assert losses(got) == 0
    np.testing.assert_array_equal(joined(got, "seq"), np.arange(300 - first))
    sent = (np.arange(first, 300, dtype=np.float64) / 32768 * (16 * 9.80665)).astype(np.float32)
    np.testing.assert_array_equal(joined(got, "data")[:, 0], sent)
    host = joined(got, "time_host")
    assert (np.diff(host) >= 0).all()
    # 5 ms each; a busy machine may delay an end of it.
    assert (host[-1] - host[0]) / 1e9 == pytest.approx((299 - first) / 200, abs=0.2)


@pytest.mark.parametrize("prompt", [True, False])
def test_rows_are_gathered_for_a_recorder_and_handed_on_as_they_come_to_who_uses_them_live(port, prompt):
    port.send_paced(witmotion(120), 200)
    context = dataclasses.replace(CONTEXT, prompt=prompt)
    driver = SerialImuDriver(SerialImuConfig(port=port.path, rate_hz=200, patience_s=PATIENCE), context)
    driver.open()
    try:
        got = gather(driver, until(119))
    finally:
        driver.close()
    sizes = [len(samples) for samples in got[1:-1]]  # the first holds what came while it was opened
    assert losses(got) == 0
    assert (min(sizes) == 1) == prompt


def test_csv_lines_with_a_counter_and_a_clock(port):
    lines = [f"{n},{n * 10},{n},0,1,90,0,0\n".encode() for n in range(100)]
    del lines[70]
    port.send_paced(lines, 100)
    driver = driver_on(
        port.path,
        protocol="lines",
        rate_hz=100.0,
        columns=("seq", "t", "ax", "ay", "az", "gx", "gy", "gz"),
        units=("1", "ms", "g", "g", "g", "deg/s", "deg/s", "deg/s"),
    )
    driver.open()
    try:
        got = gather(driver, lambda got: bool(got) and got[-1].time_device[-1] == 990_000_000)
    finally:
        driver.close()
    device_ms = joined(got, "time_device") // 1_000_000
    first = int(device_ms[0]) // 10
    assert first < 50
    assert losses(got) == 1
    assert device_ms.tolist() == [10 * n for n in range(first, 100) if n != 70]
    assert joined(got, "seq").tolist() == [n - first for n in range(first, 100) if n != 70]


def test_a_missing_port_is_named_with_those_that_exist():
    error = failure(driver_on("/dev/ttyNOTHERE7"))
    assert error.fault is Fault.NOT_FOUND
    assert "/dev/ttyNOTHERE7" in error.what
    assert "ports found" in error.mend


def test_a_file_is_not_a_port(tmp_path):
    plain = tmp_path / "port"
    plain.write_bytes(b"")
    assert failure(driver_on(str(plain))).fault is Fault.UNSUPPORTED


def test_a_silent_port_says_so_and_can_be_opened_again(port):
    driver = driver_on(port.path)
    error = failure(driver)
    assert error.fault is Fault.SILENT
    port.send_paced(witmotion(60), 200)
    try:
        assert driver.open().rate_hz == 200
    finally:
        driver.close()


def test_garbage_names_the_baud_rate(port):
    noise = np.random.default_rng(1).integers(0, 256, 4000, dtype=np.uint8).tobytes()
    port.send_paced([noise[k : k + 20] for k in range(0, 4000, 20)], 200)
    error = failure(driver_on(port.path, baudrate=9600))
    assert error.fault is Fault.GARBAGE
    assert "9600" in error.mend


def test_a_sensor_that_sends_no_angular_rate_is_told_from_noise(port):
    port.send_paced([packet(0x51, (1, 2, 3, 4)) + packet(0x53, (1, 2, 3, 4))] * 200, 200)
    error = failure(driver_on(port.path))
    assert "0x51 0x53" in error.what
    assert "0x52" in error.mend


def test_a_port_that_is_open_elsewhere_is_busy(port):
    port.send_paced(witmotion(400), 200)
    first = driver_on(port.path)
    first.open()
    try:
        assert failure(driver_on(port.path)).fault is Fault.BUSY
    finally:
        first.close()


def test_unplugging_ends_in_a_typed_error_after_the_last_sample(port):
    driver = driver_on(port.path)
    port.send_paced(witmotion(60), 200)
    driver.open()
    got = gather(driver, until(59))
    port.unplug()
    with pytest.raises(DeviceError) as caught:
        gather(driver, lambda got: False)
    driver.close()
    driver.close()
    assert losses(got) == 0
    assert caught.value.fault is Fault.UNPLUGGED


def test_a_sensor_that_falls_silent_midway_is_a_failure_not_a_hang(port):
    driver = driver_on(port.path)
    port.send_paced(witmotion(40), 200)
    driver.open()
    try:
        with pytest.raises(DeviceError) as caught:
            gather(driver, lambda got: False)
    finally:
        driver.close()
    assert caught.value.fault is Fault.SILENT


@pytest.mark.parametrize(
    ("number", "fault"), [(13, Fault.PERMISSION), (16, Fault.BUSY), (2, Fault.NOT_FOUND), (5, Fault.FAILED)]
)
def test_what_the_system_says_becomes_a_typed_fault(number, fault):
    error = port_error("wrist", "/dev/ttyUSB0", 115200, OSError(number, os.strerror(number)))
    assert error.fault is fault


def test_reading_keeps_up_with_a_full_buffer_without_losing(port):
    sets = witmotion(2000)
    port.send_paced([b"".join(sets[k : k + 50]) for k in range(0, 2000, 50)], 100)
    driver = driver_on(port.path, rate_hz=5000.0)
    driver.open()
    began = time.process_time()
    try:
        got = gather(driver, until(1999))
    finally:
        driver.close()
    assert losses(got) == 0
    assert (time.process_time() - began) / 2000 < 0.0005  # s a sample: 4 sensors at 200 Hz need 0.4 of it
