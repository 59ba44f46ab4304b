"""Smoothing: noise goes, motion stays, nobody glides from one person to another."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fusion.pose.frame import Frame, Seen
from fusion.pose.smoothing import Live, OneEuro, zero_phase
from fusion.skeletons import COCO17

RATE = 30.0


def film(places: np.ndarray, numbers=None, times=None) -> list[Frame]:
    """Frames of one person at places (T, J, 2) px, 400 px tall; NaN of all joints: nobody."""
    frames = []
    for row, place in enumerate(places):
        time = round(row * 1e9 / RATE) if times is None else int(times[row])
        people = ()
        if np.isfinite(place).any():
            x, y = np.nanmean(place, axis=0)
            world = np.column_stack([place / 200, place[:, 0] / 300]).astype(np.float32)
            number = 1 if numbers is None else numbers[row]
            box = (float(x) - 100, float(y) - 200, 200.0, 400.0)
            people = (Seen(number, place.astype(np.float32), np.ones(len(place), np.float32), world, box),)
        frames.append(Frame(row, f"{row}", "film", time, (640, 480), people))
    return frames


def path(seconds: np.ndarray) -> np.ndarray:
    """One joint that swings at 1 Hz by 40 px, and one that rests."""
    swing = np.stack([300 + 40 * np.sin(2 * math.pi * seconds), np.full(len(seconds), 200.0)], 1)
    return np.stack([swing, np.full((len(seconds), 2), 250.0)], 1)


def noisy(truth: np.ndarray) -> np.ndarray:
    return truth + np.random.default_rng(1).normal(0, 3.0, truth.shape)


def found(frames: list[Frame]) -> np.ndarray:
    return np.stack([frame.people[0].keypoints for frame in frames])


def lag(values: np.ndarray, truth: np.ndarray) -> int:
    """By how many samples values come later than the truth."""
    shifts = range(-6, 7)
    off = [np.abs(np.roll(values, -shift)[10:-10] - truth[10:-10]).mean() for shift in shifts]
    return shifts[int(np.argmin(off))]


def test_zero_phase_takes_noise_away_and_does_not_lag():
    truth = path(np.arange(150) / RATE)
    out = found(zero_phase(film(noisy(truth)), 4.0))
    assert np.abs(out - truth)[10:-10].std() < 0.6 * np.abs(noisy(truth) - truth).std()
    assert lag(out[:, 0, 0], truth[:, 0, 0]) == 0
    world = np.stack([frame.people[0].world for frame in zero_phase(film(noisy(truth)), 4.0)])
    assert world[:, :, :2] == pytest.approx(out / 200, abs=1e-3)  # filtered alike


def test_a_film_of_uneven_times_is_filtered_in_its_own_time():
    rng = np.random.default_rng(2)
    times = np.cumsum(rng.choice([20_000_000, 50_000_000], 200))
    truth = path(times * 1e-9)
    out = found(zero_phase(film(noisy(truth), times=times), 4.0))
    assert np.abs(out - truth)[10:-10].mean() < 0.6 * np.abs(noisy(truth) - truth).mean()


def test_gaps_stay_gaps_and_nobody_is_added():
    truth = path(np.arange(90) / RATE)
    truth[30:33] = np.nan
    truth[60:80] = np.nan
    truth[10, 1] = np.nan
    frames = zero_phase(film(truth), 6.0)
    assert [bool(frame.people) for frame in frames] == [bool(np.isfinite(p).any()) for p in truth]
    assert np.isnan(frames[10].people[0].keypoints[1]).all()


def test_who_is_followed_next_is_not_glided_to():
    truth = np.concatenate([path(np.arange(45) / RATE), path(np.arange(45) / RATE) + np.array([500.0, 0.0])])
    out = found(zero_phase(film(truth), 4.0))
    assert np.abs(out - truth).max() < 6.0
    live = Live()
    out = found([live(frame) for frame in film(truth)])
    assert np.array_equal(out[45], truth[45].astype(np.float32))


def test_two_people_are_filtered_apart():
    seconds = np.arange(60) / RATE
    one, two = film(path(seconds)), film(path(seconds) + np.array([0.0, 900.0]), numbers=[2] * 60)
    both = [
        Frame(a.number, a.name, a.file, a.time, a.size, (*a.people, *b.people))
        for a, b in zip(one, two, strict=True)
    ]
    out = zero_phase(both, 6.0)
    assert (
        np.abs(np.stack([f.people[1].keypoints - f.people[0].keypoints for f in out]) - [0, 900]).max() < 0.1
    )


def test_one_euro_calms_who_rests_and_follows_who_is_quick():
    truth = path(np.arange(150) / RATE)
    live = Live()
    out = found([live(frame) for frame in film(noisy(truth))])
    rest = (out - truth)[30:, 1].std(), (noisy(truth) - truth)[30:, 1].std()
    assert rest[0] < 0.65 * rest[1]
    assert lag(out[:, 0, 0], truth[:, 0, 0]) <= 3


def test_one_euro_begins_anew_after_a_pause_and_bears_what_is_not_known():
    euro = OneEuro()
    first = np.array([[1.0, 2.0], [np.nan, np.nan]])
    assert np.array_equal(euro(0.0, first, 100.0), first, equal_nan=True)
    came = euro(0.033, np.array([[1.0, 2.0], [7.0, 8.0]]), 100.0)
    assert came[1].tolist() == [7.0, 8.0]
    assert euro(5.0, np.array([[50.0, 50.0], [60.0, 60.0]]), 100.0).tolist() == [[50, 50], [60, 60]]


def test_joints_that_are_not_known_spoil_no_others():
    points = np.full((17, 2), np.nan, np.float32)
    points[COCO17.index("left_hip")], points[COCO17.index("right_hip")] = (10, 10), (20, 10)
    score = np.isfinite(points[:, 0]).astype(np.float32)
    seen = Seen(1, points, score, None, (0, 0, 20, 20))
    from fusion.skeletons import OPENPOSE25

    one = seen.carried(COCO17, OPENPOSE25)
    assert one.keypoints[OPENPOSE25.index("pelvis")].tolist() == [15, 10]
    assert np.isnan(one.keypoints[OPENPOSE25.index("neck")]).all()
    assert one.score[OPENPOSE25.index("neck")] == 0
