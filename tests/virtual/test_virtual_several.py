"""Several virtual cameras: what the reference camera's features gain, and that one camera stays as it is."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from drivers.simulator.actions import ACTIONS
from fusion.data.batches import Batch
from fusion.data.virtual import Clips, VirtualBatches
from fusion.evaluate.conditions import without
from fusion.model.contract import FEATURES, OTHERS, shapes
from fusion.model.net import FusionNet, NetConfig
from fusion.virtual.camera import CameraRanges, Seen, VirtualCameras
from fusion.virtual.corrupt import corruption
from fusion.virtual.frames import FrameRanges
from fusion.virtual.kinematics import orientations
from fusion.virtual.sensing import SensorRanges
from fusion.virtual.several import SeveralRanges, several
from fusion.virtual.simulated import simulated
from fusion.virtual.views import ViewRanges, draw_views

RATE = 60.0
CLEAR = CameraRanges(
    frames=FrameRanges(rates=(60.0,), delay_s=0.0, lag_s=0.0, missed=0.0, blackout=0.0),
    noise=0.0, definition_m=0.0, exposure_s=(1e-4, 1e-4), dark=0.0, furniture=0.0, unknown=0.0, found=1.0,
    depth_known=1.0, flicker=0.0, box=(0.0, 0.0), prone=0.0, limb_swap=0.0, view=ViewRanges(cut=0.0),
)  # fmt: skip
PERFECT = SeveralRanges(1.0, 3, 3, calibrated=1.0, turn_deg=0.0, shift_m=0.0, focal=0.0)


@pytest.fixture(scope="module")
def moving() -> tuple[Tensor, Tensor]:
    motions = [simulated(seed, 3.0) for seed in range(8)]
    joints = torch.stack([m.joints for m in motions])
    return joints, torch.stack([orientations(m.rotations) for m in motions])


def see(
    moving: tuple[Tensor, Tensor], cameras: CameraRanges, ranges: SeveralRanges, count: int = 3
) -> tuple[Seen, Seen, dict[str, Tensor]]:
    """Return what the reference cameras see alone, with help, and what the others tell."""
    g = torch.Generator().manual_seed(0)
    seen = VirtualCameras(cameras, RATE)(*moving, g, 30, count)
    helped, others = several(seen, count, ranges, RATE, g)
    reference = torch.arange(0, len(seen.vision), count)
    alone = dataclasses.replace(
        seen,
        **{f.name: getattr(seen, f.name)[reference] for f in dataclasses.fields(seen) if f.name != "views"},
        views=seen.views.repeated(reference),
    )
    return alone, helped, others


def depth_error(seen: Seen, where: Tensor) -> Tensor:
    return (seen.vision[..., 7] - seen.joints3d[..., 2]).abs()[where]


def test_the_lens_is_undone(moving: tuple[Tensor, Tensor]) -> None:
    views = draw_views(moving[0], ViewRanges(), torch.Generator().manual_seed(1))
    points = views.to_camera(moving[0])
    places = views.project(points)
    inside = views.inside(places)
    off = (views.straight(places) - points[..., :2] / points[..., 2:])[inside].abs()
    assert float(off.max()) < 1e-4


def test_without_noise_depth_is_the_truth(moving: tuple[Tensor, Tensor]) -> None:
    alone, helped, _ = see(moving, CLEAR, PERFECT)
    measured = helped.vision[..., 8] == 2.0
    assert float(measured.float().mean()) > 0.8
    assert float(depth_error(helped, measured).quantile(0.9)) < 0.02
    assert float(depth_error(alone, alone.vision_present > 0.5).quantile(0.9)) > 0.05  # a network shrinks it
    torch.testing.assert_close(helped.joints3d, alone.joints3d)


def test_with_all_noise_depth_is_better_than_a_network_guesses(moving: tuple[Tensor, Tensor]) -> None:
    alone, helped, _ = see(moving, CameraRanges(), SeveralRanges(1.0, calibrated=1.0), count=2)
    measured = helped.vision[..., 8] == 2.0
    guessed = measured & (alone.vision[..., 8] == 1.0)
    assert float(guessed.float().mean()) > 0.2
    before, after = depth_error(alone, guessed), depth_error(helped, guessed)
    assert float(after.median()) < 0.7 * float(before.median())
    assert float(after.quantile(0.9)) < 0.7 * float(before.quantile(0.9))


def test_what_the_reference_camera_sees_itself_stays(moving: tuple[Tensor, Tensor]) -> None:
    alone, helped, _ = see(moving, CLEAR, PERFECT, count=2)
    both = (alone.vision_present > 0.5) & (helped.vision_present > 0.5)
    off = (alone.vision - helped.vision)[..., :7].abs()[both]
    assert float(off.max()) < 1e-3
    itself = (alone.vision_present > 0.5).any(dim=-1)
    torch.testing.assert_close(alone.box[itself], helped.box[itself])


def test_where_the_reference_camera_is_covered_the_others_tell_where_joints_are(
    moving: tuple[Tensor, Tensor],
) -> None:
    _, helped, _ = see(moving, CLEAR, dataclasses.replace(PERFECT, covered=0.5))
    assert float((helped.vision_present > 0.5).float().mean()) > 0.95
    known = (helped.joints2d_known > 0.5) & (helped.vision_present > 0.5)
    off = (helped.vision[..., :2] - helped.joints2d).norm(dim=-1)[known]
    assert float(off.quantile(0.9)) < 0.03


def test_one_other_camera_lifts_what_the_covered_one_does_not_see(moving: tuple[Tensor, Tensor]) -> None:
    _, helped, _ = see(moving, CLEAR, dataclasses.replace(PERFECT, covered=1.0), count=2)
    present = helped.vision_present > 0.5
    assert float(present.float().mean()) > 0.9
    assert not bool((helped.vision[..., 8] == 2.0).any())
    assert float(depth_error(helped, present).median()) < 0.15
    spread = helped.vision[..., 3][present].sqrt()
    assert float(spread.median()) > 0.02  # and says that it is not sure


def test_uncalibrated_the_reference_camera_is_alone(moving: tuple[Tensor, Tensor]) -> None:
    alone, helped, others = see(moving, CameraRanges(), SeveralRanges(1.0, 3, 3, calibrated=0.0))
    for name in ("vision", "vision_present", "vision_age", "box"):
        assert torch.equal(getattr(alone, name), getattr(helped, name))
    assert not others["others_present"].any()
    assert not others["others_bearing"].any()


def test_bearings_are_those_of_the_cameras(moving: tuple[Tensor, Tensor]) -> None:
    g = torch.Generator().manual_seed(0)
    seen = VirtualCameras(CLEAR, RATE)(*moving, g, 30, 3)
    _, others = several(seen, 3, PERFECT, RATE, g)
    facing = seen.views.facing.unflatten(0, (-1, 3))
    told = torch.atan2(others["others_bearing"][:, 0, :, 1], others["others_bearing"][:, 0, :, 0])
    turn = told - (facing[:, 1:] - facing[:, :1])
    torch.testing.assert_close(turn.cos(), torch.ones_like(turn))


@pytest.fixture(scope="module")
def clips() -> Clips:
    return Clips([simulated(seed, 4.0) for seed in (1, 2)], ACTIONS)


def batches(clips: Clips, **changes: object) -> VirtualBatches:
    ranges = SensorRanges(several=SeveralRanges(**changes))  # type: ignore[arg-type]
    return VirtualBatches(clips, 90, 4, ranges)


def test_batches_follow_the_contract_and_one_camera_is_the_default(clips: Clips) -> None:
    made = batches(clips, batches=1.0, least=2, most=4)
    counts = set()
    for number in range(4):
        features = made[number]["features"]
        cameras = 1 + features["others"].shape[2]
        counts.add(cameras)
        assert {name: tuple(value.shape[2:]) for name, value in features.items()} == shapes(cameras)
        assert all(bool(torch.isfinite(value).all()) for value in features.values())
        again = batches(clips, batches=1.0, least=2, most=4)[number]["features"]
        assert all(torch.equal(value, again[name]) for name, value in features.items())
    assert len(counts) > 1
    assert set(VirtualBatches(clips, 90, 4)[0]["features"]) == set(FEATURES)
    share = [("others" in batches(clips, batches=0.5)[n]["features"]) for n in range(8)]
    assert {True, False} == set(share)


def test_what_takes_vision_away_takes_all_cameras(clips: Clips) -> None:
    batch: Batch = batches(clips, batches=1.0, calibrated=1.0)[0]
    assert batch["features"]["others_present"].any()
    blind = without(batch, ("vision",))["features"]
    assert not blind["others_present"].any()
    assert not blind["vision_present"].any()
    burst = corruption("blackout:0.5").batch(batch, torch.Generator().manual_seed(0))["features"]
    assert float(burst["others_present"].mean()) < float(batch["features"]["others_present"].mean())


def test_a_network_learns_from_a_batch_of_several_cameras(clips: Clips) -> None:
    batch = batches(clips, batches=1.0, calibrated=1.0)[0]
    torch.manual_seed(0)
    net = FusionNet(NetConfig(width=16, layers=2, heads=2, window=8, form=2))
    told = net(batch["features"])
    ((told["joints3d"] - batch["targets"]["joints3d"]).square().mean()).backward()
    assert net.sensors.bearing.grad is not None
    assert bool(net.sensors.bearing.grad.any())
    assert set(OTHERS) <= set(batch["features"])


@pytest.mark.parametrize("level", ["1", "x", "2+known", "nan"])
def test_there_are_no_such_numbers_of_cameras(level: str) -> None:
    from drivers.errors import ConfigError

    with pytest.raises(ConfigError, match="no level"):
        corruption(f"cameras:{level}")
