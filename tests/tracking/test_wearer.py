import numpy as np
import pytest

from benchmarks.live import wearer as benchmark
from drivers.places import PLACES
from fusion.skeletons import BODY20
from fusion.tracking.wearer import WearerFinder

RATE_HZ = 60
SHIN = PLACES.index("left_shin")


def swinging(phase, size=0.6):
    """Return joints (20, 3), camera axes, of a body whose left shin swings, and the shin's rotation."""
    angle = size * np.sin(phase)
    joints = np.full((20, 3), np.nan)
    joints[BODY20.index("left_knee")] = 0.0
    joints[BODY20.index("left_ankle")] = 0.43 * np.array([np.sin(angle), np.cos(angle), 0.0])
    cos, sin = np.cos(angle), np.sin(angle)
    heading = 1.1  # the sensor's world is turned about the vertical, and the finder must not care
    level = np.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]])
    turn = np.array(
        [[np.cos(heading), -np.sin(heading), 0], [np.sin(heading), np.cos(heading), 0], [0, 0, 1]]
    )
    return joints, turn @ level


def inertial(rotation):
    row = np.zeros((len(PLACES), 12))
    row[SHIN, 6:9], row[SHIN, 9:] = rotation[:, 0], rotation[:, 1]
    present = np.zeros(len(PLACES))
    present[SHIN] = 1.0
    return row, present


def play(finder, seconds, true, others, start_s=0.0):
    """Let everybody swing at a rate of their own, Hz; the sensors are those of ``true``; return beliefs."""
    out = []
    for row in range(round(seconds * RATE_HZ)):
        at = start_s + row / RATE_HZ
        time = round(at * 1e9)
        rates = {1: 0.7, 2: 1.1, 3: 0.45}
        bodies = {number: swinging(2 * np.pi * rates[number] * at) for number in (true, *others)}
        finder.feel(time, *inertial(bodies[true][1]))
        if row % 2 == 0:
            out.append(finder.see(time, {number: joints for number, (joints, _) in bodies.items()}))
    return out


def test_who_moves_as_the_sensor_says_wears_it_whatever_its_heading():
    beliefs = play(WearerFinder(), 6.0, 2, (1, 3))
    assert {belief.wearer for belief in beliefs if belief.time > 3e9} == {2}
    assert beliefs[-1].probability[2] > 0.9
    assert sum(beliefs[-1].probability.values()) == pytest.approx(1.0)


def test_a_sensor_that_changes_hands_is_noticed_within_three_seconds():
    finder = WearerFinder()
    play(finder, 8.0, 1, (2, 3))
    beliefs = play(finder, 5.0, 3, (1, 2), start_s=8.0)
    assert {belief.wearer for belief in beliefs if belief.time > 11e9} == {3}


def test_while_nobody_leads_nobody_is_named():
    finder = WearerFinder()
    for row in range(240):
        joints, rotation = swinging(0.0, 0.0)
        finder.feel(round(row / RATE_HZ * 1e9), *inertial(rotation))
        belief = finder.see(round(row / RATE_HZ * 1e9), {1: joints, 2: joints})
        assert belief.wearer is None
    assert belief.probability == pytest.approx({1: 0.5, 2: 0.5})


def test_the_wearer_stays_the_wearer_while_nothing_is_known():
    finder = WearerFinder()
    play(finder, 5.0, 2, (1, 3))
    hidden = np.full((20, 3), np.nan)
    for row in range(120):
        belief = finder.see(round((5.0 + row / RATE_HZ) * 1e9), {1: hidden, 2: hidden, 3: hidden})
    assert belief.wearer == 2
    assert finder.see(round(7.1e9), {}).wearer == 2


def test_without_sensors_nobody_is_named():
    finder = WearerFinder()
    for row in range(120):
        joints, _ = swinging(0.1 * row)
        belief = finder.see(round(row / RATE_HZ * 1e9), {1: joints, 2: joints * 0.9})
        assert belief.wearer is None


def test_a_joint_that_is_seen_wrongly_once_decides_nothing():
    finder = WearerFinder()
    play(finder, 5.0, 1, (2, 3))
    joints, rotation = swinging(0.3)
    wrong = joints.copy()
    wrong[BODY20.index("left_ankle")] = [0.0, -0.4, 0.0]
    finder.feel(round(5.1e9), *inertial(rotation))
    assert finder.see(round(5.1e9), {1: wrong, 2: joints, 3: joints}).wearer == 1


def test_among_simulated_people_the_wearer_is_named(capsys):
    assert benchmark.main(["--rounds=1", "--seconds=16"]) == 0
    out = capsys.readouterr().out
    share = float(out.split("named in ")[1].split("%")[0])
    assert share >= 98.0
