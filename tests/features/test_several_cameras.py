"""Several cameras of a session: calibrated they help one another, else the one that sees best is taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers_features import SECOND, stamps
from session_features import body_at

from drivers.base import Batch, StreamInfo
from drivers.camera.model import CameraModel, Pose, properties_of
from fusion.data.sessions import read_track
from fusion.data.windows import Place, Windows
from fusion.features import KEYPOINT_COLUMNS, FeatureBuilder, FeatureSpec, features_of, stack
from fusion.features.rigged import CalibratedRig
from fusion.geometry.lens import project, to_camera
from fusion.model.contract import OTHERS, shapes
from fusion.model.net import FusionNet, NetConfig
from fusion.skeletons import BODY20
from fusion.tracking.pose import Fuser
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.writer import SessionWriter

SIZE = (640, 480)
AZIMUTHS = {"a_front": -90.0, "b_side": -10.0, "c_back": 60.0}
RATES = {"a_front": 30.0, "b_side": 25.0, "c_back": 50.0}
FLAT = 0.3
"""A front end tells so much of the true depth."""


def camera(name: str) -> CameraModel:
    angle = np.radians(AZIMUTHS[name])
    place = np.array([4 * np.cos(angle), 4 * np.sin(angle), 1.2])
    forward = np.array([0.0, 0.0, 0.9]) - place
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(forward, right), forward])
    matrix = np.array([[600.0, 0, 322], [0, 600, 238], [0, 0, 1]])
    distortion = np.array([-0.1, 0.05, 0, 0, 0])
    return CameraModel(matrix, distortion, SIZE, pose=Pose(turn, -turn @ place), name=name)


def stream(name: str, calibrated: bool = True) -> StreamInfo:
    known = properties_of(camera(name)) if calibrated else {}
    about = {"skeleton": ",".join(BODY20), "camera": name, "width": "640", "height": "480"}
    return StreamInfo(
        name=f"{name}_points",
        kind="features",
        shape=(20, 10),
        channels=KEYPOINT_COLUMNS,
        properties=known | about,
    )


def points(name: str, seconds: float, hidden: tuple[float, float] = (9.0, 9.0), sure: float = 4.0) -> Batch:
    """Key points of the body as the camera sees it; nobody while it is hidden."""
    times = (np.arange(int(seconds * RATES[name])) * SECOND / RATES[name]).astype(np.int64) + 3_000_000
    joints = body_at(times / SECOND)
    model = camera(name)
    rows = np.zeros((len(times), 20, 10), np.float32)
    rows[..., :2], rows[..., 2] = project(model, joints), 0.9
    rows[..., 3] = rows[..., 5] = sure
    seen = to_camera(model, joints)
    rows[..., 6:9] = (seen - seen[:, :1]) * [1.0, 1.0, FLAT]
    rows[..., 9] = 1.0
    rows[(times / SECOND >= hidden[0]) & (times / SECOND < hidden[1])] = 0.0
    return Batch(f"{name}_points", stamps(times), rows)


def run(batches: list[Batch], streams: list[StreamInfo], **spec: object):
    builder = FeatureBuilder(streams, (), FeatureSpec(**spec))  # type: ignore[arg-type]
    steps = []
    for batch in batches:
        builder.push(batch)
        steps += list(builder.steps())
    for one in streams:
        builder.end(one.name)
    return builder, stack([*steps, *builder.steps()])


def truth(time: np.ndarray) -> np.ndarray:
    seen = to_camera(camera("a_front"), body_at(time / SECOND))
    return seen - seen[:, :1]


def test_two_calibrated_cameras_know_the_depth_that_one_guesses() -> None:
    names = ["a_front", "b_side"]
    _, one = run([points("a_front", 2.0)], [stream("a_front")])
    builder, both = run([points(name, 2.0) for name in names], [stream(name) for name in names])
    assert [info.name for info in builder.cameras] == ["a_front_points", "b_side_points"]
    true = truth(both["time"] - (both["vision_age"] * 1e9).astype(np.int64))[10:]
    assert (both["vision"][10:, :, 8] == 2.0).mean() > 0.9
    measured = both["vision"][10:, :, 8] == 2.0
    error = np.abs(both["vision"][10:, :, 7] - true[..., 2])[measured]
    assert np.percentile(error, 95) < 0.01
    assert np.abs(one["vision"][10:, :, 7] - truth(one["time"])[10:, :, 2]).mean() > 0.05
    np.testing.assert_allclose(both["vision_world"][10:][measured], true[measured], atol=0.03)
    assert {name: value.shape[1:] for name, value in both.items() if name in OTHERS} == {
        name: shapes(2)[name] for name in OTHERS
    }


def test_one_camera_is_as_it_was_and_others_can_be_left_out() -> None:
    _, alone = run([points("a_front", 1.0)], [stream("a_front")])
    names = ["a_front", "b_side"]
    for choice in ({"cameras": 1}, {"camera": "a_front_points"}):
        builder, got = run([points(n, 1.0) for n in names], [stream(n) for n in names], **choice)
        assert builder.unused == ["b_side_points"]
        assert got.keys() == alone.keys()
        for name, value in got.items():
            np.testing.assert_array_equal(value, alone[name])


def test_joints_that_the_reference_camera_does_not_see_are_where_the_others_say() -> None:
    names = list(AZIMUTHS)
    batches = [points(name, 2.0, hidden=(0.8, 1.5) if name == "a_front" else (9.0, 9.0)) for name in names]
    _, got = run(batches, [stream(name) for name in names])
    time = got["time"] / SECOND
    away = (time > 0.9) & (time < 1.5)
    assert got["vision_present"][away].all()
    assert got["vision_age"][away].max() < 0.06
    captured = got["time"] - (got["vision_age"] * 1e9).astype(np.int64)
    pixel = project(camera("a_front"), body_at(captured / SECOND))
    box = got["box"][:, None]
    told = (got["vision"][..., :2] * box[..., 2:] + box[..., :2]) * 640 + [320, 240]
    assert np.abs(told - pixel)[away].max() < 3.0


def test_with_one_other_camera_left_joints_are_known_less_surely() -> None:
    names = ["a_front", "b_side"]
    batches = [points(name, 2.0, hidden=(0.8, 1.5) if name == "a_front" else (9.0, 9.0)) for name in names]
    _, got = run(batches, [stream(name) for name in names])
    time = got["time"] / SECOND
    away, there = (time > 0.9) & (time < 1.5), (time > 0.2) & (time < 0.7)
    assert got["vision_present"][away].all()
    assert np.median(got["vision"][away][..., 3]) > 4 * np.median(got["vision"][there][..., 3])
    assert not (got["vision"][away][..., 8] == 2.0).any()


def test_features_do_not_depend_on_the_order_in_which_cameras_come() -> None:
    names = list(AZIMUTHS)
    batches, streams = [points(name, 1.0) for name in names], [stream(name) for name in names]
    _, one = run(batches, streams)
    _, other = run(batches[::-1], streams)
    for name, value in one.items():
        np.testing.assert_array_equal(other[name], value)


def test_bearings_are_angles_about_the_vertical() -> None:
    rig = CalibratedRig([camera(name) for name in AZIMUTHS])
    told = np.degrees(np.arctan2(rig.bearings[:, 1], rig.bearings[:, 0]))
    np.testing.assert_allclose(told, np.array(list(AZIMUTHS.values())) + 90.0, atol=1.0)


def test_without_calibration_the_camera_that_sees_best_is_taken_and_kept() -> None:
    names = ["a_front", "b_side"]
    batches = [points("a_front", 4.0, hidden=(1.0, 3.0)), points("b_side", 4.0, sure=9.0)]
    builder, got = run(batches, [stream(name, calibrated=False) for name in names])
    assert "others" not in got
    time, chosen = got["time"] / SECOND, got["camera"]
    assert not chosen[time < 1.0].any()
    assert chosen[(time > 1.6) & (time < 3.0)].all()
    assert np.count_nonzero(np.diff(chosen)) <= 2
    _, side = run([points("b_side", 4.0, sure=9.0)], [stream("b_side")])
    at = np.searchsorted(side["time"], got["time"][(time > 1.6) & (time < 3.0)])
    np.testing.assert_array_equal(got["vision"][(time > 1.6) & (time < 3.0)], side["vision"][at])
    assert builder.shown in {"a_front_points", "b_side_points"}


def test_the_network_begins_anew_where_it_looks_through_another_camera() -> None:
    torch.manual_seed(0)
    net = FusionNet(NetConfig(width=16, layers=1, heads=2, window=8, form=2))
    names = ["a_front", "b_side"]
    batches = [points("a_front", 2.0, hidden=(0.5, 2.0)), points("b_side", 2.0)]
    _, got = run(batches, [stream(name, calibrated=False) for name in names])
    first = int(np.flatnonzero(got["camera"])[0])
    fuser, fresh = Fuser(net, [SIZE, (1280, 960)]), Fuser(net, [SIZE, (1280, 960)])
    steps = [{name: value[tick] for name, value in got.items()} for tick in range(first + 5)]
    poses = [fuser(step) for step in steps]
    again = [fresh(step) for step in steps[first:]]
    np.testing.assert_array_equal(poses[-1].joints, again[-1].joints)
    assert np.nanmax(again[-1].keypoints) > 480.0  # in the larger picture of the other camera


def write(path: Path, names: list[str], calibrated: bool = True) -> Path:
    with SessionWriter(path, SessionAttributes(id="x"), sync_s=0) as writer:
        for name in names:
            writer.add_stream(stream(name, calibrated))
            writer.append(points(name, 2.0))
    return path


def test_a_recording_of_several_cameras_gives_what_the_builder_gives(tmp_path: Path) -> None:
    names = list(AZIMUTHS)
    with open_recording(write(tmp_path / "three.h5", names)) as recording:
        got = features_of(recording)
    _, expected = run([points(name, 2.0) for name in names], [stream(name) for name in names])
    for name, value in expected.items():
        np.testing.assert_array_equal(got[name], value, err_msg=name)


def test_sessions_with_more_and_fewer_cameras_are_learnt_from_together(tmp_path: Path) -> None:
    tracks = [
        read_track(write(tmp_path / "three.h5", list(AZIMUTHS)), ("a",)),
        read_track(write(tmp_path / "one.h5", ["a_front"]), ("a",)),
    ]
    batch = Windows(tracks, 30)[[Place(0, 40), Place(1, 40)]]
    assert batch["features"]["others"].shape == (2, 30, 2, 20, 9)
    assert batch["features"]["others_present"][0].any()
    assert not batch["features"]["others_present"][1].any()
    assert batch["features"]["others_age"][1].min() == 2.0
    assert "others" not in Windows(tracks[1:], 30)[[Place(0, 40)]]["features"]


@pytest.mark.parametrize("ticks", [90])
def test_offline_and_a_stream_of_ticks_are_the_same_poses(ticks: int) -> None:
    torch.manual_seed(0)
    net = FusionNet(NetConfig(width=16, layers=2, heads=2, window=8, form=2)).eval()
    names = ["a_front", "b_side"]
    _, got = run([points(name, 2.0) for name in names], [stream(name) for name in names])
    inputs = {name: torch.from_numpy(got[name][:ticks])[None] for name in shapes(2)}
    with torch.no_grad():
        whole = net(inputs)["joints3d"][0].numpy()
    fuser = Fuser(net, [SIZE, SIZE])
    poses = [fuser({name: value[tick] for name, value in got.items()}) for tick in range(ticks)]
    np.testing.assert_allclose(np.stack([pose.joints for pose in poses]), whole, atol=1e-4)
