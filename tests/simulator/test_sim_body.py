"""The virtual body moves as a body does, and the same way each time."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from drivers.errors import ConfigError
from drivers.places import PLACES
from drivers.simulator.actions import ACTIONS
from drivers.simulator.anatomy import BONES, JOINT, BodyShape
from drivers.simulator.body import GRAVITY, Body
from drivers.simulator.rotations import from_rotation_vector


@pytest.fixture(scope="module", params=range(4))
def body(request):
    return Body(seed=request.param, shape=BodyShape.random(np.random.default_rng(request.param)))


@pytest.fixture(scope="module")
def times():
    return np.arange(0.0, 90.0, 1 / 200)


@pytest.fixture(scope="module")
def pose(body, times):
    return body.pose(times)


def test_bones_keep_their_lengths(pose):
    for a, b in BONES:
        length = np.linalg.norm(pose.joints[:, JOINT[a]] - pose.joints[:, JOINT[b]], axis=-1)
        assert np.ptp(length) < 1e-6, (a, b)


def test_bones_have_the_lengths_of_the_shape(body, pose):
    for side in ("left", "right"):
        for a, b, wanted in (
            ("shoulder", "elbow", body.shape.upper_arm),
            ("elbow", "wrist", body.shape.forearm),
            ("hip", "knee", body.shape.thigh),
            ("knee", "ankle", body.shape.shin),
        ):
            found = pose.joints[:, JOINT[f"{side}_{a}"]] - pose.joints[:, JOINT[f"{side}_{b}"]]
            np.testing.assert_allclose(np.linalg.norm(found, axis=-1), wanted, atol=1e-6)


def test_a_foot_in_contact_stays_and_one_in_the_air_moves(pose):
    speed = np.linalg.norm(np.diff(pose.joints, axis=0) * 200, axis=-1)
    for foot, side in enumerate(("left", "right")):
        resting = pose.contacts[1:, foot] & pose.contacts[:-1, foot]
        assert 0.3 < resting.mean() < 1.0
        for joint in ("ankle", "foot"):
            assert speed[resting, JOINT[f"{side}_{joint}"]].max() < 1e-6
        assert np.median(speed[~resting, JOINT[f"{side}_ankle"]]) > 0.2


def test_feet_stand_on_the_floor_and_never_below(body, pose):
    ankles = pose.joints[:, [JOINT["left_ankle"], JOINT["right_ankle"]], 2]
    np.testing.assert_allclose(ankles[pose.contacts], body.shape.ankle_height, atol=1e-9)
    assert pose.joints[..., 2].min() > 0.0


def test_orientations_are_rotations_and_follow_the_bones(body, pose):
    rotation = pose.orientations
    identity = np.broadcast_to(np.eye(3), rotation.shape)
    np.testing.assert_allclose(rotation @ np.swapaxes(rotation, -1, -2), identity, atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0, atol=1e-6)
    shin = pose.joints[:, JOINT["left_knee"]] - pose.joints[:, JOINT["left_ankle"]]
    along = rotation[:, PLACES.index("left_shin"), :, 2]
    np.testing.assert_allclose(along * body.shape.shin, shin, atol=1e-6)


def test_motion_is_smooth_in_position_and_velocity_and_humanly_fast(pose):
    velocity = np.diff(pose.joints, axis=0) * 200
    acceleration = np.diff(velocity, axis=0) * 200
    assert np.linalg.norm(velocity, axis=-1).max() < 10.0
    assert np.linalg.norm(acceleration, axis=-1).max() < 16 * GRAVITY


def test_the_body_stays_where_the_camera_sees_it(pose):
    assert np.abs(pose.joints[..., :2]).max() < 2.2


def test_the_same_seed_gives_the_same_motion_however_it_is_asked_for():
    times = np.linspace(0.0, 70.0, 50)
    whole = Body(seed=5).pose(times).joints
    body = Body(seed=5)
    body.pose([400.0])  # plans far ahead
    one_by_one = np.concatenate([body.pose([t]).joints for t in times[::-1]])[::-1]
    assert np.abs(whole - one_by_one).max() < 1e-12
    assert np.abs(Body(seed=6).pose(times).joints - whole).max() > 0.1


def test_every_action_comes_and_labels_agree_with_the_segments():
    body = Body(seed=2)
    segments = body.segments(0.0, 60.0)
    assert {s.action for s in segments} == set(ACTIONS)
    assert all(a.stop == b.start for a, b in itertools.pairwise(segments))
    middles = np.array([(s.start + s.stop) / 2 for s in segments])
    assert [ACTIONS[i] for i in body.actions(middles)] == [s.action for s in segments]


def test_a_script_is_done_in_turn_and_an_unknown_action_is_refused():
    body = Body(script=("clap", "jump"))
    assert [s.action for s in body.segments(0.0, 20.0)][:3] == ["clap", "jump", "clap"]
    with pytest.raises(ConfigError, match="no action 'fly'"):
        Body(script=("fly",))


def test_hands_meet_at_claps_and_only_there():
    body = Body(script=("clap",), seed=1)
    claps = np.array([i.time for i in body.impacts(0.0, 30.0) if i.kind == "clap"])
    gap = np.linalg.norm(np.subtract(*_hands(body, claps)), axis=-1)
    between = np.linalg.norm(np.subtract(*_hands(body, (claps[1:] + claps[:-1]) / 2)), axis=-1)
    assert len(claps) > 10
    assert gap.max() < 0.07
    assert np.median(between) > 0.3


def _hands(body, times):
    joints = body.pose(times).joints
    return joints[:, JOINT["left_hand"]], joints[:, JOINT["right_hand"]]


def test_steps_are_heard_when_the_foot_arrives():
    body = Body(script=("walk", "jump"), seed=1)
    for impact in body.impacts(0.0, 20.0):
        foot = ("left", "right").index(impact.side)
        before, after = body.pose([impact.time - 0.01, impact.time + 1e-6]).contacts[:, foot]
        assert not before
        assert after


def test_both_feet_fly_in_a_jump():
    body = Body(script=("jump",), seed=4)
    contacts = body.pose(np.arange(0.0, 10.0, 0.01)).contacts
    assert (~contacts).all(1).mean() > 0.05


def test_a_sensor_at_rest_reads_gravity_upward():
    body = Body(script=("stand",), sway=0.0)
    inertial = body.inertial(np.arange(1.0, 2.0, 0.01))
    upward = np.einsum("tpij,tpj->tpi", inertial.orientations, inertial.specific_force)
    assert upward == pytest.approx(np.broadcast_to([0.0, 0.0, GRAVITY], upward.shape), abs=1e-3)
    assert inertial.angular_rate == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("place", ["pelvis", "left_shin", "right_forearm", "head"])
def test_integrated_angular_rate_agrees_with_the_orientation(place):
    body, rate = Body(seed=3), 1000
    times = np.arange(0.0, 20.0, 1 / rate)
    middle = body.inertial(times + 0.5 / rate, (place,))
    turn = np.eye(3)
    truth = body.pose(times).orientations[:, PLACES.index(place)]
    steps = from_rotation_vector(middle.angular_rate[:, 0] / rate)
    turn = truth[0]
    worst = 0.0
    for k in range(len(times) - 1):
        turn = turn @ steps[k]
        worst = max(worst, np.abs(turn - truth[k + 1]).max())
    assert worst < 0.01


def test_twice_integrated_specific_force_agrees_with_the_position():
    body, rate = Body(seed=3), 500
    times = np.arange(4.0, 9.0, 1 / rate)
    inertial = body.inertial(times, ("left_forearm",))
    force = np.einsum("tij,tj->ti", inertial.orientations[:, 0], inertial.specific_force[:, 0])
    acceleration = force - [0.0, 0.0, GRAVITY]
    where = body.pose(times).sensors[:, PLACES.index("left_forearm")]
    start = (where[1] - where[0]) * rate - acceleration[0] / (2 * rate)
    velocity = start + np.vstack(
        [np.zeros(3), np.cumsum(acceleration[1:] + acceleration[:-1], 0) / (2 * rate)]
    )
    moved = np.vstack([np.zeros(3), np.cumsum(velocity[1:] + velocity[:-1], 0) / (2 * rate)])
    np.testing.assert_allclose(where - where[0], moved, atol=0.01)
    assert np.ptp(where, axis=0).max() > 0.3


def test_a_minute_of_poses_takes_a_tenth_of_a_second_at_most():
    body, times = Body(seed=9), np.arange(0, 60, 1 / 60)
    body.pose(times[:1])
    best = min(_timed(lambda: body.pose(times)) for _ in range(5))
    assert best < 0.1


def _timed(call):
    start = time.process_time()
    call()
    return time.process_time() - start


def test_a_shape_has_the_stature_asked_for():
    assert BodyShape.scaled(1.6).stature == pytest.approx(1.6)
    head = Body(script=("stand",), shape=BodyShape.scaled(1.6)).pose([0.5]).joints[0, JOINT["head"], 2]
    assert 1.4 < head < 1.6
