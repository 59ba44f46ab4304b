"""Several cameras are more tokens, several people more rows: neither changes what one of each gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_net import random_features, small

from fusion.model.attention import LATER
from fusion.model.checkpoint import load_net, save_net
from fusion.model.contract import FEATURES, OTHERS, shapes
from fusion.model.module import begin_from
from fusion.model.net import FusionNet
from fusion.model.state import joined, people, rows

Features = dict[str, torch.Tensor]


def with_others(features: Features, cameras: int = 3, seed: int = 5) -> Features:
    """Add what further cameras see, with gaps."""
    g = torch.Generator().manual_seed(seed)
    lead = features["time"].shape
    more = {name: torch.randn(*lead, cameras - 1, *shape, generator=g) for name, shape in OTHERS.items()}
    more["others"][..., 3:6] = more["others"][..., 3:6].abs() * 1e-3
    more["others_present"] = (more["others_present"] > -0.5).float()
    more["others_present"][:, 5:12, 0] = 0.0
    more["others_age"] = more["others_age"].abs()
    return features | more


def taught(net: FusionNet) -> FusionNet:
    """Let a network listen to further cameras, as one does that learned to."""
    with torch.no_grad():
        net.sensors.other.fill_(0.5)
        net.sensors.bearing.normal_(std=0.5)
    return net


def run(net: FusionNet, features: Features) -> Features:
    with torch.no_grad():
        return net(features)


def test_the_contract_of_one_camera_is_as_it_was() -> None:
    assert shapes(1) == FEATURES
    assert shapes(3)["others"] == (2, 20, 9)
    assert {name: shapes(3)[name] for name in FEATURES} == FEATURES


def test_weights_from_before_there_were_several_cameras_give_the_same_numbers(tmp_path: Path) -> None:
    net, features = taught(small()), random_features(2, 30)
    save_net(net, tmp_path / "new.safetensors")
    tensors = load_file(tmp_path / "new.safetensors")
    old = {name: t for name, t in tensors.items() if name.removeprefix("sensors.") not in LATER}
    assert len(tensors) - len(old) == len(LATER)
    from safetensors import safe_open

    with safe_open(str(tmp_path / "new.safetensors"), framework="pt") as file:
        save_file(old, tmp_path / "old.safetensors", metadata=file.metadata())
    again, begun = load_net(tmp_path / "old.safetensors"), small()
    begin_from(begun, again)
    for other in (again, begun):
        for name, value in run(net, features).items():
            assert torch.equal(run(other, features)[name], value), name


def test_further_cameras_that_see_nobody_are_as_none() -> None:
    net, features = taught(small()), random_features(2, 30)
    more = with_others(features)
    more["others_present"].zero_()
    more["others"].fill_(float("nan"))
    expected, got = run(net, features), run(net, more)
    assert not got["attention"][..., 18:].any()
    for name in expected.keys() - {"attention"}:
        torch.testing.assert_close(got[name], expected[name], atol=1e-6, rtol=0)


def test_a_network_that_never_learned_of_them_does_not_ask_further_cameras() -> None:
    net, features = small(), random_features(2, 30)
    expected, got = run(net, features), run(net, with_others(features))
    assert all(torch.equal(got[name], value) for name, value in expected.items())


def test_what_a_further_camera_sees_and_whence_matters_to_one_that_learned_it() -> None:
    net, features = taught(small()), with_others(random_features(2, 30))
    turned = features | {"others_bearing": -features["others_bearing"]}
    moved = features | {"others": features["others"] + 0.3}
    told = run(net, features)["joints3d"]
    assert (run(net, turned)["joints3d"] - told).abs().max() > 1e-4
    assert (run(net, moved)["joints3d"] - told).abs().max() > 1e-4


def test_the_order_of_further_cameras_does_not_matter() -> None:
    net, features = taught(small()), with_others(random_features(2, 30), cameras=4)
    flipped = features | {name: features[name].flip(2) for name in OTHERS}
    for name, value in run(net, features).items():
        if name != "attention":
            torch.testing.assert_close(run(net, flipped)[name], value, atol=1e-5, rtol=1e-5)


def test_several_cameras_stream_to_the_same_numbers() -> None:
    net, features = taught(small()), with_others(random_features(2, 40))
    full, state = run(net, features), net.init_state(2)
    for tick in range(40):
        outputs, state = net.step({name: value[:, tick] for name, value in features.items()}, state)
        for name, value in outputs.items():
            torch.testing.assert_close(value, full[name][:, tick], atol=1e-4, rtol=0)


def test_a_network_of_form_1_looks_through_the_reference_camera() -> None:
    net, features = small(form=1), random_features(1, 20)
    for name, value in run(net, features).items():
        assert torch.equal(run(net, with_others(features))[name], value)


def test_a_step_of_several_people_is_a_step_of_each() -> None:
    net, features = small(), random_features(3, 40)
    together, alone = net.init_state(3), [net.init_state(1) for _ in range(3)]
    for tick in range(40):
        now = {name: value[:, tick] for name, value in features.items()}
        outputs, together = net.step(now, together)
        for row in range(3):
            told, alone[row] = net.step(
                {name: value[row : row + 1] for name, value in now.items()}, alone[row]
            )
            for name, value in told.items():
                torch.testing.assert_close(outputs[name][row : row + 1], value, atol=1e-4, rtol=0)


@pytest.mark.parametrize("form", [1, 2])
def test_people_come_and_go(form: int) -> None:
    """One from the start, another from tick 10, a third from 20; the first one leaves at 30."""
    net, features = small(form), random_features(3, 45)
    with torch.no_grad():
        alone = [
            net({n: v[p : p + 1, start:] for n, v in features.items()}) for p, start in enumerate((0, 10, 20))
        ]
    here, state = [], net.init_state(0)
    for tick in range(45):
        if tick in (0, 10, 20):
            here.append(tick // 10)
            state = joined(state, net.init_state(1))
        if tick == 30:
            here, state = [2, 1], rows(state, [2, 1])
        assert people(state) == len(here)
        outputs, state = net.step({name: value[here, tick] for name, value in features.items()}, state)
        for row, person in enumerate(here):
            for name, value in outputs.items():
                expected = alone[person][name][0, tick - 10 * person]
                torch.testing.assert_close(value[row], expected, atol=1e-4, rtol=0)


def test_rows_that_are_not_there_are_refused() -> None:
    state = small().init_state(2)
    with pytest.raises(IndexError):
        rows(state, [2])
    with pytest.raises(ValueError, match="none"):
        joined()
    assert people(rows(state, [])) == 0
