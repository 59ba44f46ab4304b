"""Virtual inertial sensors obey physics in closed form, and follow the simulator's own."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from drivers.places import PLACES
from drivers.simulator.body import GRAVITY, Body
from fusion.virtual.impacts import impacts
from fusion.virtual.imu import Felt, VirtualImus, ideal
from fusion.virtual.parts import COMMON_SIX, ImuRanges
from fusion.virtual.smooth import derivatives, linear_recurrence, wandering

RATE = 60.0
PERFECT = ImuRanges(
    places=PLACES[:-1], sample_rates=(60.0,), mounting_deg=0.0, slipped=0.0, along_m=0.0, around_deg=0.0,
    wobble_deg=0.0, force_noise=0.0, rate_noise=0.0, force_bias=0.0, rate_bias=0.0, scale=0.0, tilt_deg=0.0,
    heading_deg=0.0, shared=0.0, own=0.0, heading_walk_deg=0.0, lag_s=0.0, delay_s=0.0, bursts=0.0, shock=0.0,
)  # fmt: skip


def still(ticks: int = 60) -> tuple[Tensor, Tensor]:
    joints = torch.zeros(1, ticks, 20, 3)
    return joints, torch.eye(3).expand(1, ticks, 16, 3, 3)


def sense(ranges: ImuRanges, joints: Tensor, turns: Tensor, facing: float = 0.0, seed: int = 0) -> Felt:
    nothing = torch.zeros(*joints.shape[:2], 3)
    g = torch.Generator().manual_seed(seed)
    return VirtualImus(ranges, RATE)(joints, turns, nothing, torch.full((len(joints),), facing), g)


def test_at_rest_a_sensor_reads_gravity_upwards_and_no_rate() -> None:
    felt = sense(PERFECT, *still())
    values = felt.inertial[:, 5:, :-1]
    up = torch.tensor([0.0, 0.0, 1.0])
    assert torch.allclose(values[..., :3], up.expand_as(values[..., :3]), atol=1e-5)
    assert torch.allclose(values[..., 3:6], torch.zeros(3), atol=1e-5)
    assert torch.allclose(values[..., 6:], torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]), atol=1e-5)


@given(st.floats(-180, 180), st.floats(-80, 80), st.floats(-180, 180))
@settings(max_examples=25, deadline=None)
def test_at_rest_gravity_turns_with_the_sensor(yaw: float, pitch: float, roll: float) -> None:
    joints, _ = still(20)
    turn = roma.euler_to_rotmat("ZYX", [torch.tensor(math.radians(a)) for a in (yaw, pitch, roll)])
    seen = ideal(joints, turn.expand(1, 20, 16, 3, 3), RATE)
    assert torch.allclose(seen.force[0, 10, 0], GRAVITY * turn[2], atol=1e-3)


def test_in_free_fall_a_sensor_reads_nothing() -> None:
    joints, turns = still()
    time = torch.arange(60) / RATE
    joints[..., 2] = (3.0 - 0.5 * GRAVITY * time**2)[None, :, None]
    seen = ideal(joints, turns, RATE)
    assert float(seen.force.abs().max()) < 0.02


@pytest.mark.parametrize("speed", [1.0, 4.0, 10.0])
def test_on_a_turntable_it_reads_rate_and_centripetal_force(speed: float) -> None:
    ticks, radius = 90, 0.5
    angle = speed * torch.arange(ticks) / RATE
    zero = torch.zeros(ticks)
    turn = roma.rotvec_to_rotmat(torch.stack([zero, zero, angle], dim=-1))
    joints = (turn @ torch.tensor([radius, 0.0, 0.0]))[None, :, None].expand(1, ticks, 20, 3)
    turns = turn[None, :, None].expand(1, ticks, 16, 3, 3)
    seen = ideal(joints, turns, RATE, offsets=torch.zeros(1, 16, 3))
    inner = slice(6, -6)
    # The polynomials of 0.18 s pass 99.9 % at 1 Hz and 99 % at 3 Hz.
    assert torch.allclose(seen.rate[:, inner, :, 2], torch.tensor(speed), rtol=0.005)
    assert torch.allclose(
        seen.force[:, inner, :, 0], torch.tensor(-(speed**2) * radius), rtol=0.02, atol=0.01
    )
    assert torch.allclose(seen.force[:, inner, :, 2], torch.tensor(GRAVITY), rtol=1e-4)


def test_an_offset_along_the_bone_feels_the_lever() -> None:
    ticks, swing = 90, 3.0
    angle = 0.5 * torch.sin(swing * torch.arange(ticks) / RATE)
    zero = torch.zeros(ticks)
    turn = roma.rotvec_to_rotmat(torch.stack([zero, angle, zero], dim=-1))
    offsets = torch.zeros(1, 16, 3)
    offsets[..., 2] = -0.3
    joints = torch.zeros(1, ticks, 20, 3)
    seen = ideal(joints, turn[None, :, None].expand(1, ticks, 16, 3, 3), RATE, offsets=offsets)
    rate, acceleration = swing * 0.5 * torch.cos(swing * torch.arange(ticks) / RATE), -(swing**2) * angle
    along_x = -0.3 * acceleration - GRAVITY * torch.sin(angle)
    along_z = 0.3 * rate**2 + GRAVITY * torch.cos(angle)
    inner = slice(6, -6)
    assert torch.allclose(seen.force[0, inner, 0, 0], along_x[inner], atol=0.03)
    assert torch.allclose(seen.force[0, inner, 0, 2], along_z[inner], atol=0.03)


def test_ideal_sensors_agree_with_the_simulator() -> None:
    body, times = Body(seed=3), np.arange(0, 20, 1 / RATE) + 1
    pose, felt = body.pose(times), body.inertial(times)
    joints = torch.from_numpy(pose.joints).float()[None]
    seen = ideal(joints, torch.from_numpy(pose.orientations).float()[None], RATE)
    inner = slice(6, -6)  # at the ends, polynomials lean to one side
    force = (seen.force[0].numpy() - felt.specific_force)[inner]
    rate = (seen.rate[0].numpy() - felt.angular_rate)[inner]
    size = np.sqrt((felt.specific_force**2).mean())
    assert np.sqrt((force**2).mean()) < 0.05 * size  # landings are sharper than 0.18 s
    assert np.sqrt((rate**2).mean()) < 0.05 * np.sqrt((felt.angular_rate**2).mean())


def test_a_wearer_who_faces_the_camera_has_the_identity_and_heading_errors_turn_it() -> None:
    joints, _ = still()
    facing = 0.7
    towards = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, facing])).expand(1, 60, 16, 3, 3)
    felt = sense(PERFECT, joints, towards, facing)
    identity = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    assert torch.allclose(felt.inertial[:, 5:, :-1, 6:], identity, atol=1e-5)
    wrong = sense(dataclasses.replace(PERFECT, heading_deg=30.0), joints, towards, facing)
    told = torch.atan2(wrong.inertial[0, 5:, :-1, 7], wrong.inertial[0, 5:, :-1, 6]).rad2deg()
    assert torch.allclose(told, wrong.heading[0, 5:, :-1], atol=1e-2)
    assert float(wrong.heading.abs().max()) <= 30.0 + 1e-3


def test_mounting_errors_are_5_7_degrees_on_average() -> None:
    joints, turns = still(12)
    ranges = dataclasses.replace(PERFECT, mounting_deg=5.7)
    felt = sense(ranges, joints.expand(200, -1, -1, -1), turns.expand(200, -1, -1, -1, -1))
    told = roma.special_gramschmidt(felt.inertial[:, 8, :-1, 6:].unflatten(-1, (2, 3)).transpose(-1, -2))
    angles = roma.rotmat_geodesic_distance(told, torch.eye(3).expand_as(told)).rad2deg()
    assert 5.4 < float(angles.mean()) < 6.0


def test_noise_and_bias_have_the_stated_size_and_saturation_clips() -> None:
    joints, turns = still(240)
    ranges = dataclasses.replace(PERFECT, force_noise=0.05, force_bias=0.1, spread=1.0, bias_walk=0.0)
    felt = sense(ranges, joints.expand(40, -1, -1, -1), turns.expand(40, -1, -1, -1, -1))
    error = (felt.inertial[:, 5:, :-1, :3] - torch.tensor([0.0, 0.0, 1.0])) * GRAVITY
    assert float(error.std(dim=1).mean()) == pytest.approx(0.05, rel=0.05)
    assert float(error.mean(dim=1).std()) == pytest.approx(0.1, rel=0.05)
    time = torch.arange(240) / RATE
    joints[..., 0] = (0.4 * torch.sin(2 * math.pi * 4 * time))[None, :, None]  # 250 m/s²
    hard = sense(dataclasses.replace(PERFECT, force_ranges_g=(4.0,)), joints, turns)
    assert float(hard.inertial[..., 0].abs().max()) == pytest.approx(4.0, abs=1e-4)


def test_lost_samples_are_held_with_growing_age_and_then_missing() -> None:
    joints, turns = still(240)
    time = torch.arange(240) / RATE
    joints[..., 0] = torch.sin(3 * time)[None, :, None]
    ranges = dataclasses.replace(PERFECT, bursts=1.0, burst_s=1.0)
    felt = sense(ranges, joints.expand(8, -1, -1, -1), turns.expand(8, -1, -1, -1, -1))
    present, age = felt.inertial_present[..., :-1] > 0.5, felt.inertial_age[..., :-1]
    assert bool((age[present] <= 0.25 + 1e-6).all())
    assert bool((~present).any())
    assert bool((age[~present] > 0.25).all())
    held = present[:, 1:] & (age[:, 1:] > 1.5 / RATE)
    same = (felt.inertial[:, 1:, :-1] - felt.inertial[:, :-1, :-1]).abs().amax(dim=-1)
    assert bool(held.any())
    assert float(same[held].max()) < 1e-6


def test_only_the_places_asked_for_are_worn_and_random_sets_vary() -> None:
    joints, turns = still(12)
    felt = sense(dataclasses.replace(PERFECT, places=COMMON_SIX), joints, turns)
    assert {PLACES[i] for i in torch.nonzero(felt.worn[0])[:, 0].tolist()} == set(COMMON_SIX)
    many = sense(ImuRanges(), joints.expand(400, -1, -1, -1), turns.expand(400, -1, -1, -1, -1))
    count = many.worn.sum(dim=1)
    assert {int(n) for n in count.unique()} >= set(range(7))
    assert 0.01 < float(many.worn[:, -1].float().mean()) < 0.1  # of some, the place is not told


def test_steps_and_claps_are_found_when_the_simulator_makes_them() -> None:
    body, times = Body(seed=3), np.arange(0, 30, 1 / RATE) + 1
    pose = body.pose(times)
    found = impacts(
        torch.from_numpy(pose.joints).float()[None], torch.from_numpy(pose.contacts).float()[None], RATE
    )[0]
    assert float(found.min()) >= 0.0
    for kind, column in (("step", [0, 1]), ("clap", [2])):
        true = [
            i.time for i in body.impacts(1.2, 30.5) if i.kind in (kind, "land" if kind == "step" else kind)
        ]
        told = times[(found[:, column] > 0).any(dim=1).numpy()]
        assert len(true) > 5
        missed = [t for t in true if np.abs(told - t).min() > 0.05]
        false = [t for t in told if np.abs(np.array(true) - t).min() > 0.05]
        assert len(missed) <= 0.1 * len(true)
        assert len(false) <= 0.1 * len(told) + 1


@given(st.integers(5, 60), st.integers(0, 4), st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_derivatives_are_exact_for_polynomials(ticks: int, degree: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    poly = np.polynomial.Polynomial(rng.normal(size=degree + 1))
    time = np.arange(ticks) / RATE
    x = torch.from_numpy(poly(time))[None, :, None]
    value, first, second = derivatives(x, RATE)
    for got, want in ((value, poly), (first, poly.deriv(1)), (second, poly.deriv(2))):
        assert np.allclose(got[0, :, 0].numpy(), want(time), atol=1e-5)


def test_the_scan_is_the_recurrence_and_noise_wanders_as_told() -> None:
    g = torch.Generator().manual_seed(0)
    keep, x = torch.rand(3, 37, 2, generator=g), torch.randn(3, 37, 2, generator=g)
    y, rows = torch.zeros(3, 2), []
    for tick in range(37):
        y = keep[:, tick] * y + x[:, tick]
        rows.append(y)
    assert torch.allclose(linear_recurrence(keep, x), torch.stack(rows, dim=1), atol=1e-5)
    noise = wandering((4000, 60), 1 / RATE, 0.2, g)
    assert float(noise.var()) == pytest.approx(1.0, rel=0.05)
    lagged = (noise[:, 12:] * noise[:, :-12]).mean()
    assert float(lagged) == pytest.approx(math.exp(-1.0), abs=0.04)
