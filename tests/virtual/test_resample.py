"""Motion at other instants, and without the tremble of markers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fusion.virtual.resample import low_passed, quaternions, turns_low_passed

RATE_HZ = 120.0


def swing(seconds: float = 4.0) -> np.ndarray:
    """A foot in quick gait, (T, 3) m."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.stack(
        [1.4 * t, 0.02 * np.sin(4 * np.pi * t), 0.12 * np.maximum(0, np.sin(4 * np.pi * t)) ** 2], -1
    )


def acceleration(places: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.diff(places, 2, axis=0), axis=-1) * RATE_HZ**2


def test_tremble_goes_and_the_way_stays_without_delay() -> None:
    true, rng = swing(), np.random.default_rng(0)
    noisy = true + 0.001 * rng.standard_normal(true.shape)
    calm = low_passed(noisy, RATE_HZ)
    assert np.abs(calm - true).max() < 0.004
    assert np.sqrt(np.mean((calm - true) ** 2)) < 0.8 * np.sqrt(np.mean((noisy - true) ** 2))
    assert acceleration(noisy).mean() > 3 * acceleration(true).mean()
    assert acceleration(calm).mean() == pytest.approx(acceleration(true).mean(), rel=0.25)
    speed = [np.diff(way[:, 2]) for way in (true, calm)]
    lags = [
        float(np.corrcoef(speed[0][10:-10], np.roll(speed[1], k)[10:-10])[0, 1]) for k in (-2, -1, 0, 1, 2)
    ]
    assert int(np.argmax(lags)) == 2


def test_turns_stay_turns_and_signs_of_quaternions_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    angle = np.sin(np.arange(300) / 30.0)
    true = Rotation.from_rotvec(angle[:, None] * np.array([0.3, 1.5, -0.4]))
    noisy = true * Rotation.from_rotvec(0.005 * rng.standard_normal((300, 3)))
    xyzw = quaternions(noisy.as_matrix())[:, None] * rng.choice([-1.0, 1.0], (300, 1, 1))
    calm = turns_low_passed(xyzw, RATE_HZ)
    assert np.linalg.norm(calm, axis=-1) == pytest.approx(np.ones((300, 1)))
    off = (Rotation.from_quat(calm[:, 0]).inv() * true).magnitude()
    assert off.mean() < 0.7 * (noisy.inv() * true).magnitude().mean()


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 9])
def test_short_clips_and_slow_files_are_left_or_filtered_without_fail(rows: int) -> None:
    assert low_passed(swing()[:rows], RATE_HZ).shape == (rows, 3)
    slow = swing()
    assert low_passed(slow, 25.0) is slow
