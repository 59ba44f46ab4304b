"""Feet stand where they carry the body, on stairs as on a floor, and not where they are held in the air."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.virtual.contacts import contacts

RATE_HZ = 60.0
STEP, STANCE, SWING = 0.7, 36, 24  # m, rows


def steps(heights: list[float], jitter: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return soles (T, 2, 2, 3) of a walk whose n-th footfall is so high, and where they stand (T, 2)."""
    period = (STANCE + SWING) // 2
    rows = period * (len(heights) - 2) + STANCE
    soles, stands = np.zeros((rows, 2, 2, 3)), np.ones((rows, 2), bool)
    for foot in (0, 1):
        falls = [(n, heights[n]) for n in range(foot, len(heights), 2)]
        at = np.array([falls[0][0] * STEP, falls[0][1]])
        row = 0
        for number, height in falls:
            start = max(0, (number - 1) * period) if number > 1 else 0
            there = np.array([number * STEP, height])
            swing = np.arange(max(row, start - SWING), min(start, rows))
            part = (swing - (start - SWING) + 1) / (SWING + 1)
            soles[row : swing[0] if len(swing) else row, foot] = [at[0], 0.0, at[1]]
            lift = 0.15 * np.sin(np.pi * part)
            ease = 0.5 - 0.5 * np.cos(np.pi * part)
            soles[swing, foot, :, 0] = (at[0] + (there[0] - at[0]) * ease)[:, None]
            soles[swing, foot, :, 2] = (at[1] + (there[1] - at[1]) * ease + lift)[:, None]
            stands[swing, foot] = False
            row, at = min(start, rows), there
        soles[row:, foot] = [at[0], 0.0, at[1]]
    soles[:, 0, :, 1], soles[:, 1, :, 1] = 0.1, -0.1
    soles += jitter * np.random.default_rng(0).normal(size=soles.shape)
    return soles, stands


def agreement(found: np.ndarray, true: np.ndarray) -> float:
    return 2.0 * (found & true).sum() / (found.sum() + true.sum())


@pytest.mark.parametrize(
    "heights",
    [
        [0.0] * 12,
        [0.18 * n for n in range(12)],
        [0.0, 0.2, -0.1, 0.15, 0.0, 0.3, 0.1, 0.25, 0.05, 0.2, 0.0, 0.0],
    ],
    ids=["floor", "stairs", "uneven"],
)
def test_feet_stand_wherever_they_carry_the_body(heights) -> None:
    soles, stands = steps(heights, 0.0005)
    found = contacts(soles, RATE_HZ)
    assert agreement(found, stands) > 0.93
    assert found[:, 0].mean() == pytest.approx(stands[:, 0].mean(), abs=0.08)


def test_a_foot_held_in_the_air_beside_a_standing_one_does_not_stand() -> None:
    soles = np.zeros((240, 2, 2, 3))
    lift = np.clip((np.arange(240) - 60) / 20, 0, 1) - np.clip((np.arange(240) - 180) / 20, 0, 1)
    soles[:, 0, :, 2] = 0.4 * lift[:, None]
    found = contacts(soles, RATE_HZ)
    assert found[:, 1].all()
    assert found[:58, 0].all()
    assert not found[75:180, 0].any()
    assert found[205:, 0].all()


def test_the_top_of_a_jump_is_no_ground() -> None:
    soles = np.zeros((120, 2, 2, 3))
    t = np.arange(120) / RATE_HZ - 0.8
    height = np.clip(0.3 - 0.5 * 9.81 * t**2, 0, None)
    soles[..., 2] = height[:, None, None]
    found = contacts(soles, RATE_HZ)
    assert not found[height > 0.1].any()
    assert found[height == 0.0].mean() > 0.95
