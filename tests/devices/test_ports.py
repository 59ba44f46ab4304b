"""A serial port is found by its path or its adapter, and found again under another name."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
from device_wires import WiredPort, gather
from serial.tools.list_ports_common import ListPortInfo
from test_serial_imu import indices, until, witmotion

from drivers.base import DriverContext
from drivers.errors import DeviceError, Fault
from drivers.imu.serial.driver import SerialImuConfig, SerialImuDriver
from drivers.ports import PortFinder

CONTEXT = DriverContext("wrist")


def adapter(device: str, number: str | None, location: str = "1-4", model: int = 0xEA60) -> ListPortInfo:
    """A port as pyserial lists it."""
    port = ListPortInfo(device, skip_link_detection=True)
    port.vid, port.pid, port.serial_number, port.location = 0x10C4, model, number, location
    port.apply_usb_info()
    return port


@dataclasses.dataclass
class Case:
    """An adapter that was opened, then what is plugged in, and the port that is its."""

    opened: ListPortInfo
    then: Sequence[ListPortInfo]
    found: str


@pytest.mark.parametrize(
    "case",
    [
        Case(adapter("/dev/a", "X1"), [adapter("/dev/b", "X1", "1-2")], "/dev/b"),
        Case(adapter("/dev/a", "X1"), [adapter("/dev/a", "X2"), adapter("/dev/b", "X1", "1-2")], "/dev/b"),
        Case(adapter("/dev/a", "X1"), [adapter("/dev/b", "X2")], "/dev/a"),  # opening that will tell
        Case(adapter("/dev/a", "1"), [adapter("/dev/b", "1", "1-2"), adapter("/dev/c", "1")], "/dev/c"),
        Case(adapter("/dev/a", None), [adapter("/dev/b", None)], "/dev/b"),
        Case(adapter("/dev/a", None), [adapter("/dev/b", None, "1-2")], "/dev/a"),
        Case(adapter("/dev/a", "X1"), [adapter("/dev/b", "X1", model=0xEA61)], "/dev/a"),
        Case(
            adapter("/dev/a", "X1", "1-4:1.1"),
            [adapter("/dev/b", "X1", "1-2:1.0"), adapter("/dev/c", "X1", "1-2:1.1")],
            "/dev/c",
        ),
    ],
)
def test_an_adapter_that_was_opened_is_found_again(case: Case):
    finder = PortFinder("/dev/a")
    assert finder.find([case.opened]) == "/dev/a"
    finder.opened("/dev/a", [case.opened])
    assert finder.find(case.then) == case.found


def test_a_rig_may_name_the_adapter_and_hears_of_doubt():
    ports = [adapter("/dev/a", "A50285BI"), adapter("/dev/b", "0001"), adapter("/dev/c", "0001", "1-2")]
    assert PortFinder("serial:a50285bi").find(ports) == "/dev/a"
    assert PortFinder("usb:10C4:EA60").find(ports[:1]) == "/dev/a"
    with pytest.raises(LookupError, match="no port serial:Z"):
        PortFinder("serial:Z").find(ports)
    with pytest.raises(LookupError, match=r"2 ports are serial:0001: /dev/b .* /dev/c"):
        PortFinder("serial:0001").find(ports)
    with pytest.raises(ValueError, match="serial:NUMBER"):
        SerialImuConfig(port="serial:")


def test_a_port_without_an_adapter_is_its_path(tmp_path):
    link = tmp_path / "sensor"
    link.symlink_to("/dev/null")
    finder = PortFinder(str(link))
    finder.opened(str(link), [])
    assert finder.find([]) == str(link)


def test_the_driver_opens_the_same_adapter_under_its_new_name(monkeypatch):
    first, other, again = WiredPort(), WiredPort(), WiredPort()
    there = [adapter(first.path, "X1")]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: there)
    driver = SerialImuDriver(SerialImuConfig(port=first.path, patience_s=2.0), CONTEXT)
    try:
        first.send_paced(witmotion(200), 200)
        assert first.path in driver.open().device
        gather(driver, until(50))
        first.unplug()
        with pytest.raises(DeviceError) as caught:
            gather(driver, lambda got: False)
        assert caught.value.fault is Fault.UNPLUGGED
        there[:] = [adapter(other.path, "X2"), adapter(again.path, "X1", "1-2")]
        again.send_paced(witmotion(200), 200)
        info = driver.open()
        assert again.path in info.device
        assert info.properties["port"] == again.path
        assert indices(gather(driver, until(60)))[-1] >= 60
    finally:
        driver.close()
        for port in (first, other, again):
            port.unplug()


def test_an_adapter_that_is_not_there_is_told_with_the_ports_that_are():
    with pytest.raises(DeviceError) as caught:
        SerialImuDriver(SerialImuConfig(port="serial:NOBODY"), CONTEXT).open()
    assert caught.value.fault is Fault.NOT_FOUND
    assert "serial:NOBODY" in caught.value.what
    assert "ports found" in caught.value.mend
