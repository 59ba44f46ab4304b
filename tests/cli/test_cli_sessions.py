"""Whole sessions from the command line: without pictures, with a device elsewhere, tracked live."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_runs import SMALL, Said, run, start, together, unchanged

from drivers.bus import Hub
from fusion.features.vision import KEYPOINT_COLUMNS
from recordings.reader import open_recording

Chorus = Callable[..., Said]

PRIVATE = """
vision: markers
streams: {camera: {driver: simulator.camera, width: 320, height: 240, fps: 10, store: none}}
"""

# Privacy: key points and heatmaps instead of pictures.


@pytest.mark.xdist_group("private")
def test_a_private_session_holds_key_points_and_heatmaps_and_no_picture(private: tuple[Path, Said]) -> None:
    path, said = private
    said.well()
    content = path.read_bytes()
    assert b"JFIF" not in content
    assert b"\xff\xd8\xff" not in content  # how every JPEG begins
    with open_recording(path) as recording:
        camera = recording.streams["camera"]
        assert camera.withheld
        points = recording.features["camera_markers"]
        heatmaps = recording.features["camera_markers_heatmaps"]
        assert points.info.channels == KEYPOINT_COLUMNS
        assert len(points) >= 15
        of_camera = dict(zip(camera.stamps["seq"].tolist(), camera.stamps["time"].tolist(), strict=True))
        for number, time in zip(points.stamps["seq"].tolist(), points.stamps["time"].tolist(), strict=True):
            assert of_camera[number] == time  # each row finds its picture
        assert 0.9 < float(np.median(points.data[:][..., 2])) <= 1
        assert heatmaps.data[:].max() > 200
        assert len(heatmaps) == len(recording.features["camera_markers_region"]) > 0


@pytest.mark.xdist_group("private")
def test_a_private_session_adds_up(private: tuple[Path, Said]) -> None:
    report = json.loads(run(private[0].parent, "check", "a.h5", "--json").well())
    assert report["ok"]
    assert {name: one["unexplained"] for name, one in report["streams"].items()} == dict.fromkeys(
        ("camera", "wrist", "camera_markers", "camera_markers_heatmaps", "camera_markers_region"), 0
    )


@pytest.mark.xdist_group("private")
def test_a_private_session_is_tracked_from_its_key_points(
    chorus: Chorus, private: tuple[Path, Said], weights: str, tmp_path: Path
) -> None:
    chorus("live.py", f"--source={private[0]}", f"--weights={weights}", "--output=out").well()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "events.csv",
        "poses.csv",
        "summary.json",
    ]
    with (tmp_path / "out" / "poses.csv").open() as file:
        poses = list(csv.DictReader(file))
    assert len(poses) > 60  # of 2 s at 60 Hz
    assert float(poses[-1]["x_px"]) > 0  # known from key points alone


def test_a_private_recording_without_its_front_end_does_not_begin(chorus: Chorus, tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(PRIVATE)
    with unchanged(tmp_path):
        said = chorus("record", "rig.yaml", "--vision=makers", "--duration=5", "--output=a.h5")
    said.refused("camera_makers: ", "'makers'", "streams.camera.store")


def test_a_vision_worker_that_dies_is_told_and_the_rest_is_recorded(chorus: Chorus, tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(PRIVATE)
    with start(tmp_path, "record", "rig.yaml", "--duration=2", "--output=a.h5") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("recording"):
                break
        os.kill(worker_of(process.pid), signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.count("\n") == 1
    assert err.startswith("camera_markers: the vision worker ended with status -9")
    with open_recording(tmp_path / "a.h5") as recording:
        assert recording.session.closed
        assert len(recording.streams["camera"]) > 15
        assert all(stream.ledger.unexplained == 0 for stream in recording.all_streams.values())


def test_what_is_no_camera_needs_no_front_end(chorus: Chorus, tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(
        "vision: nobody_has_this\nstreams: {head: {driver: simulator.imu, worn_on: head, store: none}}\n"
    )
    chorus("record", "rig.yaml", "--duration=0.5", "--output=a.h5").well()
    with open_recording(tmp_path / "a.h5") as recording:
        assert recording.streams["head"].withheld
        assert not recording.features


def worker_of(parent: int) -> int:
    """Return the process id of the vision worker that a recording started."""
    children = Path(f"/proc/{parent}/task").glob("*/children")
    for child in " ".join(path.read_text() for path in children).split():
        if b"fusion.vision.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError("there is no vision worker")


# A device on another host.

REMOTE = """
name: two
streams:
  head: {driver: simulator.imu, worn_on: head, rate_hz: 50}
  wrist: {driver: simulator.imu, worn_on: right_forearm, rate_hz: 50, remote: true}
"""


def test_a_stream_driven_elsewhere_joins_with_the_printed_command_and_ends_with_the_session(
    chorus: Chorus, tmp_path: Path
) -> None:
    (tmp_path / "rig.yaml").write_text(REMOTE)
    with start(tmp_path, "record", "rig.yaml", "--duration=1", "--output=a.h5") as record:
        assert record.stdout is not None
        command = next(line for line in record.stdout if line.startswith("chorus drive "))
        with start(tmp_path, *shlex.split(command)[1:]) as drive:
            _, err = record.communicate(timeout=60)
            driven, drive_err = drive.communicate(timeout=30)
    assert (record.returncode, err) == (0, "")
    assert (drive.returncode, drive_err) == (0, "")
    assert driven.startswith("wrist -> tcp://127.0.0.1:")
    report = json.loads(chorus("check", "a.h5", "--json").well())
    assert report["ok"]
    assert report["streams"]["wrist"]["samples"] > 40


def test_drive_ends_in_order_when_asked_to(tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(REMOTE)
    with Hub() as hub:
        for number in (signal.SIGINT, signal.SIGTERM):
            command = ("drive", "rig.yaml", "--only=wrist", f"--connect={hub.address}")
            with start(tmp_path, *command) as drive:
                wait_for(lambda: "wrist" in hub.publishers)
                drive.send_signal(number)
                _, err = drive.communicate(timeout=30)
            assert (drive.returncode, err) == (0, "")


def wait_for(true: Callable[[], bool]) -> None:
    """Wait until something is true; fail after 20 s."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_drive_names_a_wrong_address(tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(REMOTE)
    addresses = ["tcp://127.0.0.1:9", "127.0.0.1:7400", "tcp://nowhere.invalid:7400"]
    commands = [("drive", "rig.yaml", "--only=wrist", f"--connect={address}") for address in addresses]
    for address, said in zip(addresses, together(tmp_path, *commands), strict=True):
        said.refused(address)


def test_drive_names_a_wrong_stream(chorus: Chorus, tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(REMOTE)
    chorus("drive", "rig.yaml", "--only=wirst", "--connect=tcp://127.0.0.1:9").refused(
        "'wirst'", "Did you mean 'wrist'?"
    )


# Live.


def test_live_tracks_a_rig_and_leaves_table_film_and_summary(
    chorus: Chorus, tmp_path: Path, weights: str
) -> None:

    (tmp_path / "small.yaml").write_text(SMALL)
    said = chorus("live.py", "small.yaml", "--duration=2", f"--weights={weights}", "--output=out").well()
    assert said.startswith("bus at tcp://127.0.0.1:")
    names = {"events.csv", "overlay.mp4", "poses.csv", "summary.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert all(f"out/{name}" in said for name in names)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["poses"] > 60
