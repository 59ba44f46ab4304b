"""``chorus calibrate extrinsics``: from a session of several cameras, and from files of other programs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import av
import numpy as np
import pytest
from board_views import in_room, seen_from
from geometry_scenes import camera, looking
from test_lens import QUALISYS

from benchmarks.devices.board_scene import EASY, Studio
from drivers.camera.model import Pose, load_camera, save_camera
from drivers.rig import load_rig
from fusion.calibrate.board import Board
from fusion.cli import main
from recordings.recorder import record

pytestmark = pytest.mark.xdist_group("extrinsics")  # its session is made once

BOARD = Board(7, 5, 150.0)
MEANT = "--square_mm=150"
SIZE = (640, 360)
PLACES = {"left": (2.4, -1.3, 1.9), "right": (2.4, 1.3, 1.7)}
FLOOR = Pose(np.eye(3), np.array([0.0, -0.4, 0.0]))


def rig(folder: Path, fps: float) -> Path:
    streams = "".join(
        f"  {name}:\n    driver: camera.file\n    path: {name}.mp4\n    quality: 97\n    fps: {fps}\n"
        f"    start_s: 6\n    calibration: lenses/{name}.yaml\n"
        for name in PLACES
    )
    (folder / "rig.yaml").write_text(f"name: two\nstreams:\n{streams}")
    return folder / "rig.yaml"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two calibrated cameras that see a board: on the floor, then held between them."""
    folder, rng = tmp_path_factory.mktemp("room"), np.random.default_rng(7)
    boards = [FLOOR, FLOOR, *(in_room(rng, BOARD, rng.uniform(-25, 25)) for _ in range(14))]
    for name, place in PLACES.items():
        eye = dataclasses.replace(camera("brown", looking(place, (0.2, 0.0, 0.6)), SIZE), name=name)
        save_camera(dataclasses.replace(eye, pose=None), folder / "lenses" / f"{name}.yaml")
        studio = Studio(eye, BOARD, EASY, rng)
        with av.open(str(folder / f"{name}.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
            stream.codec_context.bit_rate = 40_000_000
            for board in boards:
                picture = studio.picture(seen_from(eye, board))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
            container.mux(stream.encode())
    assert record(load_rig(rig(folder, 5.0)), folder / "a.h5").exit_code == 0
    return folder / "a.h5"


def test_cameras_of_a_session_are_placed_and_the_rig_takes_their_files(
    session: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = session.with_name("rig.yaml")
    assert main(["calibrate", "extrinsics", str(session), MEANT, f"--rig={path}", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["moments"] >= 8
    for name, place in PLACES.items():
        found = load_camera(session.with_name(f"{name}.yaml"))
        assert found.pose is not None
        assert found.pose.centre == pytest.approx(np.subtract(place, FLOOR.translation), abs=0.02)
        assert told["cameras"][name]["error_px"] < 0.5
        assert load_rig(path).streams[name].calibration == f"{name}.yaml"


def test_another_camera_s_frame_can_be_the_world_and_lenses_can_lie_elsewhere(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lenses = session.with_name("lenses")
    arguments = [MEANT, "--world=left", f"--cameras={lenses}", f"--output={tmp_path}"]
    assert main(["calibrate", "extrinsics", str(session), *arguments]) == 0
    assert "camera left" in capsys.readouterr().out
    pose = load_camera(tmp_path / "left.yaml").pose
    assert pose is not None
    assert pose.centre == pytest.approx([0, 0, 0], abs=1e-9)


def test_a_calibration_of_qualisys_is_taken_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pose = looking((3.0, 0.0, 1.0))
    rows = (np.diag([1, -1, -1]) @ pose.rotation).ravel()
    path = tmp_path / "Calib.qca.txt"
    path.write_text(QUALISYS.format(r=rows, x=pose.centre * 1000))
    assert main(["calibrate", "extrinsics", str(path), f"--output={tmp_path}", "--map=eye=a"]) == 0
    kept = load_camera(tmp_path / "eye.yaml").pose
    assert kept is not None
    assert kept.centre == pytest.approx([3, 0, 1])
    assert main(["calibrate", "extrinsics", str(path), f"--output={tmp_path}", "--map=eye=b"]) == 2
    assert "Cameras: a" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "squares is missing"),
        ([MEANT, "--dictionary=6x6_250"], "found in none of"),
        ([MEANT, "--world=top"], "there is no camera 'top'"),
        ([MEANT, "--cameras=nowhere"], "left.yaml"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(
    session: Path,
    tmp_path: Path,
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", "extrinsics", str(session), *arguments]) != 0
    said = capsys.readouterr().err.strip()
    assert words in said
    assert "\n" not in said
    assert not list(tmp_path.iterdir())
