"""Calibration files: read whole or refused, and on the bus and in the session beside rows that stay raw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from drivers.calibration import CalibrationFile, find_calibration, read_calibration, write_calibration
from drivers.errors import ConfigError, RecordingError
from drivers.rig import load_rig
from recordings.reader import open_recording
from recordings.recorder import record

INERTIAL = {"angular_rate": {"bias": [0.01, 0.02, -0.01], "matrix": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}}
GOOD = CalibrationFile("imu", {"inertial": INERTIAL}, {"made": "2026-03-01", "device": "x"})


def rig(folder: Path, calibration: str) -> Path:
    path = folder / "walk.yaml"
    path.write_text(
        "streams:\n  wrist:\n    driver: simulator.imu\n    worn_on: right_forearm\n"
        f"    calibration: {calibration}\n"
    )
    return path


def test_what_is_written_is_read_again(tmp_path):
    write_calibration(tmp_path / "a.yaml", GOOD)
    assert read_calibration(tmp_path / "a.yaml") == GOOD
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1, 2]",
        "kind: imu",
        "kind: microphone\ninertial: {}",
        "kind: imu\ngyro: 1",
        "kind: imu\ninertial: {angular_rate: {bias: [1, 2, .nan]}}",
        "kind: imu\ninertial: {angular_rate: {bias: [1, 2, three]}}",
        "kind: imu\nalignment: {worn_on: tail, xyzw: [0, 0, 0, 1]}",
        "kind: imu\nalignment: {worn_on: head, xyzw: [0, 0, 0, 0]}",
        "kind: imu\nintrinsics: {}",
        "kind: camera\nintrinsics: 2026-03-01",
        "kind: [imu\n",
    ],
)
def test_a_file_that_is_no_calibration_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_calibration(tmp_path / "a.yaml")
    assert "a.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_lies_beside_the_rig_or_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "beside").mkdir()
    write_calibration(tmp_path / "beside" / "a.yaml", GOOD)
    monkeypatch.chdir(tmp_path)
    assert find_calibration("a.yaml", tmp_path / "beside") == tmp_path / "beside" / "a.yaml"
    with pytest.raises(ConfigError, match="no calibration file"):
        find_calibration("b.yaml", tmp_path / "beside")


def test_the_session_keeps_the_calibration_and_the_rows_stay_raw(tmp_path):
    write_calibration(tmp_path / "wrist.yaml", GOOD)
    record(load_rig(rig(tmp_path, "wrist.yaml")), tmp_path / "a.h5", 0.3)
    with open_recording(tmp_path / "a.h5") as recording:
        stream = recording.streams["wrist"]
        assert json.loads(stream.info.properties["inertial"]) == INERTIAL
        assert "true_clock" in stream.info.properties
        assert yaml.safe_load(recording.rig_text)["streams"]["wrist"]["calibration"] == "wrist.yaml"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: camera\nintrinsics: [1, 1, 0, 0]\ncalibration: {size: [9, 9]}", "kind camera"),
        (None, "no calibration file"),
    ],
)
def test_a_calibration_that_does_not_fit_ends_the_start_with_its_reason(tmp_path, text, words):
    if text:
        (tmp_path / "wrist.yaml").write_text(text)
    with pytest.raises(RecordingError, match=words):
        record(load_rig(rig(tmp_path, "wrist.yaml")), tmp_path / "a.h5", 0.3)
    assert not (tmp_path / "a.h5").exists()
