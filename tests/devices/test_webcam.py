"""Webcams, as far as a machine without one can tell: refusals, and what becomes of a picture."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from drivers.base import DriverContext
from drivers.camera.webcam import WebcamConfig, WebcamDriver, as_delivered
from drivers.errors import DeviceError, Fault

linux = pytest.mark.skipif(sys.platform != "linux", reason="cameras are /dev/video* on Linux only")


def refusal(device: int | str) -> DeviceError:
    driver = WebcamDriver(WebcamConfig(device=device), DriverContext("cam"))
    with pytest.raises(DeviceError) as caught:
        driver.open()
    driver.close()
    assert "\n" not in str(caught.value)
    return caught.value


@linux
def test_a_missing_camera_is_named_with_those_that_exist():
    error = refusal(63)
    assert error.fault is Fault.NOT_FOUND
    assert "/dev/video63" in error.what
    assert "cameras found" in error.mend


@linux
def test_a_file_is_sent_to_the_driver_for_files(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"")
    error = refusal(str(path))
    assert error.fault is Fault.UNSUPPORTED
    assert "camera.file" in error.mend


@linux
def test_a_device_that_is_no_camera_is_refused_without_chatter(capfd):
    error = refusal("/dev/null")
    assert error.fault is Fault.BUSY
    assert capfd.readouterr().err == ""


def test_a_cameras_own_jpeg_is_handed_on_untouched():
    image = np.full((48, 64, 3), 90, np.uint8)
    jpeg = cv2.imencode(".jpg", image)[1]
    for frame in (jpeg.reshape(1, -1), jpeg.reshape(-1, 1)):
        assert as_delivered(frame, "default", 90) == jpeg.tobytes()
    assert as_delivered(jpeg.reshape(1, -1), "raw", 90).shape == (48, 64, 3)
    assert as_delivered(np.zeros((1, 500), np.uint8), "default", 90) is None


def test_raw_pixels_are_encoded_unless_they_are_stored_raw():
    image = np.full((48, 64, 3), 90, np.uint8)
    assert as_delivered(image, "default", 90).startswith(b"\xff\xd8")
    assert as_delivered(image, "raw", 90) is image


@pytest.mark.parametrize("options", [{"fps": -1.0}, {"quality": 101}, {"size": (0, 1)}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError):
        WebcamConfig(**options)
