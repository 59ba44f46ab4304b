"""Protocol and baud rate found by listening, to pseudo-terminals whose devices speak at their own rate."""

from __future__ import annotations

import pytest
from device_wires import Uart, gather, joined, losses

from benchmarks.devices.wires import Wire, wires
from drivers.base import DriverContext
from drivers.errors import DeviceError, Fault
from drivers.imu.serial.driver import SerialImuConfig, SerialImuDriver

CONTEXT = DriverContext(stream="wrist")
WIRES = wires(seed=5)
each_wire = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)


def config(port: str, wire: Wire, **options) -> SerialImuConfig:
    return SerialImuConfig(port=port, **{**wire.rig, "protocol": "auto", "patience_s": 1.0, **options})


@each_wire
def test_the_protocol_is_found_and_the_rows_are_exact(port, wire: Wire):
    port.send_paced([wire.send(k) for k in range(2000)], wire.rate_hz)
    driver = SerialImuDriver(config(port.path, wire), CONTEXT)
    info = driver.open()
    try:
        got = gather(driver, lambda got: sum(map(len, got)) >= 150)
    finally:
        driver.close()
    assert info.properties["protocol"] == wire.rig["protocol"]
    assert info.rate_hz == wire.rate_hz
    assert info.shape == (wire.rows.shape[1],)
    assert losses(got) == 0
    assert wire.differing(joined(got, "data")) == 0


@pytest.mark.parametrize(
    ("wire", "baudrate"),
    [*((wire, 921600) for wire in WIRES), (WIRES[0], 9600)],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_baud_rate_is_found(wire: Wire, baudrate: int):
    uart = Uart(baudrate)
    try:
        uart.send_paced([wire.send(k) for k in range(20000)], wire.rate_hz)
        driver = SerialImuDriver(config(uart.path, wire, baudrate="auto"), CONTEXT)
        info = driver.open()
        try:
            got = gather(driver, lambda got: sum(map(len, got)) >= 50)
        finally:
            driver.close()
        assert (info.properties["protocol"], info.properties["baudrate"]) == (
            wire.rig["protocol"],
            str(baudrate),
        )
        assert wire.differing(joined(got, "data")) == 0
        # Opened again, it is not searched for any more.
        uart.seen.clear()
        driver.open()
        driver.close()
        assert set(uart.seen) == {baudrate}
    finally:
        uart.unplug()


def test_a_known_protocol_at_an_unknown_baud_rate():
    wire, uart = WIRES[1], Uart(57600)
    try:
        uart.send_paced([wire.send(k) for k in range(20000)], wire.rate_hz)
        options = {"protocol": "bno08x", "baudrate": 0}
        driver = SerialImuDriver(config(uart.path, wire, **options), CONTEXT)
        assert driver.open().properties["baudrate"] == "57600"
        driver.close()
    finally:
        uart.unplug()


def failure(path: str, **options) -> DeviceError:
    driver = SerialImuDriver(SerialImuConfig(port=path, patience_s=0.4, protocol="auto", **options), CONTEXT)
    with pytest.raises(DeviceError) as caught:
        driver.open()
    assert "\n" not in str(caught.value)
    return caught.value


def test_lines_of_unknown_columns_are_shown(port):
    port.send_paced([b"12,0.1,0.2,0.3\r\n"] * 400, 200)
    error = failure(port.path)
    assert error.fault is Fault.GARBAGE
    assert "'12,0.1,0.2,0.3'" in error.what
    assert "columns" in error.mend


def test_a_silent_port_is_not_searched_at_every_rate(port):
    error = failure(port.path, baudrate="auto")
    assert error.fault is Fault.SILENT


def test_noise_is_told_from_silence():
    uart = Uart(31250)  # a rate that nobody tries
    try:
        uart.send_paced([WIRES[0].send(k) for k in range(20000)], 200)
        error = failure(uart.path, baudrate="auto")
        assert error.fault is Fault.GARBAGE
        assert "protocol" in error.mend
    finally:
        uart.unplug()


def test_a_negative_baud_rate_is_refused():
    with pytest.raises(ValueError, match="baudrate"):
        SerialImuConfig(port="x", baudrate=-1)
