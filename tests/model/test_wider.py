"""A wider network begins with what a narrow one says, and learns something else with each copy."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from test_net import random_features
from test_views import with_others

from drivers.errors import ConfigError
from fusion.model.module import begin_from
from fusion.model.net import FusionNet, NetConfig

NARROW = NetConfig(
    width=32, layers=3, heads=2, window=8, joint_width=4, place_width=6, dropout=0.0,
    actions=("walk", "wave"), form=2, first=1, reprojected=True, weighed=True, steady=1.0,
)  # fmt: skip
WIDE = dataclasses.replace(NARROW, width=96, heads=6, joint_width=7, place_width=9, actions=("bow", "wave"))


@pytest.fixture
def narrow() -> FusionNet:
    """No weight is zero, as after a training."""
    torch.manual_seed(3)
    net = FusionNet(NARROW).eval()
    with torch.no_grad():
        for value in net.parameters():
            value.add_(0.05 * torch.randn_like(value))
    return net


@pytest.mark.parametrize("times", [2, 3])
def test_it_begins_with_what_the_narrow_one_says(narrow: FusionNet, times: int) -> None:
    wide = FusionNet(dataclasses.replace(WIDE, width=32 * times, heads=2 * times)).eval()
    begin_from(wide, narrow)
    features = with_others(random_features(2, 30))
    with torch.no_grad():
        told, before = wide(features), narrow(features)
    torch.testing.assert_close(told.pop("action")[..., 1], before.pop("action")[..., 1], rtol=0, atol=1e-4)
    assert set(told) == set(before)
    for name, value in before.items():
        torch.testing.assert_close(told[name], value, rtol=1e-4, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}")


def test_copies_learn_different_things(narrow: FusionNet) -> None:
    wide = FusionNet(WIDE)
    begin_from(wide, narrow)
    told = wide(random_features(2, 12))
    sum(told[name].square().sum() for name in ("joints3d", "contact", "heading")).backward()
    for name, value in wide.named_parameters():
        copies = value.grad.reshape(3, -1) if name.endswith((".to_out.weight", "feed.3.weight")) else None
        if copies is not None:
            assert (copies[0] - copies[1]).norm() > 0.1 * copies[0].norm() > 0.0, name


def test_networks_that_differ_otherwise_are_refused(narrow: FusionNet) -> None:
    for changes, said in (({"width": 80}, "80"), ({"heads": 2}, "2"), ({"layers": 4}, "layers")):
        with pytest.raises(ConfigError, match=said):
            begin_from(FusionNet(dataclasses.replace(WIDE, **changes)), narrow)
