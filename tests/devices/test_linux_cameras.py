"""Which camera is which, as the file systems of Linux tell it: a tree of files in their place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from drivers.camera import linux


@pytest.fixture
def system(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(linux, "SYS", tmp_path / "sys")
    monkeypatch.setattr(linux, "DEV", tmp_path / "dev")
    (tmp_path / "sys/class/video4linux").mkdir(parents=True)
    (tmp_path / "dev/v4l/by-id").mkdir(parents=True)
    return tmp_path


def plug_in(system: Path, number: int, port: str, serial: str, index: int = 0, model: str = "082d") -> None:
    usb = system / "sys/devices" / port
    interface = usb / f"{port}:1.0"
    entry = system / "sys/class/video4linux" / f"video{number}"
    interface.mkdir(parents=True, exist_ok=True)
    entry.mkdir()
    facts = {usb / "idVendor": "046d", usb / "idProduct": model, interface / "bInterfaceNumber": "00"}
    facts |= {entry / "index": str(index), entry / "name": "HD Pro Webcam C920"}
    if serial:
        facts[usb / "serial"] = serial
    for path, text in facts.items():
        path.write_text(text + "\n")
    (entry / "device").symlink_to(interface)
    (system / "dev" / f"video{number}").touch()


def unplug(system: Path, number: int) -> None:
    entry = system / "sys/class/video4linux" / f"video{number}"
    for path in entry.iterdir():
        path.unlink()
    entry.rmdir()
    (system / "dev" / f"video{number}").unlink()


def test_a_camera_is_one_entry_without_its_metadata_nodes(system):
    plug_in(system, 0, "1-1", "A1B2")
    plug_in(system, 1, "1-1", "A1B2", index=1)
    (node,) = linux.nodes()
    assert (node.path, node.index, node.serial) == (system / "dev/video0", 0, "A1B2")
    assert node.name == "HD Pro Webcam C920"


def test_a_camera_is_named_by_number_path_serial_number_or_part_of_its_link(system):
    plug_in(system, 2, "1-1", "A1B2")
    link = system / "dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920_A1B2-video-index0"
    link.symlink_to("../../video2")
    assert linux.find(2) == linux.find("2") == linux.find("A1B2") == system / "dev/video2"
    assert linux.find("C920") == link
    assert linux.find(str(link)).resolve() == (system / "dev/video2").resolve()
    assert not linux.find("nobody").exists()


def test_a_camera_that_comes_back_under_another_number_is_found_again(system):
    plug_in(system, 0, "1-1", "A1B2")
    plug_in(system, 2, "1-2", "OTHER")
    identity = linux.identity_of(system / "dev/video0")
    unplug(system, 0)
    assert linux.found_again(identity, system / "dev/video0") is None
    plug_in(system, 5, "2-3", "A1B2")
    assert linux.found_again(identity, system / "dev/video0") == system / "dev/video5"


def test_another_camera_under_the_old_number_is_not_taken_for_it(system):
    plug_in(system, 0, "1-1", "A1B2")
    identity = linux.identity_of(system / "dev/video0")
    unplug(system, 0)
    plug_in(system, 0, "1-2", "OTHER")
    assert linux.found_again(identity, system / "dev/video0") is None


def test_cameras_that_cannot_be_told_apart_are_known_by_their_number_only(system):
    plug_in(system, 0, "1-1", "")
    plug_in(system, 2, "1-2", "")
    assert linux.identity_of(system / "dev/video0") == ""


def test_who_has_a_device_open_is_named(tmp_path):
    path = tmp_path / "video0"
    path.touch()
    assert linux.users(path) == []
    with path.open():
        (user,) = linux.users(path)
    assert f"({os.getpid()})" in user
