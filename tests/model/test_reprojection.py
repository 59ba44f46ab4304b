"""What key points say beyond a body that is projected, and what is compared where no camera saw anybody."""

from __future__ import annotations

import dataclasses

import pytest
import roma
import torch

from drivers.errors import ConfigError
from fusion.data.virtual import Clips, VirtualBatches
from fusion.evaluate.pose import compare
from fusion.model.blind import in_true_view, scored, unseen_so_far
from fusion.model.geometry import geodesic
from fusion.model.heads import NEVER_S, Held
from fusion.model.losses import LossWeights, fusion_losses
from fusion.model.module import begin_from
from fusion.model.net import FusionNet, NetConfig
from fusion.model.reprojection import left_over
from fusion.skeletons import BODY20
from fusion.virtual.parts import about_z
from fusion.virtual.simulated import simulated

ACTIONS = ("stand", "walk")
FOCAL, ASPECT, DISTANCE_M = 0.9, 0.75, 3.0


def seen(joints: torch.Tensor, aside_m: float = 0.4) -> tuple[Held, torch.Tensor]:
    """Return what a faultless camera measures of joints (20, 3), m from the pelvis, and the person's box."""
    pelvis = torch.tensor([aside_m, 0.2, DISTANCE_M])
    places = joints + pelvis
    flat = FOCAL * places[:, :2] / places[:, 2:]  # widths from the middle of the picture
    low, high = flat.amin(dim=0), flat.amax(dim=0)
    centre, size = 0.5 * (low + high), (high - low).amax()
    value = torch.cat([(flat - centre) / size, joints[:, 2:], torch.ones(20, 1)], dim=-1)
    box = torch.stack([centre[0], centre[1] / ASPECT, size])
    return Held(value, torch.full((20,), 0.01), torch.zeros(20)), box


@pytest.fixture
def joints() -> torch.Tensor:
    body = simulated(3, 2.0).joints[40]
    level = (body - body[:1]) @ torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]]).T
    return level.float()


def test_nothing_is_left_over_of_a_true_body(joints) -> None:
    held, box = seen(joints)
    left = left_over(joints, held, box, torch.tensor(FOCAL), torch.tensor(ASPECT))
    # The line of sight is that to the box's middle, not to the pelvis.
    assert left.error[:, :2].norm(dim=-1).max() < 0.015
    assert left.error[:, 2].abs().max() < 1e-6
    assert float(1.0 / left.near) == pytest.approx(DISTANCE_M, rel=0.05)


def test_a_joint_that_lies_elsewhere_is_told_by_how_much_and_where_to(joints) -> None:
    held, box = seen(joints)
    hand = BODY20.index("left_hand")
    guess = joints.clone()
    guess[hand] += torch.tensor([-0.10, 0.05, 0.08])
    left = left_over(guess, held, box, torch.tensor(FOCAL), torch.tensor(ASPECT))
    torch.testing.assert_close(left.error[hand, :2], torch.tensor([0.10, -0.05]), atol=0.025, rtol=0)
    assert float(left.error[hand, 2]) == pytest.approx(-0.08, abs=0.002)
    others = torch.arange(20) != hand
    assert left.error[others, :2].norm(dim=-1).max() < 0.03


def test_how_large_and_where_the_person_is_in_the_picture_leaves_nothing_over(joints) -> None:
    held, box = seen(joints, aside_m=0.0)
    moved = held._replace(value=torch.cat([1.3 * held.value[:, :2] + 0.1, held.value[:, 2:]], dim=-1))
    left = left_over(joints, moved, box, torch.tensor(FOCAL), torch.tensor(ASPECT))
    assert left.error[:, :2].norm(dim=-1).max() < 0.03


def test_old_and_missing_key_points_say_nothing(joints) -> None:
    held, box = seen(joints)
    age = torch.zeros(20)
    age[5:8] = NEVER_S
    age[9] = 1.5
    left = left_over(joints + 0.3, held._replace(age=age), box, torch.tensor(FOCAL), torch.tensor(ASPECT))
    assert not left.error[5:8].any()
    assert not left.weight[5:8].any()
    assert float(left.weight[9]) < 1e-4
    nobody = left_over(
        joints, held._replace(age=torch.full((20,), NEVER_S)), box, torch.tensor(FOCAL), torch.tensor(ASPECT)
    )
    assert not nobody.error.any()
    assert torch.isfinite(nobody.scale)


def batch_of(seed: int):
    motions = [simulated(n, 3.0) for n in (1, 2)]
    return VirtualBatches(Clips(motions, ACTIONS), 60, 4, seed=seed)[0]


def net() -> FusionNet:
    torch.manual_seed(4)
    sizes = NetConfig(
        width=32, layers=3, heads=2, window=20, actions=ACTIONS, form=2, dropout=0.0, reprojected=True
    )
    made = FusionNet(sizes)
    with torch.no_grad():
        made.body.fast.weight.normal_(std=0.1)
        made.body.slow.weight.normal_(std=0.1)
    return made


def test_the_first_guess_is_told_and_taught_and_what_is_left_of_it_changes_the_second() -> None:
    made, batch = net(), batch_of(1)
    outputs = made(batch["features"])
    fusion_losses(outputs, batch["targets"], batch["valid"], batch["segment"], LossWeights())[
        "loss"
    ].backward()
    assert all(p.grad is not None for p in made.reprojection.parameters())
    assert made.reprojection.told[0].weight.grad.abs().sum() > 0
    with torch.no_grad():
        before = made(batch["features"])
        made.reprojection.told[2].weight.mul_(-1.0)
        after = made(batch["features"])
    torch.testing.assert_close(after["draft"], before["draft"])
    assert not torch.allclose(after["rotations"], before["rotations"])


def test_a_network_that_guesses_twice_begins_from_one_that_guesses_once() -> None:
    torch.manual_seed(6)
    sizes = NetConfig(width=32, layers=2, heads=2, window=20, actions=ACTIONS, form=2, dropout=0.0)
    once = FusionNet(sizes).eval()
    twice = FusionNet(dataclasses.replace(sizes, layers=3, reprojected=True)).eval()
    begin_from(twice, once)
    features = batch_of(5)["features"]
    with torch.no_grad():
        told, first = twice(features), once(features)
    for name in ("joints3d", "rotations", "action"):
        torch.testing.assert_close(told[name], first[name])
    with pytest.raises(ConfigError, match="other sizes"):
        begin_from(FusionNet(dataclasses.replace(sizes, width=48, reprojected=True, layers=3)), once)


def test_without_a_camera_its_tilt_costs_nothing_and_with_one_it_does() -> None:
    batch = batch_of(2)
    targets, features = batch["targets"], dict(batch["features"])
    tilt = roma.rotvec_to_rotmat(torch.tensor([0.3, 0.0, 0.0]))
    told = {
        "view": tilt @ targets["view"],
        "joints3d": targets["joints3d"] @ tilt.T,
        "rotations": tilt @ targets["rotations"],
        "root_velocity": targets["root_velocity"] @ tilt.T,
    }
    assert not unseen_so_far(features).all()
    features["vision_present"] = torch.zeros_like(features["vision_present"])
    blind = {**batch, "features": features}
    assert unseen_so_far(features).all()
    level = scored(told, blind)
    torch.testing.assert_close(level["joints3d"], targets["joints3d"], atol=1e-5, rtol=0)
    torch.testing.assert_close(level["root_velocity"], targets["root_velocity"], atol=1e-5, rtol=0)
    assert geodesic(level["rotations"], targets["rotations"]).max() < 1e-3
    kept = in_true_view(told, targets, torch.zeros_like(batch["valid"], dtype=torch.bool))
    torch.testing.assert_close(kept["joints3d"], told["joints3d"])


def test_the_turn_about_the_vertical_is_not_forgiven() -> None:
    batch = batch_of(2)
    targets = batch["targets"]
    features = {**batch["features"], "vision_present": torch.zeros_like(batch["features"]["vision_present"])}
    turn = targets["view"] @ about_z(torch.tensor(0.5)) @ targets["view"].transpose(-1, -2)
    told = {"view": targets["view"], "joints3d": (turn[:, :, None] @ targets["joints3d"][..., None])[..., 0]}
    level = scored(told, {**batch, "features": features})
    torch.testing.assert_close(level["joints3d"], told["joints3d"], atol=1e-5, rtol=0)


def test_evaluation_without_vision_does_not_ask_for_the_camera() -> None:
    batch = batch_of(3)
    batch["features"]["vision_present"][:, 0] = 1.0  # somebody is seen from the first tick on
    made = net().eval()
    unknown = {**batch["targets"], "view_known": torch.zeros_like(batch["valid"])}
    rows, other = (
        {row.name: row.values["mpjpe_mm"] for row in compare(made, [given], 60.0)}
        for given in (batch, {**batch, "targets": unknown})
    )
    assert rows["all sensors"] == pytest.approx(other["all sensors"])
    assert rows["without vision"] != pytest.approx(other["without vision"], abs=1.0)
