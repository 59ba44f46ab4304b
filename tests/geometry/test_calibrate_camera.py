"""``chorus calibrate camera`` on rendered pictures: folder, film and session; and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from geometry_scenes import camera

from benchmarks.devices.board_scene import EASY, Studio, held
from drivers.camera.model import CameraModel, load_camera, model_of
from drivers.rig import load_rig
from fusion.calibrate.board import Board
from fusion.cli import main
from recordings.reader import open_recording
from recordings.recorder import record

pytestmark = pytest.mark.xdist_group("pictures")  # its pictures are made once

TRUTH = camera(size=(640, 360))
BOARD = Board(7, 5, 35.0)
MEANT = "--square_mm=35"
RIG = """
streams:
  # the eye
  eye:
    driver: camera.file
    path: board.mp4
    quality: 97
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures of the board."""
    path, rng = tmp_path_factory.mktemp("pictures") / "eye", np.random.default_rng(3)
    path.mkdir()
    studio = Studio(TRUTH, BOARD, EASY, rng)
    for k in range(26):
        cv2.imwrite(str(path / f"{k:02}.png"), studio.picture(held(rng, TRUTH, BOARD)))
    return path


def near(found: CameraModel) -> None:
    assert found.matrix[[0, 1], [0, 1]] == pytest.approx(TRUTH.matrix[[0, 1], [0, 1]], rel=5e-3)
    assert found.reprojection_px < 0.3
    assert found.size == TRUTH.size


def film_of(folder: Path, path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.codec_context.bit_rate = 30_000_000
        for file in sorted(folder.iterdir()):
            picture = cv2.imread(str(file))
            assert picture is not None
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture, np.uint8), format="bgr24"))
            )
        container.mux(stream.encode())
    return path


def test_a_folder_of_pictures_gives_a_camera_file_and_a_picture_of_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plot = tmp_path / "eye.yaml", tmp_path / "eye.png"
    assert main(["calibrate", "camera", str(folder), MEANT, f"--output={out}", f"--plot={plot}"]) == 0
    near(load_camera(out))
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "eye" in capsys.readouterr().out


def test_a_session_s_camera_is_calibrated_and_the_rig_takes_the_file_into_the_next_session(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film_of(folder, tmp_path / "board.mp4")
    rig = tmp_path / "rig.yaml"
    rig.write_text(RIG)
    assert record(load_rig(rig), tmp_path / "a.h5").exit_code == 0
    assert main(["calibrate", "camera", str(tmp_path / "a.h5"), MEANT, f"--rig={rig}", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["eye"]
    near(load_camera(tmp_path / "eye.yaml"))
    assert told["file"] == str(tmp_path / "eye.yaml")
    assert "# the eye" in rig.read_text()
    assert load_rig(rig).streams["eye"].calibration == "eye.yaml"
    assert record(load_rig(rig), tmp_path / "b.h5", 0.3).exit_code == 0
    with open_recording(tmp_path / "b.h5") as recording:
        kept = model_of(recording.streams["eye"].info.properties, TRUTH.size)
    assert kept is not None
    near(kept)


def test_a_rig_s_camera_is_looked_through_as_it_stands(folder: Path, tmp_path: Path) -> None:
    film_of(folder, tmp_path / "board.mp4")
    rig = tmp_path / "rig.yaml"
    rig.write_text(RIG + "    fps: 4\n")
    assert main(["calibrate", "camera", str(rig), MEANT, "--seconds=8"]) == 0
    near(load_camera(tmp_path / "eye.yaml"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "size of the board's squares is missing"),
        ([MEANT, "--dictionary=6x6_250"], "found in none of 26 pictures"),
        ([MEANT, "--board=8x6", "--legacy"], "Markers are seen"),
        ([MEANT, "--output=taken/b.yaml"], "cannot be written"),
        ([MEANT, "--rig=none.yaml"], "none.yaml"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(
    folder: Path,
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file where a folder should be")
    assert main(["calibrate", "camera", str(folder), *arguments]) != 0
    said = capsys.readouterr().err.strip()
    assert words in said
    assert "\n" not in said


def test_sources_that_are_none_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("no picture")
    for source, words in (
        ("absent.h5", "there is no"),
        ("empty", "holds no pictures"),
        ("text.mp4", "no film"),
        ("bad", "can't be read as a picture"),
    ):
        assert main(["calibrate", "camera", str(tmp_path / source), MEANT]) == 1
        assert words in capsys.readouterr().err
