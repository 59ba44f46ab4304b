"""Losses see only what is known."""

from __future__ import annotations

import math

import pytest
import torch

from fusion.data.batches import unknown_targets
from fusion.model.losses import LossWeights, fusion_losses, masked_mean, pooled_logits

ALL = LossWeights(segment=1.0)


def outputs(batch: int = 2, ticks: int = 5, actions: int = 3) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    shapes = {
        "keypoints2d": (20, 2),
        "keypoints2d_logvar": (20,),
        "joints3d": (20, 3),
        "joints3d_logvar": (20,),
        "contact": (2,),
        "action": (actions,),
    }
    return {name: torch.randn(batch, ticks, *shape) for name, shape in shapes.items()}


def test_where_nothing_is_known_the_loss_is_zero_and_so_are_its_gradients() -> None:
    out, targets = outputs(), unknown_targets(2, 5)
    for value in out.values():
        value.requires_grad_()
    for name in ("joints3d", "joints2d", "contact"):
        targets[name].fill_(math.nan)
    terms = fusion_losses(out, targets, torch.ones(2, 5), torch.full((2,), -1), ALL)
    assert float(terms["loss"].detach()) == 0.0
    terms["loss"].backward()
    assert all(bool((x.grad == 0).all()) for x in out.values() if x.grad is not None)


def test_padded_ticks_do_not_count() -> None:
    out, targets = outputs(), unknown_targets(2, 5)
    for name in ("joints3d_known", "joints2d_known", "contact_known"):
        targets[name].fill_(1.0)
    targets["action"].fill_(1)
    valid = torch.ones(2, 5)
    valid[:, 3:] = 0.0
    segment = torch.tensor([0, 2])
    expected = fusion_losses(out, targets, valid, segment, ALL)["loss"]
    for name in ("joints3d", "joints2d", "contact"):
        targets[name][:, 3:] = 100.0
    targets["action"][:, 3:] = 2
    changed = {name: torch.cat([x[:, :3], x[:, 3:] + 5.0], dim=1) for name, x in out.items()}
    assert float(fusion_losses(changed, targets, valid, segment, ALL)["loss"]) == pytest.approx(
        float(expected)
    )


def test_a_better_guess_has_a_smaller_loss() -> None:
    out, targets = outputs(), unknown_targets(2, 5)
    targets["joints3d_known"].fill_(1.0)
    only = LossWeights(joints2d=0.0, contact=0.0, action=0.0)
    far = fusion_losses(out, targets, torch.ones(2, 5), torch.full((2,), -1), only)["joints3d"]
    near = {**out, "joints3d": out["joints3d"] * 0.1}
    assert fusion_losses(near, targets, torch.ones(2, 5), torch.full((2,), -1), only)["joints3d"] < far


def test_the_variance_that_fits_the_error_is_the_cheapest() -> None:
    targets = unknown_targets(1, 1)
    targets["joints3d_known"].fill_(1.0)
    out = outputs(1, 1)
    out["joints3d"] = torch.full((1, 1, 20, 3), 0.1)
    only = LossWeights(joints2d=0.0, contact=0.0, action=0.0, velocity=0.0)

    def cost(logvar: float) -> float:
        told = {**out, "joints3d_logvar": torch.full((1, 1, 20), logvar)}
        return float(
            fusion_losses(told, targets, torch.ones(1, 1), torch.tensor([-1]), only)["loss"].detach()
        )

    fitting = math.log(0.01)
    assert cost(fitting) < min(cost(fitting - 1.0), cost(fitting + 1.0))


def test_pooled_logits_are_the_mean_of_valid_ticks() -> None:
    logits = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [99.0, 0.0]]])
    assert pooled_logits({"action": logits}, torch.tensor([[1.0, 1.0, 0.0]])).tolist() == [[2.0, 0.0]]


def test_a_tick_with_a_larger_vote_counts_more_but_not_where_it_pads() -> None:
    logits = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [99.0, 0.0]]])
    vote = torch.tensor([[0.0, math.log(3.0), 50.0]])
    pooled = pooled_logits({"action": logits, "vote": vote}, torch.tensor([[1.0, 1.0, 0.0]]))
    torch.testing.assert_close(pooled, torch.tensor([[2.5, 0.0]]))


def test_mean_of_nothing_is_zero() -> None:
    assert float(masked_mean(torch.tensor([math.nan]), torch.zeros(1))) == 0.0
