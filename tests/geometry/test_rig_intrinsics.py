"""A rig names a camera file; the session keeps what it says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from geometry_scenes import camera, looking

from drivers.camera.model import model_of, save_camera
from drivers.errors import ConfigError
from drivers.rig import load_rig
from recordings.reader import open_recording
from recordings.recorder import record

RIG = """
name: eye
streams:
  camera: {driver: simulator.camera, width: 320, height: 240, fps: 15, calibration: cameras/eye.yaml}
"""


def rig(folder: Path, size: tuple[int, int]) -> Path:
    model = dataclasses.replace(camera("brown", looking((3.0, 0.0, 1.0)), size), date="2026-02-03")
    save_camera(model, folder / "cameras" / "eye.yaml")
    (folder / "eye.yaml").write_text(RIG)
    return folder / "eye.yaml"


def test_a_session_keeps_the_camera_file_that_its_rig_names(tmp_path: Path) -> None:
    path = rig(tmp_path, (640, 480))  # twice the size that is recorded
    summary = record(load_rig(path), tmp_path / "a.h5", 0.5)
    assert summary.exit_code == 0
    with open_recording(tmp_path / "a.h5") as recording:
        told = model_of(recording.streams["camera"].info.properties, (320, 240))
    assert told is not None
    expected = camera("brown", looking((3.0, 0.0, 1.0)), (640, 480)).scaled((320, 240))
    assert told.matrix == pytest.approx(expected.matrix)
    assert told.distortion == pytest.approx(expected.distortion)
    assert told.pose is not None
    assert told.pose.centre == pytest.approx([3.0, 0.0, 1.0])
    assert told.date == "2026-02-03"


def test_a_camera_file_of_another_shape_stops_the_stream_with_its_reason(tmp_path: Path) -> None:
    from drivers.bus import Hub
    from drivers.process import run_driver

    loaded = load_rig(rig(tmp_path, (640, 360)))
    with Hub() as hub, pytest.raises(ConfigError, match="640x360 px, not 320x240"):
        run_driver(loaded, "camera", hub.address)


def test_a_missing_camera_file_is_named(tmp_path: Path) -> None:
    from drivers.bus import Hub
    from drivers.process import run_driver

    path = rig(tmp_path, (320, 240))
    (tmp_path / "cameras" / "eye.yaml").unlink()
    with Hub() as hub, pytest.raises(ConfigError, match=r"no calibration file cameras/eye\.yaml"):
        run_driver(load_rig(path), "camera", hub.address)
