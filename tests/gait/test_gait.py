import itertools
import math

import numpy as np
import pytest

from benchmarks.live import gait as benchmark
from fusion.gait import FootContacts, GaitTracker
from fusion.gait.contacts import SETTLED_S

RATE_HZ = 60.0


def walk(times, left_s=0.5, right_s=0.5, stance=0.62, noise=0.0, seed=0):
    """Return contacts and their probabilities (T, 2), ankles (T, 2, 3), and when feet come down."""
    stride = left_s + right_s
    truth = np.zeros((len(times), 2), bool)
    strikes = []
    for foot, first in ((0, 0.0), (1, right_s)):
        phase = ((times - 0.3 - first) / stride) % 1.0
        truth[:, foot] = (phase < stance) & (times >= 0.3)
        strikes += [(t, foot) for t in np.arange(0.3 + first, times[-1], stride)]
    logit = np.where(truth, 4.0, -4.0)
    kernel = np.ones(5) / 5
    logit = np.stack([np.convolve(np.pad(logit[:, k], 2, "edge"), kernel, "valid") for k in (0, 1)], axis=1)
    logit += np.random.default_rng(seed).normal(0, noise, logit.shape)
    ankles = np.zeros((len(times), 2, 3))
    for foot in (0, 1):
        ankles[:, foot, 0] = np.where(truth[:, foot], 0.3, -0.3)
    return truth, 1 / (1 + np.exp(-logit)), ankles, sorted(strikes)


def run(tracker, times, probability, feet=None):
    return [
        step
        for row, time in enumerate(times)
        for step in tracker.update(round(time * 1e9), probability[row], None if feet is None else feet[row])
    ]


TIMES = np.arange(0, 12, 1 / RATE_HZ)


def test_steps_are_told_once_with_their_side_moment_and_a_delay_that_is_bounded():
    _, probability, ankles, strikes = walk(TIMES, noise=0.7)
    steps = run(GaitTracker(), TIMES, probability, ankles)
    true = [(t, foot) for t, foot in strikes if 0.5 < t < TIMES[-1] - 0.3]
    mine = [s for s in steps if 0.5 < s.time / 1e9 < TIMES[-1] - 0.3]
    assert [s.side == "right" for s in mine] == [bool(foot) for _, foot in true]
    off = np.array([s.time / 1e9 for s in mine]) - np.array([t for t, _ in true])
    assert np.abs(off).max() < 0.03
    assert all(0 < s.told - s.time <= (SETTLED_S + 2.5 / RATE_HZ) * 1e9 for s in mine)
    assert all(s.step_s == pytest.approx(0.5, abs=0.04) for s in mine[2:])
    assert all(s.stride_s == pytest.approx(1.0, abs=0.04) for s in mine[3:])


def test_cadence_and_symmetry_of_an_uneven_walk_are_those_it_has():
    _, probability, ankles, _ = walk(TIMES, left_s=0.6, right_s=0.4)
    tracker = GaitTracker()
    run(tracker, TIMES, probability, ankles)
    gait = tracker.gait()
    assert gait is not None
    assert gait.cadence == pytest.approx(120.0, rel=0.01)
    assert gait.step_s == pytest.approx((0.6, 0.4), abs=0.02)
    assert gait.step_symmetry == pytest.approx(-40.0, abs=6.0)
    assert gait.stance_s == pytest.approx((0.62, 0.62), abs=0.03)
    assert gait.swing_s == pytest.approx((0.38, 0.38), abs=0.03)
    assert gait.stance_symmetry == pytest.approx(0.0, abs=3.0)
    assert gait.double_support == pytest.approx(0.24, abs=0.04)
    assert tracker.walking(round(TIMES[-1] * 1e9))
    assert not tracker.walking(round((TIMES[-1] + 3.0) * 1e9))


def test_cadence_is_that_of_the_walk_where_a_step_was_missed_and_another_told_twice():
    truth, probability, ankles, _ = walk(TIMES)
    swing = np.flatnonzero(~truth[:, 0])
    missed = swing[(TIMES[swing] > 7.4) & (TIMES[swing] < 8.3)]
    probability[missed, 0] = 0.99
    probability[(TIMES > 9.7) & (TIMES < 9.82), 1] = 0.05
    tracker = GaitTracker()
    run(tracker, TIMES, probability, ankles)
    gait = tracker.gait()
    assert gait is not None
    assert gait.cadence == pytest.approx(120.0, rel=0.02)


def test_a_flicker_and_a_foot_that_did_not_move_are_no_steps():
    times = np.arange(0, 6, 1 / RATE_HZ)
    probability = np.full((len(times), 2), 0.95)
    probability[100:104] = 0.2  # shorter than it takes to settle
    probability[200:230, 0] = 0.1
    still = np.zeros((len(times), 2, 3))
    assert run(GaitTracker(), times, probability, still) == []
    moved = still.copy()
    moved[200:230, 0, 2] = 0.15
    (step,) = run(GaitTracker(), times, probability, moved)
    assert step.side == "left"
    assert step.time / 1e9 == pytest.approx(230 / RATE_HZ, abs=0.02)


def test_after_a_pause_a_bout_begins_anew_and_its_first_step_has_no_step_time():
    _, probability, ankles, _ = walk(TIMES)
    tracker = GaitTracker()
    run(tracker, TIMES, probability, ankles)
    before = tracker.steps
    later = TIMES + 20.0
    steps = run(tracker, later, probability, ankles)
    assert steps[0].number == 1
    assert math.isnan(steps[0].step_s)
    assert tracker.steps == before + len(steps)


def test_contacts_alternate_for_each_foot_and_unknown_probabilities_tell_nothing():
    _, probability, _, _ = walk(TIMES, noise=1.0)
    feet = FootContacts()
    told = [c for row, t in enumerate(TIMES) for c in feet.update(round(t * 1e9), probability[row])]
    for side in ("left", "right"):
        states = [c.on for c in told if c.side == side]
        assert states
        assert all(a != b for a, b in itertools.pairwise(states))
    unknown = FootContacts()
    assert [c for t in TIMES for c in unknown.update(round(t * 1e9), (np.nan, np.nan))] == []
    assert unknown.standing == (None, None)


def test_the_true_contacts_of_simulated_walks_give_their_steps_and_cadence():
    motion = benchmark.simulated_walk(3, 24.0)
    truth = motion.contacts.numpy()
    score = benchmark.Score()
    probability = np.where(truth, 0.98, 0.02)
    ankles = motion.joints.numpy()[:, benchmark.ANKLES]
    benchmark.score(probability, ankles, truth, score)
    assert score.missed == score.wrong == 0
    assert score.right > 15
    assert max(map(abs, score.off_s)) < 0.01
    assert max(map(abs, score.cadence)) < 0.01


def test_the_benchmark_prints_its_figures_and_goals(capsys):
    assert benchmark.main(["--bodies=1", "--seconds=6"]) == 0
    out = capsys.readouterr().out
    assert "F1 " in out
    assert out.count("goal") == 3
