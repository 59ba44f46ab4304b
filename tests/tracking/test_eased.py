import dataclasses

import numpy as np
import pytest
from test_motion_files import poses

from fusion.tracking.eased import Easing


@pytest.fixture
def two():
    _, body = poses(seconds=8.0)
    apart = [np.abs(each.joints - body[40].joints).max() for each in body]
    seen = np.full((20, 2), 100.0, np.float32)
    before = dataclasses.replace(body[40], keypoints=seen)
    after = dataclasses.replace(body[int(np.argmax(apart))], time=before.time, keypoints=seen + 30.0)
    assert np.abs(before.joints - after.joints).max() > 0.2
    return before, after


def test_at_first_the_pose_is_as_it_would_have_been(two):
    before, after = two
    eased = Easing(before, after)(after)
    np.testing.assert_allclose(eased.joints, before.joints, atol=1e-5)
    np.testing.assert_allclose(eased.rotations, before.rotations, atol=1e-4)
    np.testing.assert_allclose(eased.keypoints, before.keypoints, atol=1e-3)
    assert (eased.joints_var > after.joints_var)[np.abs(before.joints - after.joints).max(axis=1) > 0.1].all()


def test_the_difference_fades_without_a_jump(two):
    before, after = two
    easing, last = Easing(before, after), before
    for row in range(1, 100):
        now = easing(dataclasses.replace(after, time=after.time + round(row * 1e9 / 60)))
        assert np.linalg.norm(now.joints - last.joints, axis=1).max() < 0.1
        np.testing.assert_allclose(np.linalg.det(now.rotations), 1.0, atol=1e-4)
        last = now
    assert easing.over(last.time)
    np.testing.assert_allclose(last.joints, after.joints, atol=2e-3)
    np.testing.assert_allclose(last.joints_var, after.joints_var, atol=1e-5)


def test_a_place_in_the_picture_that_was_not_known_is_not_made_up(two):
    before, after = two
    blind = dataclasses.replace(before, keypoints=np.full((20, 2), np.nan, np.float32))
    np.testing.assert_array_equal(Easing(blind, after)(after).keypoints, after.keypoints)
