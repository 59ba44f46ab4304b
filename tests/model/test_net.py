"""The network: streaming equals the full window, missing values do not matter, sizes are kept."""

from __future__ import annotations

import pytest
import roma
import torch

from fusion.data.augment import random_rotations
from fusion.model.encoders import of_any_fit
from fusion.model.net import FEATURES, FusionNet, NetConfig, NetState

ACTIONS = ("stand", "walk", "clap")


def random_features(batch: int, ticks: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Features with gaps of every kind, ages and a whole-modality blackout."""
    g = torch.Generator().manual_seed(seed)
    f = {name: torch.randn(batch, ticks, *shape, generator=g) for name, shape in FEATURES.items()}
    f["time"] = (torch.arange(ticks) * 16_666_667 + 10**15).expand(batch, ticks)
    for name in ("vision", "inertial", "audio"):
        f[f"{name}_present"] = (torch.rand(f[f"{name}_present"].shape, generator=g) < 0.7).float()
        f[f"{name}_age"] = torch.rand(f[f"{name}_age"].shape, generator=g)
    f["vision"][..., 3:6] = f["vision"][..., 3:6].abs() * 1e-3
    f["vision_present"][:, ticks // 3 : ticks // 2] = 0.0
    f["vision_present"][:, :3] = 0.0
    f["inertial_present"][:, ticks // 2 :, 3] = 0.0
    return f


def small(form: int = 2, window: int = 16) -> FusionNet:
    torch.manual_seed(1)
    sizes = NetConfig(
        width=32, layers=3, heads=2, window=window, actions=ACTIONS, form=form, memory=40,
        reprojected=form == 2, steady=1.0 if form == 2 else 0.0,
    )  # fmt: skip
    net = FusionNet(sizes).eval()
    with torch.no_grad():
        outs = [net.pose.out] if form == 1 else [net.points.out, net.body.fast, net.body.slow]
        for layer in outs:
            layer.weight.normal_(std=0.2)
    return net


def sizes_of(state: NetState) -> list[torch.Size]:
    layers = [tensor.shape for layer in state.layers for tensor in layer]
    return [*layers, *(tensor.shape for tensor in (*state.sums, *state[2:]))]


both_forms = pytest.mark.parametrize("form", [1, 2])


@both_forms
@pytest.mark.parametrize("ticks", [1, 15, 32, 33, 101])
def test_streaming_equals_the_full_window(ticks: int, form: int) -> None:
    net, features = small(form), random_features(2, ticks)
    with torch.no_grad():
        full = net(features)
    state = net.init_state(2)
    for t in range(ticks):
        outputs, state = net.step({k: v[:, t] for k, v in features.items()}, state)
        for name, value in outputs.items():
            torch.testing.assert_close(value, full[name][:, t], atol=1e-4, rtol=0)


@both_forms
def test_a_state_is_as_large_after_many_ticks_as_before_the_first(form: int) -> None:
    net, features = small(form), random_features(1, 60)
    state = net.init_state(1)
    shapes = sizes_of(state)
    for t in range(60):
        _, state = net.step({k: v[:, t] for k, v in features.items()}, state)
    assert sizes_of(state) == shapes


def test_the_default_net_streams_beyond_its_window_to_the_same_numbers() -> None:
    torch.manual_seed(0)
    net, features = FusionNet(NetConfig.tiny(ACTIONS)).eval(), random_features(1, 400, seed=3)
    with torch.no_grad():
        full = net(features)
    state = net.init_state(1)
    for t in range(400):
        outputs, state = net.step({k: v[:, t] for k, v in features.items()}, state)
    for name, value in outputs.items():
        torch.testing.assert_close(value, full[name][:, -1], atol=1e-4, rtol=0)


@both_forms
def test_a_later_tick_changes_nothing_before_it(form: int) -> None:
    net, features = small(form), random_features(1, 40)
    with torch.no_grad():
        before = net(features)
        changed = {k: v.clone() for k, v in features.items()}
        changed["vision"][:, 25:] += 1.0
        changed["inertial"][:, 25:] -= 1.0
        after = net(changed)
    for name in before:
        torch.testing.assert_close(after[name][:, :25], before[name][:, :25])
    assert not torch.allclose(after["joints3d"][:, 25:], before["joints3d"][:, 25:])


@both_forms
def test_values_of_missing_joints_sensors_and_sound_are_irrelevant_even_nan(form: int) -> None:
    net, features = small(form), random_features(2, 40)
    poisoned = {k: v.clone() for k, v in features.items()}
    for name in ("vision", "inertial", "audio"):
        poisoned[name][features[f"{name}_present"] < 0.5] = float("nan")
    with torch.no_grad():
        expected, got = net(features), net(poisoned)
    for name in expected:
        torch.testing.assert_close(got[name], expected[name])


@both_forms
def test_missing_is_not_the_same_as_zero(form: int) -> None:
    net, features = small(form), random_features(1, 8)
    zero = {k: v.clone() for k, v in features.items()}
    zero["inertial"].zero_()
    zero["inertial_present"].fill_(1.0)
    missing = {**zero, "inertial_present": torch.zeros_like(zero["inertial_present"])}
    with torch.no_grad():
        assert not torch.allclose(net(zero)["joints3d"], net(missing)["joints3d"])


@both_forms
def test_with_fresh_exact_vision_the_key_points_stay_where_they_were_measured(form: int) -> None:
    net, features = small(form), random_features(2, 30)
    features["vision_present"].fill_(1.0)
    features["vision_age"].zero_()
    features["vision"][..., 3:6] = 0.0
    with torch.no_grad():
        moved = (net(features)["keypoints2d"] - features["vision"][..., :2]).abs()
    assert moved.max() <= 0.02 + 1e-6


def test_votes_and_what_does_not_depend_on_the_fit_stream_to_the_same_numbers() -> None:
    torch.manual_seed(1)
    sizes = NetConfig(width=32, layers=2, heads=2, window=16, actions=ACTIONS, any_fit=True, weighed=True)
    net, features = FusionNet(sizes).eval(), random_features(2, 40)
    state = net.init_state(2)
    with torch.no_grad():
        full = net(features)
    assert full["vote"].shape == (2, 40)
    for t in range(40):
        outputs, state = net.step({k: v[:, t] for k, v in features.items()}, state)
        for name, value in outputs.items():
            torch.testing.assert_close(value, full[name][:, t], atol=1e-4, rtol=0)


def test_what_a_sensor_tells_in_any_fit_is_the_same_however_it_is_turned() -> None:
    g = torch.Generator().manual_seed(0)
    force, rate = torch.randn(50, 3, generator=g), torch.randn(50, 3, generator=g)
    sits, heads = random_rotations(50, 180.0, g), torch.randn(50, generator=g)
    world = roma.rotvec_to_rotmat(torch.stack([0 * heads, 0 * heads, heads], dim=-1))
    rotation = random_rotations(50, 180.0, g)

    def told(sensor: torch.Tensor, turned: torch.Tensor) -> torch.Tensor:
        orientation = turned @ rotation @ sensor.mT
        columns = torch.cat([orientation[..., 0], orientation[..., 1]], dim=-1)
        return of_any_fit((sensor @ force[..., None])[..., 0], (sensor @ rate[..., None])[..., 0], columns)

    plain = told(torch.eye(3).expand(50, 3, 3), torch.eye(3).expand(50, 3, 3))
    torch.testing.assert_close(told(sits, world), plain, atol=1e-4, rtol=1e-3)
    assert (plain.std(dim=0) > 0.05).all()


def test_sizes_hold_their_promises() -> None:
    assert FusionNet(NetConfig.tiny()).parameter_count <= 2_000_000
    assert 4_000_000 < FusionNet(NetConfig.base()).parameter_count <= 8_000_000


@both_forms
def test_gradients_are_finite_with_missing_values(form: int) -> None:
    net, features = small(form).train(), random_features(2, 20)
    features["vision"][features["vision_present"] < 0.5] = float("nan")
    sum(v.square().mean() for v in net(features).values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
