"""Several people in the live engine: a pose each, and the sensors with whom they move."""

import itertools

import numpy as np
import pytest
import torch

from benchmarks.live.stage import Stage, play, play_live
from fusion.features.spec import FeatureSpec
from fusion.model.net import FusionNet, NetConfig
from fusion.skeletons import BODY20
from fusion.tracking.crowd import UNSEEN, Crowd

IMUS = ("pelvis", "head", "left_forearm", "right_forearm", "left_shin", "right_shin")


@pytest.fixture
def crowd():
    torch.manual_seed(0)
    net = FusionNet(NetConfig(width=16, layers=1, heads=2, window=8))
    return Crowd(net, BODY20, FeatureSpec(), "traced")


def wearers(ticks, since=0.0, until=np.inf):
    """Return who wears the sensors at the ticks of a time, s."""
    there = [poses for poses in ticks if since <= poses[0].time / 1e9 < until]
    return {pose.person for poses in there for pose in poses if pose.wears}


def people(ticks, since=0.0, until=np.inf):
    """Return the sets of people that there were at the ticks of a time, s."""
    there = [poses for poses in ticks if since <= poses[0].time / 1e9 < until]
    return {frozenset(pose.person for pose in poses) for poses in there}


def test_everybody_has_a_pose_at_each_tick_and_the_sensors_feed_the_wearer_alone(crowd):
    ticks = play_live(Stage(0, 5.0), crowd, lambda s: 1)
    assert people(ticks, 1.0) == {frozenset({1, 2, 3})}
    assert wearers(ticks, 3.0) == {2}
    for poses in ticks:
        assert len({pose.time for pose in poses}) == 1
        assert [pose.wears for pose in poses] == [True] + [False] * (len(poses) - 1)
        for pose in poses[1:]:
            assert set(pose.fed) <= {"camera"}
    assert set(ticks[-1][0].fed) <= {"camera", *IMUS}
    assert len(ticks[-1][0].fed) > 4
    times = np.diff([poses[0].time for poses in ticks])
    assert set(times) <= {16_666_666, 16_666_667}


def test_sensors_that_change_hands_are_handed_over_and_everybody_goes_on_as_who_they_were(crowd):
    ticks = play(Stage(1, 14.0), crowd, lambda s: 0 if s < 7 else 2)
    assert wearers(ticks, 3.0, 7.0) == {1}
    assert wearers(ticks, 11.0) == {3}
    assert all(there >= {1, 2, 3} for there in people(ticks, 1.0))
    steps = {True: [], False: []}  # of the joints from tick to tick, where the sensors come or go and else
    for before, after in itertools.pairwise(ticks[60:]):
        last = {pose.person: pose for pose in before}
        for pose in (each for each in after if each.person in last):
            moved = np.linalg.norm(pose.joints - last[pose.person].joints, axis=1).max()
            steps[pose.wears != last[pose.person].wears].append(moved)
    assert len(steps[True]) == 2
    assert max(steps[True]) <= 1.2 * max(steps[False])


def test_while_nobody_is_in_view_the_sensors_alone_tell_and_who_comes_in_takes_over(crowd):
    ticks = play(Stage(2, 7.0, 1), crowd, lambda s: 0, lambda n, s: s >= 3)
    assert people(ticks, 0.0, 3.0) == {frozenset({UNSEEN})}
    before = [poses[0] for poses in ticks if poses[0].time < 3e9]
    assert all(pose.fed and set(pose.fed) <= set(IMUS) for pose in before[30:])
    assert all(np.isnan(pose.keypoints).all() for pose in before)
    assert people(ticks, 4.0) == {frozenset({1})}
    assert wearers(ticks, 4.0) == {1}


def test_a_wearer_who_leaves_goes_on_by_the_sensors_and_is_the_same_when_back(crowd):
    def visible(n, s):
        return n != 0 or not 5.0 <= s < 11.0  # longer than clothes are remembered

    ticks = play(Stage(3, 16.0, 2), crowd, lambda s: 0, visible)
    assert wearers(ticks, 3.0) == {1}
    assert people(ticks, 6.0, 11.0) == {frozenset({1, 2})}
    away = [poses[0] for poses in ticks if 7e9 < poses[0].time < 11e9]
    assert all(pose.fed and set(pose.fed) <= set(IMUS) for pose in away)
    assert people(ticks, 14.0) == {frozenset({1, 2})}
    assert "camera" in ticks[-1][0].fed


def test_a_wearer_who_is_hidden_for_a_moment_keeps_the_sensors(crowd):
    def visible(n, s):
        return n != 1 or not 4.0 <= s < 6.0

    ticks = play(Stage(4, 9.0), crowd, lambda s: 1, visible)
    assert wearers(ticks, 3.0) == {2}


def test_who_is_in_view_alone_but_moves_otherwise_is_not_the_wearer(crowd):
    ticks = play(Stage(5, 8.0, 2), crowd, lambda s: 1, lambda n, s: n == 0)
    assert wearers(ticks, 5.0) == {UNSEEN}
    assert people(ticks, 5.0) == {frozenset({UNSEEN, 1})}


def test_a_wearer_who_sits_still_stays_the_wearer_beside_others(crowd):
    stage = Stage(6, 16.0)
    stage.stand_still(1, 5.0)
    ticks = play(stage, crowd, lambda s: 1)
    assert wearers(ticks, 3.0) == {2}


def test_a_picture_on_the_wall_never_wears_the_sensors(crowd):
    stage = Stage(7, 12.0, 2)
    stage.stand_still(0, 0.0, sensors=False)
    ticks = play(stage, crowd, lambda s: 1, lambda n, s: n == 0 or s < 6.0)
    assert wearers(ticks, 3.0) == {2}


def test_who_is_chosen_wears_the_sensors_until_it_is_found_again(crowd):
    def on_picture(s):
        if s == pytest.approx(4.0):
            crowd.choose(3)
        elif s == pytest.approx(7.0):
            crowd.choose(None)

    ticks = play(Stage(0, 12.0), crowd, lambda s: 1, on_picture=on_picture)
    assert wearers(ticks, 3.0, 3.7) == {2}
    assert wearers(ticks, 4.1, 6.7) == {3}
    assert wearers(ticks, 10.0) == {2}


def test_without_sensors_nobody_wears_them_and_everybody_is_seen(crowd):
    ticks = play(Stage(8, 4.0, keep=()), crowd, lambda s: None)
    assert wearers(ticks) == set()
    assert people(ticks, 1.0) == {frozenset({1, 2, 3})}


def test_a_person_goes_on_alike_whoever_else_is_there(crowd):
    torch.manual_seed(0)
    other = Crowd(
        FusionNet(NetConfig(width=16, layers=1, heads=2, window=8)), BODY20, FeatureSpec(), "traced"
    )
    both = play(Stage(9, 4.0, 2, keep=()), crowd, lambda s: None)
    alone = play(Stage(9, 4.0, 2, keep=()), other, lambda s: None, lambda n, s: n == 0)
    pairs = [(mine[0], yours[0]) for mine, yours in zip(both, alone, strict=True)]
    np.testing.assert_allclose(pairs[-1][0].joints, pairs[-1][1].joints, atol=1e-5)
    np.testing.assert_allclose(pairs[-1][0].keypoints, pairs[-1][1].keypoints, atol=1e-3)
