"""Left and right taken for each other: between looks at one picture, and between cameras."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_scenes import ring

from drivers.joints import BODY20
from drivers.simulator.body import Body
from fusion.geometry.lens import project
from fusion.geometry.sides import limbs, same_sides
from fusion.geometry.steady import limb_bones
from fusion.geometry.triangulate import Weights, triangulate
from fusion.skeletons import BLAZEPOSE33, other_sides
from fusion.vision.looks import agreed

MIRROR = other_sides(BODY20)
WEIGHTS = Weights(floor_px=4.0, spread=1.0, least_score=0.5, cutoff_px=26.0)
MOMENTS = 90
WHOLE, LEGS = slice(15, 50), slice(35, 75)


def truth() -> np.ndarray:
    """Somebody who walks on the spot: (T, 20, 3) m."""
    joints = Body(3, ["walk"]).pose(np.arange(MOMENTS) / 30).joints
    return joints - joints[:, :1] * [1.0, 1.0, 0.0]


def seen(count: int, noise_px: float = 3.0):
    """What cameras around see of it: the cameras, the body, and pixels, scores and variances."""
    cameras, body = ring(count), truth()
    rng = np.random.default_rng(8)
    pixels = np.stack([project(one, body) for one in cameras])
    pixels += rng.normal(0, noise_px, pixels.shape)
    return cameras, body, (pixels, np.ones(pixels.shape[:3]), np.zeros((*pixels.shape[:3], 3)))


def swap(pixels: np.ndarray, camera: int, moments: slice, group: np.ndarray) -> None:
    pixels[camera, moments, group[:, None]] = pixels[camera, moments, MIRROR[group][:, None]]


def places(cameras, key_points) -> np.ndarray:
    pixels, score, variance = (each.reshape(len(cameras), -1, *each.shape[3:]) for each in key_points)
    return triangulate(cameras, pixels, score, variance, WEIGHTS).places.reshape(MOMENTS, -1, 3)


def test_swapped_sides_are_found_and_a_hidden_leg_does_not_matter() -> None:
    cameras, body, (pixels, score, variance) = seen(4)
    whole, legs, _ = limbs(BODY20)
    swap(pixels, 1, WHOLE, whole)
    swap(pixels, 2, LEGS, legs)
    hidden = [BODY20.index(name) for name in ("right_knee", "right_ankle", "right_foot")]
    pixels[3][:, hidden] += np.random.default_rng(9).normal(0, 60, (MOMENTS, 3, 2))  # a guess, and it says so
    score[3][:, hidden] = 0.55
    key_points = (pixels, score, variance)
    (mended, *rest), swapped = same_sides(cameras, BODY20, key_points, WEIGHTS)
    assert not swapped[[0, 3]].any()
    # Where a limb hides its counterpart a swap changes nothing that could be seen.
    assert swapped[1, WHOLE].mean() > 0.95
    assert swapped[2, LEGS].mean() > 0.7
    assert not np.delete(swapped[1], np.r_[WHOLE]).any()
    assert not np.delete(swapped[2], np.r_[LEGS]).any()
    before, after = places(cameras, key_points), places(cameras, (mended, *rest))
    error = [np.nan_to_num(np.linalg.norm(each - body, axis=-1), nan=1.0) for each in (before, after)]
    assert np.percentile(error[1], 99) < 0.06
    assert (error[1] > 0.1).mean() < 0.001 < 0.02 < (error[0] > 0.1).mean()
    clean = places(*seen(4)[::2])
    for sound, mended_bone in zip(limb_bones(BODY20, clean), limb_bones(BODY20, after), strict=True):
        assert mended_bone.known == 1
        assert mended_bone.plain_variation < 1.3 * sound.plain_variation
    assert max(bone.plain_variation for bone in limb_bones(BODY20, before)) > 10


@pytest.mark.parametrize("count", [2, 3, 4, 8])
def test_sides_that_are_right_stay(count: int) -> None:
    cameras, _, key_points = seen(count, 6.0)
    mended, swapped = same_sides(cameras, BODY20, key_points, WEIGHTS)
    assert not swapped.any()
    assert all(np.array_equal(a, b) for a, b in zip(mended, key_points, strict=True))


@pytest.mark.parametrize("count", [2, 4])
def test_where_half_of_the_cameras_contradict_the_others_nothing_is_guessed(count: int) -> None:
    cameras, _, key_points = seen(count)
    for camera in range(count // 2):
        swap(key_points[0], camera, slice(None), limbs(BODY20)[0])
    _, swapped = same_sides(cameras, BODY20, key_points, WEIGHTS)
    # Where legs hide each other in one camera it has no say, and the three others have a majority.
    assert swapped.any(0).mean() < 0.1
    assert not swapped[count // 2 :].any()


def test_a_limb_is_all_that_hangs_below_hip_or_shoulder() -> None:
    whole, legs, arms = ({BLAZEPOSE33[j] for j in group} for group in limbs(BLAZEPOSE33))
    assert whole == set(BLAZEPOSE33) - {"nose"}
    assert {"left_knee", "right_foot_index", "left_heel"} < legs
    assert {"right_elbow", "left_index", "right_thumb"} < arms
    assert not legs & arms
    assert not {"left_hip", "right_shoulder", "left_eye"} & (legs | arms)


def looks(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Several looks at one body, each a little off: the body (J, 2) and looks (K, J, 2), px."""
    rng = np.random.default_rng(10)
    body = rng.uniform(0, 600, (len(BLAZEPOSE33), 2))
    return body, body + rng.normal(0, 5, (count, *body.shape))


def test_looks_that_took_left_for_right_and_looks_in_between_do_not_spoil_the_mean() -> None:
    body, points = looks(5)
    mirror = other_sides(BLAZEPOSE33)
    points[1] = points[1][mirror]
    points[3] = (points[3] + points[3][mirror]) / 2
    scores = np.full(points.shape[:2], 0.9)
    scores[3] = 0.1
    where, score, variance = agreed(points, scores, mirror, 25.0)
    assert np.linalg.norm(where - body, axis=1).mean() < 5
    assert score == pytest.approx(0.9)
    assert np.sqrt(variance[:, [0, 2]]).max() < 15
    assert np.linalg.norm(points.mean(0) - body, axis=1).mean() > 50  # as a mean of all would have been


def test_a_draw_is_decided_by_the_first_look() -> None:
    body, points = looks(4)
    mirror = other_sides(BLAZEPOSE33)
    for first, others in ((False, [1, 2]), (True, [0, 3])):
        tried = points.copy()
        tried[others] = tried[others][:, mirror]
        where, _, _ = agreed(tried, np.ones(points.shape[:2]), mirror, 25.0)
        expected = body[mirror] if first else body
        assert np.linalg.norm(where - expected, axis=1).mean() < 6


def test_looks_that_all_contradict_each_other_are_told_as_unsure() -> None:
    _, points = looks(2)
    points[1] += 200.0
    where, _, variance = agreed(points, np.ones(points.shape[:2]), other_sides(BLAZEPOSE33), 25.0)
    assert np.array_equal(where, points[0])
    assert np.sqrt(variance[:, 0]).min() > 100
