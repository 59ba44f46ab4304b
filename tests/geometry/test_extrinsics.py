"""Where cameras stand, from a board they see together."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from board_views import in_room, seen_from, view
from geometry_scenes import LENSES, camera, ring
from scipy.optimize import approx_fprime
from scipy.spatial.transform import Rotation

from drivers.camera.model import CameraModel, Pose
from drivers.errors import CalibrationError, ConfigError
from fusion.calibrate import extrinsics
from fusion.calibrate.board import Board
from fusion.calibrate.extrinsics import calibrate_places
from fusion.geometry import bundle

BOARD = Board(7, 5, 120.0)
FLOOR = Pose(np.eye(3), np.array([-0.42, -0.3, 0.0]))


def scene(count: int = 4, lens="brown", moments: int = 32, noise: float = 0.2, seed: int = 0):
    """Cameras around a room, and what they see of a board that is first laid on the floor."""
    rng = np.random.default_rng(seed)
    truth = [dataclasses.replace(one, name=f"cam{i + 1}") for i, one in enumerate(ring(count, lens))]
    step = 360 / count
    boards = [FLOOR, *(in_room(rng, BOARD, step * (k + 0.5) + rng.uniform(-15, 15)) for k in range(moments))]
    seen = []
    for board in boards:
        found = {one.name: view(one, BOARD, seen_from(one, board), rng, noise) for one in truth}
        seen.append({name: one for name, one in found.items() if one is not None})
    lenses = {one.name: dataclasses.replace(one, pose=None) for one in truth}
    return truth, lenses, seen


def errors(truth: list[CameraModel], found: dict[str, CameraModel], base: Pose) -> tuple[float, float]:
    """Largest errors of place, m, and of angle, degrees, in the frame ``base`` of the world."""
    places, angles = [], []
    for one in truth:
        pose = found[one.name].pose
        assert pose is not None
        assert one.pose is not None
        places.append(np.linalg.norm(pose.centre - base.rotation.T @ (one.pose.centre - base.translation)))
        turn = pose.rotation @ (one.pose.rotation @ base.rotation).T
        angles.append(np.degrees(Rotation.from_matrix(turn).magnitude()))
    return max(places), max(angles)


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("count", [2, 4, 6])
def test_cameras_stand_where_they_stand_in_the_world_of_the_board_on_the_floor(lens, count: int) -> None:
    if count == 2:
        truth, lenses, seen = scene(6, lens)
        truth = truth[:2]
        names = {one.name for one in truth}
        lenses = {name: lenses[name] for name in names}
        seen = [{name: v for name, v in moment.items() if name in names} for moment in seen]
    else:
        truth, lenses, seen = scene(count, lens)
    found = calibrate_places(lenses, seen, BOARD)
    place, angle = errors(truth, found.cameras, FLOOR)
    assert place < 0.005
    assert angle < 0.15
    assert max(found.errors_px.values()) < 0.4
    assert found.moments[0] == 0


def test_the_scale_is_that_of_the_measured_squares() -> None:
    truth, lenses, seen = scene()
    double = calibrate_places(lenses, seen, Board(7, 5, 240.0)).cameras
    single = calibrate_places(lenses, seen, BOARD).cameras
    for one in truth:
        a, b = double[one.name].pose, single[one.name].pose
        assert a is not None
        assert b is not None
        assert a.centre == pytest.approx(2 * b.centre, abs=1e-3)


def test_a_camera_can_be_the_world() -> None:
    truth, lenses, seen = scene()
    found = calibrate_places(lenses, seen, BOARD, world="cam2").cameras
    pose = found["cam2"].pose
    assert pose is not None
    assert pose.centre == pytest.approx([0, 0, 0], abs=1e-9)
    assert pose.rotation[2] == pytest.approx([0, 1, 0])  # it looks along y
    assert pose.rotation[1] == pytest.approx([0, 0, -1])  # down in the picture is down
    other = found["cam1"].pose
    assert other is not None
    assert truth[0].pose is not None
    assert truth[1].pose is not None
    apart = np.linalg.norm(truth[0].pose.centre - truth[1].pose.centre)
    assert np.linalg.norm(other.centre) == pytest.approx(apart, abs=0.005)


def test_wrong_corners_and_a_moved_board_do_not_spoil_it() -> None:
    truth, lenses, seen = scene(moments=40)
    rng = np.random.default_rng(9)
    for moment in seen[3::8]:
        for one in moment.values():
            one.pixels[rng.integers(0, len(one), 2)] += rng.normal(0, 40, (2, 2))
    name = next(iter(seen[10]))
    seen[10][name] = dataclasses.replace(seen[10][name], pixels=seen[10][name].pixels + 12.0)
    place, angle = errors(truth, calibrate_places(lenses, seen, BOARD).cameras, FLOOR)
    assert place < 0.006
    assert angle < 0.15


def test_dim_pictures_count_less_than_sharp_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    weighed, equal = [], []
    for seed in range(4):
        truth, lenses, seen = scene(noise=0.05, seed=seed)
        rng = np.random.default_rng(seed)
        for moment in seen:
            for name in list(moment)[:1]:
                blur = rng.normal(0, 0.8, moment[name].pixels.shape)
                moment[name] = dataclasses.replace(moment[name], pixels=moment[name].pixels + blur)
        weighed.append(errors(truth, calibrate_places(lenses, seen, BOARD).cameras, FLOOR)[0])
        with monkeypatch.context() as patch:
            patch.setattr(extrinsics, "LIKE_OTHERS", 1e9)
            equal.append(errors(truth, calibrate_places(lenses, seen, BOARD).cameras, FLOOR)[0])
    assert np.mean(weighed) < 0.8 * np.mean(equal)


def test_cameras_that_never_see_the_board_together_are_named() -> None:
    _, lenses, seen = scene()
    alone = [
        {name: one for name, one in moment.items() if name == "cam3" or "cam3" not in moment}
        for moment in seen
    ]
    with pytest.raises(CalibrationError, match="cam3 is not tied to cam1 and cam2 and cam4") as refused:
        calibrate_places(lenses, alone, BOARD)
    assert "cam3 and cam1 0 times" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_can_not_be_is_refused() -> None:
    _, lenses, seen = scene()
    with pytest.raises(ConfigError, match="board, cam1"):
        calibrate_places(lenses, seen, BOARD, world="floor")
    with pytest.raises(CalibrationError, match="one camera alone"):
        calibrate_places({"cam1": lenses["cam1"]}, seen, BOARD)
    with pytest.raises(CalibrationError, match="not tied"):
        calibrate_places(lenses, [], BOARD)


def test_a_lens_that_is_not_the_camera_s_is_told() -> None:
    _, lenses, seen = scene()
    one = lenses["cam2"]
    lenses["cam2"] = dataclasses.replace(one, matrix=one.matrix * [[1.8, 1, 1], [1, 1.8, 1], [1, 1, 1]])
    with pytest.raises(CalibrationError, match="do not agree"):
        calibrate_places(lenses, seen, BOARD)


@pytest.mark.parametrize("lens", LENSES)
def test_the_derivatives_of_the_adjustment_are_those_of_its_residuals(
    monkeypatch: pytest.MonkeyPatch, lens
) -> None:
    rng = np.random.default_rng(3)
    taken: dict[str, object] = {}

    def peek(residuals, start, jacobian, loss):
        x = start + rng.normal(0, 0.05, len(start))
        taken["numeric"] = approx_fprime(x, residuals, 1e-7)
        taken["written"] = jacobian(x).toarray()
        raise StopIteration

    monkeypatch.setattr(bundle, "least_squares", peek)
    seen = bundle.Seen(
        rng.integers(0, 3, 20),
        rng.integers(0, 4, 20),
        rng.normal(size=(20, 3)),
        rng.normal(size=(20, 2)) * 200,
        rng.uniform(0.5, 2, 20),
    )
    turns = Rotation.random(7, rng=rng).as_matrix()
    shifts = rng.normal(size=(7, 3)) * 0.3 + [0, 0, 0]
    depth = np.array([0, 0, 9.0])
    eyes = [unsure(camera(lens)), camera(lens), unsure(camera(lens), 0.3)]
    with pytest.raises(StopIteration):
        bundle.adjust(seen, eyes, turns[:3], shifts[:3] + depth, turns[3:], shifts[3:], free=True)
    written, numeric = taken["written"], taken["numeric"]
    assert isinstance(written, np.ndarray)
    assert written.shape[1] == 6 * (2 + 4) + 2 * (4 + len(LENSES[lens]))  # the second lens is held
    assert written == pytest.approx(numeric, rel=1e-3, abs=1e-4 * np.abs(written).max())


def unsure(model: CameraModel, part: float = 1.0) -> CameraModel:
    """A lens as a calibration leaves it: focal lengths that err together, the rest by itself."""
    spread = np.array([5.0, 5.0, 2.0, 2.0, *np.full(len(model.distortion), 0.002)]) * part
    alike = np.eye(len(spread))
    alike[0, 1] = alike[1, 0] = 0.9
    return dataclasses.replace(model, covariance=alike * np.outer(spread, spread))


@pytest.mark.parametrize("lens", LENSES)
def test_a_lens_that_may_give_way_does_and_one_that_is_sure_stays(lens) -> None:
    truth, lenses, seen = scene(lens=lens, moments=40)
    name = "cam3"
    wrong = lenses[name].matrix * [[1.005, 1, 1], [1, 1.005, 1], [1, 1, 1]]
    off = dataclasses.replace(lenses[name], matrix=wrong)
    held = calibrate_places({**lenses, name: off}, seen, BOARD).cameras
    free = calibrate_places({**lenses, name: unsure(off)}, seen, BOARD).cameras
    assert np.array_equal(held[name].matrix, wrong)
    assert free[name].matrix[0, 0] == pytest.approx(lenses[name].matrix[0, 0], rel=2e-3)
    for other in set(lenses) - {name}:
        assert np.array_equal(free[other].matrix, lenses[other].matrix)
    assert errors(truth, free, FLOOR)[0] < 0.5 * errors(truth, held, FLOOR)[0]


def test_lenses_that_are_right_stay_within_what_is_known_of_them_and_the_scale_stays() -> None:
    truth, lenses, seen = scene()
    found = calibrate_places({name: unsure(one, 0.2) for name, one in lenses.items()}, seen, BOARD).cameras
    for one in truth:
        moved = found[one.name].matrix[[0, 1], [0, 1]] / one.matrix[[0, 1], [0, 1]] - 1
        assert np.abs(moved).max() < 2e-3
        a, b = found[one.name].pose, found[truth[0].name].pose
        assert a is not None
        assert b is not None
        assert one.pose is not None
        assert truth[0].pose is not None
        apart = np.linalg.norm(one.pose.centre - truth[0].pose.centre)
        assert np.linalg.norm(a.centre - b.centre) == pytest.approx(apart, abs=0.008)
