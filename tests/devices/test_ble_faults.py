"""Bluetooth LE sensors that can't be had: away, of another kind, or no adapter and no service, for real."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from drivers.errors import Fault
from drivers.imu.wireless.ble import BleImuConfig, BleImuDriver

pytest.importorskip("bleak")
pytest.importorskip("bumble")
from ble_board import CONTEXT, OPTIONS, driver_on, failure
from virtual_ble import SENSOR


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
