"""Acceleration, jitter, lag, drift and angles, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fusion.evaluate.movement import AccelerationError, Jitter, Lag
from fusion.evaluate.root import RootDrift
from fusion.evaluate.rotation import BoneAngleError, HeadingError, RotationError, geodesic_deg

RATE = 60.0


def times(ticks: int) -> torch.Tensor:
    return torch.arange(ticks, dtype=torch.float64) / RATE


def path(values: torch.Tensor) -> torch.Tensor:
    """(T) -> (1, T, 2, 3), along x."""
    out = torch.zeros(1, len(values), 2, 3, dtype=torch.float64)
    out[..., 0] = values[None, :, None]
    return out


def test_acceleration_error_of_a_parabola_against_rest() -> None:
    metric = AccelerationError(RATE)
    joints = path(0.5 * 3.0 * times(30).square())
    metric.update(joints, torch.zeros_like(joints), torch.ones(1, 30, 2))
    assert float(metric.compute()) == pytest.approx(3.0, rel=1e-6)


def test_jitter_of_a_cubic_is_six_times_its_coefficient() -> None:
    metric = Jitter(RATE)
    metric.update(path(2.0 * times(30) ** 3), torch.ones(1, 30, 2))
    assert float(metric.compute()) == pytest.approx(12.0, rel=1e-6)


def test_derivatives_do_not_reach_over_what_is_unknown() -> None:
    joints = path(0.5 * times(30).square())
    joints[0, 10] = 99.0
    known = torch.ones(1, 30, 2)
    known[0, 10] = 0.0
    error, jitter = AccelerationError(RATE), Jitter(RATE)
    error.update(joints, torch.zeros_like(joints), known)
    jitter.update(joints, known)
    assert float(error.compute()) == pytest.approx(1.0, rel=1e-6)
    assert float(jitter.compute()) == pytest.approx(0.0, abs=1e-6)


@settings(max_examples=25)
@given(late=st.floats(-8.0, 8.0), seed=st.integers(0, 1000))
def test_lag_is_found_to_a_fifth_of_a_tick(late: float, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    rates, phases = 0.5 + 2.5 * torch.rand(6, generator=g), torch.rand(6, generator=g) * 6.3

    def body(t: torch.Tensor) -> torch.Tensor:
        return (torch.sin(2 * math.pi * rates * t[:, None] + phases)).reshape(1, -1, 2, 3)

    metric = Lag()
    metric.update(body(times(240) - late / RATE), body(times(240)), torch.ones(1, 240, 2))
    assert float(metric.compute()) == pytest.approx(late, abs=0.2)


def test_lag_of_what_stands_still_is_no_number() -> None:
    metric = Lag()
    metric.update(torch.zeros(1, 60, 2, 3), torch.zeros(1, 60, 2, 3), torch.ones(1, 60, 2))
    assert bool(metric.compute().isnan())


@given(angle=st.floats(0.0, 179.9), seed=st.integers(0, 1000))
def test_angle_between_rotations(angle: float, seed: int) -> None:
    base = Rotation.random(rng=seed)
    axis = torch.randn(3, generator=torch.Generator().manual_seed(seed)).double()
    turned = base * Rotation.from_rotvec((axis / axis.norm()).numpy() * math.radians(angle))
    a, b = torch.from_numpy(base.as_matrix()), torch.from_numpy(turned.as_matrix())
    assert float(geodesic_deg(a, b)) == pytest.approx(angle, abs=1e-3)


def test_rotation_error_counts_what_is_known() -> None:
    metric = RotationError()
    turn = torch.from_numpy(Rotation.from_euler("z", 30, degrees=True).as_matrix())
    told = turn.expand(2, 3, 15, 3, 3).clone()
    known = torch.ones(2, 3)
    known[1] = 0.0
    told[1] = torch.nan
    metric.update(told, torch.eye(3).expand(2, 3, 15, 3, 3), known)
    assert float(metric.compute()) == pytest.approx(30.0, abs=1e-3)


def test_bone_angles_forgive_lengths_but_not_directions() -> None:
    g = torch.Generator().manual_seed(0)
    joints = torch.randn(1, 1, 20, 3, generator=g)
    same, turned = BoneAngleError(), BoneAngleError()
    same.update(joints * 1.3, joints, torch.ones(1, 1, 20))
    assert float(same.compute()) == pytest.approx(0.0, abs=0.05)
    turned.update(-joints, joints, torch.ones(1, 1, 20))
    assert float(turned.compute()) == pytest.approx(180.0, abs=0.1)


def test_drift_is_what_a_wrong_velocity_adds_up_to() -> None:
    metric = RootDrift(RATE, after_s=2.0)
    wrong = torch.tensor([0.03, 0.0, 0.04]).expand(2, 180, 3)
    known = torch.ones(2, 180)
    known[1, 50] = 0.0
    metric.update(wrong, torch.zeros(2, 180, 3), known)
    assert float(metric.compute()) == pytest.approx(100.0, rel=1e-5)
    short = RootDrift(RATE, after_s=5.0)
    short.update(wrong, torch.zeros(2, 180, 3), known)
    assert bool(short.compute().isnan())


@given(true=st.floats(-180.0, 179.9), off=st.floats(-179.0, 179.0), sure=st.floats(0.1, 50.0))
def test_heading_errors_go_round_the_circle(true: float, off: float, sure: float) -> None:
    metric, angle = HeadingError(), math.radians(true + off)
    told = sure * torch.tensor([math.cos(angle), math.sin(angle)])
    metric.update(told.expand(1, 2, 16, 2), torch.full((1, 2, 16), true), torch.ones(1, 2, 16))
    assert float(metric.compute()) == pytest.approx(abs(off), abs=1e-2)
