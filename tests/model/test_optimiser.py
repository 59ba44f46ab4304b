"""Optimisers that move as one."""

import copy

import pytest
import torch
from torch import Tensor, nn

from fusion.model.net import FusionNet, NetConfig
from fusion.model.optimiser import OptimiserConfig, Several, optimiser_of

CONFIG = OptimiserConfig(lr=1e-2, kind="muon")


def net() -> FusionNet:
    torch.manual_seed(0)
    return FusionNet(NetConfig(width=16, layers=2, heads=2, window=8, form=2))


def moved(model: nn.Module, optimiser: torch.optim.Optimizer, seed: int) -> list[Tensor]:
    """Step once with gradients drawn by ``seed``; return all weights after."""
    draw = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=draw)
    optimiser.step()
    return [parameter.detach().clone() for parameter in model.parameters()]


def test_each_weight_is_moved_by_one_of_the_two() -> None:
    model = net()
    optimiser = optimiser_of(model, CONFIG)
    assert isinstance(optimiser, Several)
    muon, adam = optimiser.optimisers
    of_muon = [p for group in muon.param_groups for p in group["params"]]
    of_adam = [p for group in adam.param_groups for p in group["params"]]
    assert sorted(map(id, of_muon + of_adam)) == sorted(map(id, model.parameters()))
    assert {p.ndim for p in of_muon} == {2}
    assert sum(p.numel() for p in of_muon) > 0.5 * model.parameter_count
    names = {id(p): name for name, p in model.named_parameters()}
    heads = {"body.fast.weight", "labels.contact.weight", "points.out.weight"}
    assert heads <= {names[id(p)] for p in of_adam}


def test_a_matrix_moves_by_orthogonal_steps_of_the_size_that_adamw_would_take() -> None:
    model = net()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    moved(model, optimiser_of(model, OptimiserConfig(lr=1e-2, weight_decay=0.0, kind="muon")), 1)
    step = (
        dict(model.named_parameters())["blocks.1.feed.0.weight"].detach() - before["blocks.1.feed.0.weight"]
    )
    values = torch.linalg.svdvals(step)
    assert float(values.min() / values.max()) > 0.4  # five steps of Newton and Schulz: 0.7 to 1.2
    assert float(step.square().mean().sqrt()) == pytest.approx(0.2e-2, rel=0.25)


def test_goes_on_from_its_state_as_if_it_had_not_stopped() -> None:
    through = net()
    optimiser = optimiser_of(through, CONFIG)
    moved(through, optimiser, 1)
    kept = copy.deepcopy({"weights": through.state_dict(), "optimiser": optimiser.state_dict()})
    other = net()
    other.load_state_dict(kept["weights"])
    again = optimiser_of(other, CONFIG)
    again.load_state_dict(kept["optimiser"])
    for one, two in zip(moved(through, optimiser, 2), moved(other, again, 2), strict=True):
        torch.testing.assert_close(one, two, rtol=0.0, atol=0.0)


def test_a_schedule_sets_the_rate_of_all_groups() -> None:
    model = net()
    optimiser = optimiser_of(model, CONFIG)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 0.5**step)
    moved(model, optimiser, 1)
    schedule.step()
    assert isinstance(optimiser, Several)
    rates = {group["lr"] for one in optimiser.optimisers for group in one.param_groups}
    assert rates == {5e-3}
