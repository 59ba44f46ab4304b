"""The body in the network: exact bones, headings found and turned right, what is missing, losses."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
import roma
import torch
from safetensors.torch import save_file

from drivers.errors import WeightsError
from drivers.places import PLACES
from fusion.data.virtual import Clips, VirtualBatches
from fusion.model.aligned import carried_on, worn
from fusion.model.attention import TOKENS
from fusion.model.checkpoint import load_net, save_net
from fusion.model.geometry import (
    about_vertical,
    from_six_d,
    geodesic,
    heading_between,
    leaky_step,
    leaky_sum,
    to_six_d,
    von_mises_nll,
)
from fusion.model.losses import LossWeights, fusion_losses
from fusion.model.mounting import Mounting
from fusion.model.net import FusionNet, NetConfig
from fusion.segments import HANGS, JOINT
from fusion.skeletons import BODY20
from fusion.virtual.simulated import simulated

ACTIONS = ("stand", "walk")


def small() -> FusionNet:
    torch.manual_seed(2)
    net = FusionNet(NetConfig(width=48, layers=2, heads=4, window=30, dropout=0.0, actions=ACTIONS, form=2))
    with torch.no_grad():
        net.body.fast.weight.normal_(std=0.1)
        net.body.slow.weight.normal_(std=0.1)
    return net


@pytest.fixture(scope="module")
def batch():
    motions = [simulated(seed, 3.0) for seed in (1, 2)]
    return VirtualBatches(Clips(motions, ACTIONS), 60, 4, seed=1)[0]


def test_bones_of_the_joints_are_as_long_as_the_body_says_at_each_tick(batch) -> None:
    net = small().eval()
    with torch.no_grad():
        for half in (False, True):  # mixed precision must not touch the kinematics
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                outputs = net(batch["features"])
            lengths = outputs["offsets"].norm(dim=-1)
            for name, (_, parent) in HANGS.items():
                if {name, parent} & {"spine", "neck"}:
                    continue
                bone = outputs["joints3d"][:, :, JOINT[name]] - outputs["joints3d"][:, :, JOINT[parent]]
                torch.testing.assert_close(bone.norm(dim=-1), lengths[..., JOINT[name]], atol=2e-6, rtol=0)
    turns = outputs["rotations"]
    torch.testing.assert_close(
        turns @ turns.transpose(-1, -2), torch.eye(3).expand_as(turns), atol=1e-5, rtol=0
    )


def test_a_heading_is_found_between_rotations_and_taken_away() -> None:
    g = torch.Generator().manual_seed(0)
    true = from_six_d(torch.randn(50, 6, generator=g))
    angle = (torch.rand(50, generator=g) * 2 - 1) * 3.1
    told = roma.rotvec_to_rotmat(torch.stack([0 * angle, 0 * angle, angle], dim=-1)) @ true
    found = heading_between(told, true)
    torch.testing.assert_close(torch.atan2(found[:, 1], found[:, 0]), angle, atol=1e-4, rtol=0)
    back = about_vertical(torch.stack([angle.cos(), angle.sin()], dim=-1)).transpose(-1, -2) @ told
    torch.testing.assert_close(back, true, atol=1e-5, rtol=0)
    torch.testing.assert_close(from_six_d(2.0 * to_six_d(told)), told, atol=1e-5, rtol=0)


def test_an_orientation_is_carried_on_by_the_angular_rate_for_as_long_as_it_is_old() -> None:
    g = torch.Generator().manual_seed(1)
    told = from_six_d(torch.randn(50, 6, generator=g))
    rate, age = 20.0 * torch.rand(50, 3, generator=g) - 10.0, 0.05 * torch.rand(50, generator=g)
    after = carried_on(told, rate, age)
    true = told @ roma.rotvec_to_rotmat(rate * age[:, None])
    torch.testing.assert_close(after, true, atol=1e-4, rtol=0)
    nothing = torch.zeros(4, 3, 3)
    assert not carried_on(nothing, torch.randn(4, 3, generator=g), torch.full((4,), 0.02)).any()


def test_geodesic_is_the_angle_and_its_gradient_is_finite_at_zero_and_at_half_a_turn() -> None:
    angle = torch.tensor([0.3, 1.0, 2.5])
    turn = roma.rotvec_to_rotmat(torch.stack([angle, 0 * angle, 0 * angle], dim=-1))
    torch.testing.assert_close(geodesic(turn, torch.eye(3).expand(3, 3, 3)), angle, atol=1e-4, rtol=0)
    ends = torch.stack([torch.eye(3), torch.diag(torch.tensor([1.0, -1.0, -1.0]))]).requires_grad_()
    geodesic(ends, torch.eye(3).expand(2, 3, 3)).sum().backward()
    assert ends.grad is not None
    assert torch.isfinite(ends.grad).all()


def test_a_leaky_sum_is_the_sum_of_its_steps() -> None:
    x = torch.randn(2, 500, 3, generator=torch.Generator().manual_seed(0))
    total, whole = torch.zeros(2, 3), leaky_sum(x, 60.0)
    for tick in range(500):
        total = leaky_step(total, x[:, tick], 60.0)
        torch.testing.assert_close(total, whole[:, tick], atol=1e-4, rtol=1e-5)


def test_von_mises_prefers_the_truth_and_certainty_only_where_it_is_right() -> None:
    def nll(kappa: float, off: float) -> float:
        evidence = torch.tensor([kappa * math.cos(off), kappa * math.sin(off)])
        return float(von_mises_nll(evidence, torch.tensor(0.0)))

    assert nll(20.0, 0.0) < nll(2.0, 0.0) < nll(2.0, 0.5) < nll(20.0, 1.5)
    # A density: it integrates to one over the circle.
    grid = torch.linspace(-math.pi, math.pi, 2001)[:-1]
    density = torch.exp(-von_mises_nll(torch.tensor([3.0, 1.0]), grid)) / (2 * math.pi)
    assert float(density.sum() * (grid[1] - grid[0])) == pytest.approx(1.0, abs=1e-3)


def test_without_sensors_nothing_is_claimed_of_headings(batch) -> None:
    net = small().eval()
    features = {
        **batch["features"],
        "inertial_present": torch.zeros_like(batch["features"]["inertial_present"]),
    }
    with torch.no_grad():
        heading = net(features)["heading"]
        believed = net(batch["features"])["heading"]
    assert (heading == heading[0, 0]).all()
    assert (heading[..., 1] == 0).all()
    seen = batch["features"]["inertial_present"].sum(dim=1) > 0
    assert ((believed[:, -1] != heading[:, -1]).any(dim=-1) == seen).all()


def test_heading_errors_and_pose_are_learnt(batch) -> None:
    """By heart, one batch: the headings of all worn sensors and joints through the kinematics."""
    net = small().train()
    adam = torch.optim.Adam(net.parameters(), lr=3e-3)
    first: dict[str, float] = {}
    terms: dict[str, torch.Tensor] = {}
    outputs: dict[str, torch.Tensor] = {}
    for _ in range(120):
        outputs = net(batch["features"])
        terms = fusion_losses(
            outputs, batch["targets"], batch["valid"], batch["segment"], LossWeights(heading=0.2)
        )
        first = first or {name: float(value.detach()) for name, value in terms.items()}
        adam.zero_grad()
        terms["loss"].backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adam.step()
    terms = {name: value.detach() for name, value in terms.items()}
    assert float(terms["joints3d"]) < 0.3 * first["joints3d"]
    assert float(terms["rotations"]) < 0.5 * first["rotations"]
    assert float(terms["bones"]) < 0.5 * first["bones"]
    outputs = {name: value.detach() for name, value in outputs.items()}
    told = torch.atan2(outputs["heading"][..., 1], outputs["heading"][..., 0]).rad2deg()
    known = batch["targets"]["heading_known"] > 0.5
    wrong = (told - batch["targets"]["heading"] + 180.0) % 360.0 - 180.0
    before = batch["targets"]["heading"][known].abs().mean()
    assert float(wrong[:, 30:][known[:, 30:]].abs().mean()) < 0.35 * float(before)


def test_unknown_targets_of_the_body_teach_nothing_even_nan(batch) -> None:
    net = small().train()
    names = ("rotations", "offsets", "root_velocity", "heading")
    poisoned = dict(batch["targets"])
    for name in names:
        poisoned[name] = torch.full_like(poisoned[name], float("nan"))
        poisoned[f"{name}_known"] = torch.zeros_like(poisoned[f"{name}_known"])
    terms = fusion_losses(net(batch["features"]), poisoned, batch["valid"], batch["segment"], LossWeights())
    assert all(
        float(terms[name].detach()) == 0.0 for name in ("rotations", "bones", "root_velocity", "heading")
    )
    terms["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_another_camera_is_another_token(batch) -> None:
    net = small().eval()
    torch.nn.init.normal_(net.sensors.bearing)  # else it never learned of further cameras, and asks none
    f = batch["features"]
    names = {
        "vision": "others",
        **{n: f"others_{n.removeprefix('vision_')}" for n in ("vision_present", "vision_age", "box")},
    }
    twice = {other: f[name][:, :, None] for name, other in names.items()}
    twice["others_bearing"] = torch.zeros(*f["box"].shape[:2], 1, 3)
    with torch.no_grad():
        up = worn(f).up
        x, one = net.sensors(f, up)
        _, two = net.sensors({**f, **twice}, up)
        assert x.shape[:-1] == one.shape[:-1] == f["vision_age"].shape
    assert one.shape[-1] == len(TOKENS) == len(PLACES) + 2
    assert two.shape[-1] == len(TOKENS) + 1
    torch.testing.assert_close(two.sum(dim=-1), torch.ones_like(f["vision_age"]))


def test_files_of_a_body_come_back_and_later_versions_are_refused_by_name(batch, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    net = small().eval()
    save_net(net, tmp_path / "a.safetensors")
    again = load_net(tmp_path / "a.safetensors")
    with torch.no_grad():
        expected, got = net(batch["features"]), again(batch["features"])
    assert again.config == net.config
    assert len(BODY20) == expected["joints3d"].shape[2]
    for name, value in expected.items():
        assert torch.equal(got[name], value)
    newer = {"format": "chorus-fusion-net", "version": "9", "net": "{}"}
    save_file(load_file(str(tmp_path / "a.safetensors")), str(tmp_path / "b.safetensors"), metadata=newer)
    with pytest.raises(WeightsError, match="of version 9, this program reads up to 2"):
        load_net(tmp_path / "b.safetensors")


def test_weights_of_the_first_version_are_a_network_of_form_1(tmp_path: Path) -> None:
    net = FusionNet(NetConfig(width=16, layers=1, heads=2, window=8))
    about = {
        name: value
        for name, value in dataclasses.asdict(net.config).items()
        if name not in ("form", "first", "memory")  # of which version 1 had no word
    }
    path = tmp_path / "old.safetensors"
    metadata = {"format": "chorus-fusion-net", "version": "1", "net": json.dumps(about)}
    save_file(net.state_dict(), path, metadata=metadata)
    assert load_net(path).config == net.config


def test_what_turns_a_guess_into_what_a_sensor_tells_is_taken_off():
    """Sensors sit askew by up to 20 degrees; guesses are right on average only, and far off now and then."""
    torch.manual_seed(4)
    mounting, ticks = Mounting(8), 600
    true = roma.random_rotmat(ticks * 15).reshape(ticks, 15, 3, 3)
    askew = roma.rotvec_to_rotmat(torch.nn.functional.normalize(torch.randn(15, 3), dim=-1) * 0.35)
    wrong = roma.rotvec_to_rotmat(0.2 * torch.randn(ticks, 15, 3))
    guess = true @ wrong
    guess[::10] = roma.random_rotmat(60 * 15).reshape(60, 15, 3, 3)
    told = true @ askew
    evidence = mounting.evidence(torch.zeros(ticks, 8), guess, told, torch.ones(ticks, 15))
    segments = from_six_d(mounting.taken_off(leaky_sum(evidence[None], 1800.0)[0], told)).detach()
    error = geodesic(segments, true).rad2deg()
    assert float(error[0].mean()) > 15.0  # nothing is known yet
    assert float(error[-1].mean()) < 3.0
    nobody = mounting.evidence(torch.zeros(1, 8), guess[:1], told[:1], torch.zeros(1, 15))
    assert not nobody.any()
