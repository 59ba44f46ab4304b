"""Human3.6M's layout: made files of it, whose cameras and joints are known."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from made_human36m import FRAMES, make

from drivers.camera.model import model_of
from drivers.errors import DataError
from fusion.cli import main
from fusion.data import human36m
from fusion.features import features_of, targets_of
from fusion.model.checkpoint import save_net
from fusion.model.net import FEATURES, FusionNet, NetConfig
from fusion.skeletons import BODY20
from recordings.check import examine
from recordings.importers.human36m_sessions import import_human36m
from recordings.reader import open_recording


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("h36m"))


def test_axes_units_and_the_order_of_joints(made: Path) -> None:
    every = human36m.sequences(made)
    assert len(every) == 2 * 4
    assert [s.detections is not None for s in every] == [True, *[False] * 7]
    joints, poses = human36m.read(every[1])
    assert poses is None
    pelvis = joints[:, 0]
    np.testing.assert_allclose(pelvis[0], [0.0, 0.1, 4.0], atol=1e-9)  # 10 cm below, 4 m before
    np.testing.assert_allclose(np.diff(pelvis[:, 0]).mean(), 0.6 / (FRAMES - 1), rtol=1e-6)


def test_projection_is_browns(made: Path) -> None:
    import cv2

    view = human36m.sequences(made)[0].view
    points = np.random.default_rng(1).uniform([-1, -1, 3], [1, 1, 6], (50, 3))
    matrix = np.array([[view.focal[0], 0, view.centre[0]], [0, view.focal[1], view.centre[1]], [0, 0, 1]])
    bend = np.array([*view.radial[:2], *view.tangential, view.radial[2]])
    wanted, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, bend)
    np.testing.assert_allclose(view.project(points), wanted[:, 0], atol=1e-6)


def test_windows_follow_the_contract_and_hold_frames_of_50_hz(made: Path) -> None:
    batch = human36m.window(human36m.sequences(made)[1], 0.5, 90, 60.0)
    assert {name: tuple(value.shape[2:]) for name, value in batch["features"].items()} == FEATURES
    assert float(batch["features"]["vision_age"].max()) < 0.02 + 1e-6
    assert float(batch["targets"]["joints3d"][..., 0, :].abs().max()) == 0.0
    hand = BODY20.index("left_hand")
    assert float(batch["targets"]["joints3d_known"][..., hand].max()) == 0.0, "it has no hands"
    known = batch["targets"]["joints2d_known"] > 0.5
    told, true = batch["features"]["vision"][..., :2], batch["targets"]["joints2d"]
    fresh = known & (batch["features"]["vision_age"] < 1e-6)[..., None]
    assert bool(fresh.any())
    torch.testing.assert_close(told[fresh], true[fresh], atol=5e-3, rtol=0.0)
    late = human36m.window(human36m.sequences(made)[1], 2.5, 90, 60.0)
    assert 29 <= int(late["valid"].sum()) <= 31, "3 s of frames end after half a second"


def test_it_is_evaluated(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    path = tmp_path / "net.safetensors"
    save_net(FusionNet(NetConfig(width=16, layers=1, heads=2, window=8)), path)
    assert main(["evaluate", str(path), str(made), "--windows=4", "--window_s=2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["kind"], said["split"], said["windows"]) == ("Human3.6M", "subjects 9, 11", 4)
    assert {"all sensors", "hold last (lifted vision)", "constant"} <= {row["name"] for row in said["rows"]}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("S9/MyPoses/3D_positions/Walking 1.h5", np.zeros((51, 9)), r"3D_positions \(51, 9\)"),
        ("S9/MyPoses/3D_positions/Walking 1.h5", np.full((96, 9), np.nan), "not finite"),
    ],
)
def test_malformed_files_are_named(
    made: Path, tmp_path: Path, name: str, value: np.ndarray, says: str
) -> None:
    (tmp_path / "cameras.h5").write_bytes((made / "cameras.h5").read_bytes())
    (tmp_path / name).parent.mkdir(parents=True)
    with h5py.File(tmp_path / name, "w") as file:
        file["3D_positions"] = value
    with pytest.raises(DataError, match=says):
        human36m.read(human36m.sequences(tmp_path, (9,))[0])
    (tmp_path / "cameras.h5").unlink()
    with pytest.raises(DataError, match=r"cameras.h5 is missing"):
        human36m.sequences(tmp_path, (9,))


def test_a_session_has_the_cameras_their_key_points_and_the_truth(made: Path, tmp_path: Path) -> None:
    report = import_human36m(made, tmp_path, (9,))
    assert [path.name for path in report.files] == ["S9_walking_1.h5"]
    assert report.detected == (1,)
    assert examine(report.files[0]).ok
    with open_recording(report.files[0]) as recording:
        camera = recording.streams["camera_60138451"]
        assert camera.withheld
        model = model_of(camera.info.properties, (1000, 1000))
        assert model is not None
        found = recording.features["camera_60138451_hourglass"].data[:]
        joints, poses = human36m.read(human36m.sequences(made)[0])
        assert poses is not None
        np.testing.assert_allclose(found[..., :2], poses, atol=1e-3)
        truth = recording.streams["truth"].data[:].reshape(FRAMES, 17, 3)
        assert model.pose is not None
        np.testing.assert_allclose(truth @ model.pose.rotation.T + model.pose.translation, joints, atol=1e-4)
        features = features_of(recording)
        targets = targets_of(recording, features)
    known = targets["joints3d_known"][10]
    assert known[BODY20.index("left_wrist")] == 1.0
    assert known[BODY20.index("left_hand")] == 0.0
    assert np.isfinite(targets["joints3d"]).all()
    assert targets["contact_known"].max() == 0.0


def test_sessions_by_the_command_and_what_it_refuses(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["import", "human36m", str(made), f"--output={tmp_path}"]
    assert main([*asked, "--only=Walking 1"]) == 0
    assert "2 sessions" in capsys.readouterr().out
    assert main(asked) == 1
    assert "not overwritten" in capsys.readouterr().err
    assert main([*asked, "--only=Flying"]) == 1
    assert "no action 'Flying'" in capsys.readouterr().err
    assert main([*asked, "--subjects=one"]) == 2
    assert main(["import", "human36m", str(tmp_path / "none")]) == 1
