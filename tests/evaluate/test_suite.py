"""The 25 scenarios do what their definition says, and nothing else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import ConfigError
from drivers.places import PLACES
from fusion.data.utd_mhad import UtdBatches, UtdTrials
from fusion.evaluate.scenarios import CATEGORIES, Corrupted, Scales, Scenario, corrupt, scenarios
from fusion.evaluate.suite import run_suite
from fusion.model.net import FusionNet, NetConfig
from recordings.importers.utd_mhad import ACTIONS, Trial, trials

SLOT = PLACES.index("unspecified")


def trial(frames: int = 37, samples: int = 101) -> Trial:
    """A trial whose values tell their row."""
    rows = np.arange(samples, dtype=np.float32)[:, None]
    return Trial(
        action=1,
        subject=1,
        trial=1,
        joints=np.arange(frames, dtype=np.float32)[:, None, None] * np.ones((1, 20, 3), np.float32),
        joint_time=np.linspace(0.0, (samples - 1) / 50, frames),
        specific_force=rows * np.ones((1, 3), np.float32),
        angular_rate=rows * np.ones((1, 3), np.float32),
        inertial_time=np.arange(samples) / 50,
    )


ONES = Scales(np.ones((20, 3)), np.ones(6))


def done(scenario: Scenario, seed: int = 0, **sizes: int) -> Corrupted:
    return corrupt(trial(**sizes), scenario, ONES, np.random.default_rng(seed))


def test_there_are_25_and_they_fall_into_five_categories() -> None:
    every = scenarios()
    counts = Counter(scenario.category for scenario in every)
    assert len(every) == len({scenario.name for scenario in every}) == 25
    assert [counts[category] for category in ("clean", *CATEGORIES)] == [1, 8, 6, 6, 3, 1]


@given(shift=st.sampled_from([-4, -2, 2, 4]))
def test_a_shift_moves_rows_and_what_no_row_fills_is_missing(shift: int) -> None:
    moved = done(Scenario("", "shift", ("skeleton",), shift=shift))
    rows = np.arange(37)
    assert (moved.frames == ((rows - shift >= 0) & (rows - shift < 37))).all()
    np.testing.assert_array_equal(moved.trial.joints[moved.frames, 0, 0], (rows - shift)[moved.frames])
    assert moved.samples.all()
    np.testing.assert_array_equal(moved.trial.specific_force, trial().specific_force)


def test_the_inertial_stream_is_late_by_as_many_frames_of_the_skeleton() -> None:
    moved = done(Scenario("", "shift", ("inertial",), shift=4))
    late = round(4 * 100 / 36)
    assert moved.samples.tolist() == [False] * late + [True] * (101 - late)
    np.testing.assert_allclose(moved.trial.specific_force[late:, 0], np.arange(101 - late), rtol=1e-5)
    assert moved.frames.all()


@settings(max_examples=30)
@given(share=st.sampled_from([0.1, 0.3, 0.5]), frames=st.integers(10, 90), seed=st.integers(0, 99))
def test_the_share_of_frames_that_is_lost_is_exact(share: float, frames: int, seed: int) -> None:
    lost = done(Scenario("", "frame loss", ("skeleton",), loss=share), seed, frames=frames)
    assert (~lost.frames).sum() == round(frames * share)
    assert lost.samples.all()
    np.testing.assert_array_equal(lost.trial.joints, trial(frames).joints)
    lost = done(Scenario("", "frame loss", ("inertial",), loss=share), seed, frames=frames)
    assert abs((~lost.samples).mean() - share) < 0.15
    assert lost.frames.all()


def test_noise_is_as_large_as_it_should_be_and_does_not_average_out_within_a_frame() -> None:
    noisy = done(Scenario("", "noise", ("inertial",), noise=0.5), frames=400, samples=1101)
    error = np.degrees(noisy.trial.angular_rate - trial(400, 1101).angular_rate)[:, 0]
    assert error.std() == pytest.approx(0.5, rel=0.1)
    frame = np.rint(np.arange(1101) * 399 / 1100).astype(int)
    assert max(np.ptp(error[frame == n]) for n in range(400)) < 0.02, "one value for each frame"


def test_missing_is_nothing_left_and_clean_is_untouched() -> None:
    gone = done(Scenario("", "missing", ("skeleton", "inertial"), missing=True))
    assert not gone.frames.any()
    assert not gone.samples.any()
    clean = done(Scenario("clean", "clean"))
    assert clean.frames.all()
    assert clean.samples.all()
    for name in ("joints", "specific_force", "angular_rate", "joint_time", "inertial_time"):
        np.testing.assert_allclose(getattr(clean.trial, name), getattr(trial(), name), rtol=1e-5)


def test_one_scale_for_all_or_one_for_each_channel(made_utd: Path) -> None:
    known = list(trials(made_utd, (1, 3)))
    one, each = Scales.of(known, False), Scales.of(known, True)
    assert np.ptp(one.inertial) == 0.0
    assert np.ptp(one.skeleton) == 0.0
    rows = np.concatenate([np.degrees(t.angular_rate) for t in known])
    np.testing.assert_allclose(each.inertial[3:], rows.std(axis=0), rtol=1e-4, atol=1e-3)


def test_features_hold_what_was_last_there_and_say_how_old_it_is() -> None:
    frames, samples = np.ones(37, bool), np.ones(101, bool)
    frames[10:14] = samples[30:36] = False
    samples[:5] = False
    batch = UtdBatches(UtdTrials([trial()], [frames], [samples]), 25.0, None)([0])
    plain = UtdBatches(UtdTrials([trial()]), 25.0, None)([0])
    age, usual = batch["features"]["vision_age"][0], plain["features"]["vision_age"][0]
    period = 2.0 / 36
    ticks = torch.arange(len(age)) / 25.0
    frame = (ticks / period + 1e-4).floor()
    hidden = (frame >= 10) & (frame < 14)
    torch.testing.assert_close(age[~hidden], usual[~hidden])
    torch.testing.assert_close(age[hidden], (ticks - 9 * period)[hidden], atol=1e-4, rtol=0.0)
    assert bool((batch["features"]["vision_present"] == 1.0).all())
    there = batch["features"]["inertial_present"][0, :, SLOT]
    assert there[:4].tolist() == [0.0, 0.0, 0.0, 1.0], "before the first sample there is none"
    told = batch["features"]["inertial_age"][0, :, SLOT]
    assert told[15:19].tolist() == pytest.approx([0.0, 0.06, 0.10, 0.0], abs=1e-4)
    force = batch["features"]["inertial"][0, :, SLOT, 0] * 9.80665
    assert force[16:18].tolist() == pytest.approx([29.0, 29.0], abs=1e-3)


def test_the_suite_runs_and_its_means_follow(made_utd: Path) -> None:
    torch.manual_seed(0)
    net = FusionNet(NetConfig(width=16, layers=1, heads=2, window=8, actions=ACTIONS)).eval()
    found = run_suite(net, str(made_utd), (5,), seed=1)
    assert (found["windows"], found["noise_scaled_by_subjects"]) == (6, [1, 3, 7])
    again = run_suite(net, str(made_utd), (5,), seed=1)
    assert found == again
    for suite in found["suites"].values():
        tops = {row["name"]: row["top1"] for row in suite["scenarios"]}
        assert len(tops) == 25
        missing = [tops[name] for name in ("no skeleton", "no inertial", "neither")]
        assert suite["categories"]["missing"] == pytest.approx(np.mean(missing))
        assert suite["mean_of_categories"] == pytest.approx(np.mean([*suite["categories"].values()]))


def test_the_suite_is_for_its_data_set_and_its_actions(made_utd: Path, tmp_path: Path) -> None:
    net = FusionNet(NetConfig(width=16, layers=1, heads=2, window=8, actions=("walk", "sit")))
    with pytest.raises(ConfigError, match="do not know 26 of the 27 actions"):
        run_suite(net, str(made_utd), (5,))
    (tmp_path / "a.bvh").touch()
    with pytest.raises(ConfigError, match="defined for UTD-MHAD"):
        run_suite(net, str(tmp_path))
