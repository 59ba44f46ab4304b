"""Errors of joints are what their names say."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fusion.evaluate.intervals import wilson_interval
from fusion.evaluate.position import MPJPE, PAMPJPE, PCK, procrustes


def test_mpjpe_is_the_mean_distance_in_millimetres() -> None:
    metric, known = MPJPE(), torch.ones(1, 20)
    known[0, 5:] = 0.0
    target = torch.randn(1, 20, 3)
    shifted = target + torch.tensor([0.03, 0.0, 0.04])
    shifted[0, 5:] += 10.0
    metric.update(shifted, target, known)
    assert float(metric.compute()) == pytest.approx(50.0, rel=1e-4)


def test_pa_mpjpe_forgives_rotation_scale_and_shift_but_not_a_mirror() -> None:
    torch.manual_seed(0)
    target, known = torch.randn(3, 20, 3), torch.ones(3, 20)
    rotation = torch.linalg.qr(torch.randn(3, 3))[0]
    rotation = rotation * torch.det(rotation).sign()
    same, mirrored = PAMPJPE(), PAMPJPE()
    same.update(1.7 * target @ rotation + 0.5, target, known)
    mirrored.update(target * torch.tensor([-1.0, 1.0, 1.0]), target, known)
    assert float(same.compute()) < 0.01
    assert float(mirrored.compute()) > 100.0


def test_pck_counts_points_within_the_radius() -> None:
    metric = PCK(0.05)
    points = torch.zeros(1, 4, 2)
    target = torch.tensor([[[0.04, 0.0], [0.06, 0.0], [0.0, 0.049], [9.0, 9.0]]])
    metric.update(points, target, torch.tensor([[1.0, 1.0, 1.0, 0.0]]))
    assert float(metric.compute()) == pytest.approx(2 / 3)


@given(count=st.integers(1, 5000), share=st.floats(0.0, 1.0))
def test_wilson_interval_holds_the_proportion_and_stays_within_0_and_1(count: int, share: float) -> None:
    hits = round(share * count)
    low, high = wilson_interval(hits, count)
    assert 0.0 <= low <= hits / count + 1e-12
    assert hits / count - 1e-12 <= high <= 1.0


def test_wilson_interval_of_a_known_case() -> None:
    assert wilson_interval(95, 100) == pytest.approx((0.8882, 0.9785), abs=2e-4)


@given(seed=st.integers(0, 10_000))
def test_procrustes_is_the_best_of_all_similarity_transforms(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    points, target = torch.randn(1, 8, 3, generator=g), torch.randn(1, 8, 3, generator=g)
    known = torch.ones(1, 8)
    best = (procrustes(points, target, known) - target).square().sum()
    turn = torch.linalg.qr(torch.randn(3, 3, generator=g))[0]
    turn = turn * torch.det(turn).sign()
    scale, shift = torch.rand((), generator=g) * 2.0, torch.randn(3, generator=g)
    assert best <= (scale * points @ turn + shift - target).square().sum() + 1e-4


@given(seed=st.integers(0, 10_000))
def test_aligned_errors_are_no_larger_in_square_and_batches_add_up(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    a, b = torch.randn(6, 20, 3, generator=g), torch.randn(6, 20, 3, generator=g)
    known = (torch.rand(6, 20, generator=g) > 0.3).float()
    whole, parts = PAMPJPE(), PAMPJPE()
    whole.update(a, b, known)
    parts.update(a[:2], b[:2], known[:2])
    parts.update(a[2:], b[2:], known[2:])
    assert float(whole.compute()) == pytest.approx(float(parts.compute()), rel=1e-5)


def test_nothing_known_is_no_number() -> None:
    metric = MPJPE()
    metric.update(torch.zeros(1, 2, 3), torch.full((1, 2, 3), torch.nan), torch.zeros(1, 2))
    assert bool(metric.compute().isnan())
