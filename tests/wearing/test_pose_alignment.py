"""Sensor-to-bone alignment of simulated wearers: right for those who do as told, and poor ones are told."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.devices import wearing
from drivers.simulator.wearer import EXACT, Habits
from drivers.simulator.worn import Mount, Part
from fusion.calibrate.pose.align import align
from fusion.calibrate.pose.steps import ALL_PLACES, STEP, expectations, steps_for

PERFECT = Part(0.0, (0.0, 0.0), 0.0, 0.0, (0.0, 0.0), 0.0)


def found_of(run, seed, part=None, habits=None):
    part, habits = part or Part(accel_bias=(1.0, 4.0)), habits or Habits()
    return align(wearing.measure(run, seed, part, calibrated=False, habits=habits), run.windows)


def test_who_does_exactly_as_told_is_aligned_exactly():
    run = wearing.plan(np.random.default_rng(1))
    run.mounts = {
        place: Mount(Rotation.random(random_state=i), 0.0, 0.0) for i, place in enumerate(ALL_PLACES)
    }
    found = found_of(run, 1, PERFECT, EXACT)
    assert list(found) == list(ALL_PLACES)
    for place, one in found.items():
        assert one.good, one.problems
        assert wearing.residual_deg(one, run.mounts[place]) < 0.3, place


def test_residuals_of_imperfect_wearers_stay_within_what_is_predicted():
    residuals, predicted = [], []
    for seed in range(4):
        run = wearing.plan(np.random.default_rng(seed))
        for place, one in found_of(run, seed).items():
            assert one.good, one.problems
            residuals.append(wearing.residual_deg(one, run.mounts[place]))
            predicted.append(one.error_deg)
    assert np.median(residuals) < 3.0
    assert np.mean(np.array(residuals) < 2.2 * np.array(predicted)) > 0.95


@pytest.mark.parametrize("name", wearing.FAULTS)
def test_a_fault_is_told(name):
    flagged = []
    for seed in range(3):
        run = wearing.plan(np.random.default_rng((seed, 5)))
        wearing.FAULTS[name](run)
        run.mounts = {place: run.mounts[place] for place in run.concerned}
        found = found_of(run, seed)
        concerned = {run.worn_as.get(place, place) for place in run.concerned}
        flagged.append(any(found[place].problems for place in concerned))
    assert sum(flagged) >= 2


def test_swapped_arms_are_called_so():
    run = wearing.plan(np.random.default_rng(3))
    run.worn_as = {"left_forearm": "right_forearm", "right_forearm": "left_forearm"}
    run.mounts = {place: run.mounts[place] for place in run.worn_as}
    for one in found_of(run, 3).values():
        assert [problem.code for problem in one.problems] == ["swapped"]
        assert "swapped" in str(one.problems[0])


def test_swapped_legs_are_called_so():
    run = wearing.plan(np.random.default_rng(4))
    run.worn_as = {"left_shin": "right_shin", "right_shin": "left_shin"}
    run.mounts = {place: run.mounts[place] for place in run.worn_as}
    for one in found_of(run, 4).values():
        assert one.problems[0].code == "swapped"


def test_a_bent_elbow_is_named():
    run = wearing.plan(np.random.default_rng(5))
    wearing.elbow_bent(run)
    run.mounts = {place: run.mounts[place] for place in ("left_forearm",)}
    words = " ".join(map(str, found_of(run, 5)["left_forearm"].problems))
    assert "keep the elbow straight" in words


def test_a_step_without_rows_is_told():
    run = wearing.plan(np.random.default_rng(6))
    run.mounts = {"pelvis": run.mounts["pelvis"]}
    run.windows["bows"] = (-10.0, -5.0)
    (one,) = found_of(run, 6).values()
    assert [problem.code for problem in one.problems] == ["too_short"]


def test_with_too_few_steps_nothing_is_fixed():
    run = wearing.plan(np.random.default_rng(7))
    run.mounts = {"left_thigh": run.mounts["left_thigh"]}
    run.windows = {"n_pose": run.windows["n_pose"]}
    (one,) = found_of(run, 7).values()
    assert one.rotation is None
    assert [problem.code for problem in one.problems] == ["not_enough"]


def test_every_place_is_fixed_by_the_steps_it_is_asked_for():
    for place in ALL_PLACES:
        steps = {step.name for step in steps_for([place])}
        shown = expectations(place)
        assert steps <= {one.step for one in shown}
        shown = tuple(one for one in shown if one.step in steps)
        assert np.linalg.matrix_rank(np.array([one.toward for one in shown]), tol=0.3) >= 2
    assert len(steps_for(ALL_PLACES)) == len(STEP)


def test_a_t_pose_alone_stands_in_for_the_standing_pose_of_trunk_and_legs():
    run = wearing.plan(np.random.default_rng(9))
    places = ("pelvis", "left_thigh", "right_foot")
    run.mounts = {place: run.mounts[place] for place in places}
    run.windows = {step: span for step, span in run.windows.items() if not step.startswith("n_pose")}
    for place, one in found_of(run, 9).items():
        assert one.good, one.problems
        assert wearing.residual_deg(one, run.mounts[place]) < 8.0


def test_sensors_worn_nowhere_are_left_out():
    run = wearing.plan(np.random.default_rng(8))
    run.mounts = {"head": run.mounts["head"]}
    traces = wearing.measure(run, 8, PERFECT, calibrated=False, habits=EXACT)
    traces["other"] = dataclasses.replace(traces["head"], name="other", worn_on="")
    assert list(align(traces, run.windows)) == ["head"]
