"""Joints follow from rotations and bone lengths, exactly, in batches, and differentiably."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drivers.errors import DataError
from drivers.joints import BODY20
from drivers.places import PLACES
from drivers.simulator.anatomy import BodyShape
from drivers.simulator.body import Body
from fusion.segments import JOINT, SEGMENT, SEGMENTS
from fusion.virtual.kinematics import forward, orientations
from fusion.virtual.motion import Motion, Motions, Skeleton
from fusion.virtual.simulated import of_body, simulated


@pytest.fixture(scope="module")
def body() -> Body:
    return Body(seed=3, shape=BodyShape.random(np.random.default_rng(3)))


@pytest.fixture(scope="module")
def times() -> np.ndarray:
    return np.arange(0.0, 40.0, 1 / 60)


@pytest.fixture(scope="module")
def motion(body, times) -> Motion:
    return of_body(body, times, 60.0, "a")


def upright(shape: BodyShape | None = None):
    skeleton = Skeleton.of_shape(shape or BodyShape())
    return forward(torch.eye(3).expand(15, 3, 3), skeleton.offsets, torch.zeros(3)), skeleton


def test_identity_frames_are_a_body_that_stands_upright_with_hanging_arms_and_looks_along_x():
    posed, _ = upright()
    at = {name: posed.joints[JOINT[name]] for name in BODY20}
    assert at["head"][2] > at["neck"][2] > at["spine"][2] > at["pelvis"][2] > at["left_knee"][2]
    assert at["left_shoulder"][2] > at["left_elbow"][2] > at["left_wrist"][2] > at["left_hand"][2]
    assert at["left_hip"][1] > 0 > at["right_hip"][1]
    assert at["left_foot"][0] - at["left_ankle"][0] > 0.1
    assert at["head"][0] > 0


def test_joints_are_those_of_the_simulated_body(body, times, motion):
    pose = body.pose(times)
    for name in BODY20:
        if name not in ("neck", "spine"):
            error = motion.joints[:, JOINT[name]].numpy() - pose.joints[:, JOINT[name]]
            assert np.abs(error).max() < 2e-6, name
    np.testing.assert_allclose(motion.orientations, pose.orientations, atol=1e-6)
    assert motion.orientations.shape == (len(times), len(PLACES), 3, 3)


def test_neck_and_spine_lie_where_they_are_defined_to_lie(motion):
    joints = {name: motion.joints[:, JOINT[name]] for name in BODY20}
    neck = 0.5 * (joints["left_shoulder"] + joints["right_shoulder"])
    torch.testing.assert_close(joints["neck"], neck, atol=1e-5, rtol=0)
    torch.testing.assert_close(joints["spine"], 0.6 * joints["pelvis"] + 0.4 * neck, atol=1e-5, rtol=0)


def test_segments_begin_at_their_joints_and_the_chest_where_the_trunk_bends(motion, body):
    origins = motion.posed.origins
    for name, joint in (("left_thigh", "left_hip"), ("right_hand", "right_wrist"), ("pelvis", "pelvis")):
        assert torch.equal(origins[:, SEGMENT[name]], motion.joints[:, JOINT[joint]])
    bend = origins[:, SEGMENT["chest"]] - motion.joints[:, JOINT["pelvis"]]
    torch.testing.assert_close(
        bend.norm(dim=-1), torch.full((len(motion),), body.shape.pelvis_to_spine), atol=1e-5, rtol=0
    )


def test_a_shrug_lifts_shoulders_and_neck_but_not_the_head():
    posed, skeleton = upright()
    girdle = torch.zeros(3, 3)
    girdle[1:, 2] = 0.03
    shrugged = forward(torch.eye(3).expand(15, 3, 3), skeleton.offsets, torch.zeros(3), girdle)
    moved = (shrugged.joints - posed.joints)[:, 2]
    assert moved[JOINT["neck"]] == pytest.approx(0.03, abs=1e-6)
    assert moved[JOINT["left_hand"]] == pytest.approx(0.03, abs=1e-6)
    assert moved[JOINT["head"]] == moved[JOINT["left_hip"]] == 0.0
    assert moved[JOINT["spine"]] == pytest.approx(0.012, abs=1e-6)


def test_a_batch_equals_its_rows(motion):
    other = simulated(9, 10.0)
    batch = Motions.windows([motion, other], [60, 120], 90)
    posed = batch.posed()
    torch.testing.assert_close(posed.joints[0], motion.joints[60:150])
    torch.testing.assert_close(posed.joints[1], other.joints[120:210])
    torch.testing.assert_close(batch.soles()[1], other.soles[120:210])


def test_gradients_reach_rotations_and_bone_lengths():
    skeleton = Skeleton.of_shape(BodyShape()).offsets.double().requires_grad_()
    frames = torch.linalg.qr(torch.randn(2, 15, 3, 3, generator=torch.Generator().manual_seed(1)).double())[0]
    frames.requires_grad_()
    root = torch.zeros(2, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda r, s: forward(r, s, root).joints, (frames, skeleton))


def test_soles_of_a_standing_body_are_on_the_ground():
    motion = simulated(4, 10.0)
    lowest = motion.soles[..., 2].amin(dim=-1)
    standing = lowest[motion.contacts]
    assert standing.abs().max() < 0.015


def test_legs_tell_the_stature():
    assert Skeleton.of_shape(BodyShape()).stature == pytest.approx(1.75, abs=0.002)
    small, tall = (Skeleton.of_shape(BodyShape.scaled(size)).stature for size in (1.5, 2.0))
    assert tall / small == pytest.approx(2.0 / 1.5)


def test_a_short_clip_stands_still_at_its_end(motion):
    batch = Motions.windows([motion], [len(motion) - 5], 20)
    assert torch.equal(batch.root[0, 5:], motion.root[-1:].expand(15, 3))


def test_windows_know_their_actions(motion):
    names = ["walk", "stand"]
    action = motion.actions(names)
    label = next(label for label in motion.labels if label.action in names)
    row = round(0.5 * (label.start_s + label.stop_s) * motion.rate_hz)
    assert names[int(action[row])] == label.action
    assert torch.equal(Motions.windows([motion], [row], 4, names).action[0], action[row : row + 4])


@pytest.mark.parametrize(
    ("field", "value"),
    [("root", torch.full((4, 3), torch.nan)), ("rotations", torch.zeros(4, 16, 3, 3)), ("rate_hz", 0.0)],
)
def test_what_is_no_motion_is_refused(field, value):
    good = {
        "rate_hz": 60.0,
        "skeleton": Skeleton.of_shape(BodyShape()),
        "rotations": torch.eye(3).expand(4, len(SEGMENTS), 3, 3),
        "root": torch.zeros(4, 3),
        "girdle": torch.zeros(4, 3, 3),
        "contacts": torch.ones(4, 2, dtype=torch.bool),
    }
    Motion("a", "b", "c", "d", **good)
    with pytest.raises(DataError, match="b a:"):
        Motion("a", "b", "c", "d", **(good | {field: value}))


def test_orientations_repeat_the_right_forearm(motion):
    places = orientations(motion.rotations)
    assert torch.equal(places[:, PLACES.index("unspecified")], motion.rotations[:, SEGMENT["right_forearm"]])
