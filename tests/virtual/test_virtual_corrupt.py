"""Named corruptions do what they say, and nothing else."""

from __future__ import annotations

import math

import pytest
import torch

from drivers.errors import ConfigError
from drivers.places import PLACES
from drivers.simulator.actions import ACTIONS
from fusion.data.batches import Batch
from fusion.data.virtual import Clips, VirtualBatches
from fusion.virtual.camera import JOINT, CameraRanges
from fusion.virtual.corrupt import LEG_JOINTS, LEG_PLACES, NAMES, SETS, corruption
from fusion.virtual.frames import FrameRanges
from fusion.virtual.parts import COMMON_SIX, ImuRanges
from fusion.virtual.sensing import SensorRanges
from fusion.virtual.simulated import simulated

MOTIONS = [simulated(seed, 6.0) for seed in (1, 2)]
RANGES = SensorRanges(
    camera=CameraRanges(frames=FrameRanges(blackout=0.0), dark=0.0, furniture=0.0, unknown=0.0),
    imu=ImuRanges(places=COMMON_SIX, bursts=0.0),
)


def made(ranges: SensorRanges = RANGES, ticks: int = 300, size: int = 8) -> Batch:
    return VirtualBatches(Clips(MOTIONS, ACTIONS), ticks, size, ranges, seed=3)[0]


@pytest.fixture(scope="module")
def batch() -> Batch:
    return made()


def g() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_half_a_blackout_takes_half_of_the_frames_in_bursts(batch: Batch) -> None:
    before = {name: value.clone() for name, value in batch["features"].items()}
    dark = corruption("blackout:0.5").batch(batch, g())["features"]
    assert all(torch.equal(before[name], batch["features"][name]) for name in before)
    gone = dark["vision_age"] > batch["features"]["vision_age"] + 1e-4
    assert 0.35 < float(gone.float().mean()) < 0.65
    assert not bool((dark["vision_present"] > 0.5)[dark["vision_age"] > 0.5].any())
    seen = ~gone
    assert torch.equal(dark["vision"][seen], batch["features"]["vision"][seen])
    assert float(dark["vision_age"].diff(dim=1).max()) < 1.01 / 60  # age grows with time, never faster


def test_the_truth_in_the_picture_stays_where_it_is_when_the_box_is_held(batch: Batch) -> None:
    after = corruption("gap:3").batch(batch, g())

    def places(b: Batch) -> torch.Tensor:
        box = b["features"]["box"][:, :, None]
        return b["targets"]["joints2d"] * box[..., 2:] + box[..., :2]

    known = (after["targets"]["joints2d_known"] > 0.5) & (batch["targets"]["joints2d_known"] > 0.5)
    assert torch.allclose(places(after)[known], places(batch)[known], atol=1e-4)
    held = after["features"]["box"][:, 100] == after["features"]["box"][:, 200]
    assert bool(held.all())


def test_lost_sensors_are_lost_and_no_others(batch: Batch) -> None:
    after = corruption("imu_lost:3").batch(batch, g())["features"]
    worn = (batch["features"]["inertial_present"] > 0.5).any(dim=1)
    left = (after["inertial_present"] > 0.5).any(dim=1)
    assert bool((worn.sum(dim=1) - left.sum(dim=1) == 3).all())
    assert len({tuple(row.tolist()) for row in left}) > 1
    without = corruption("imu_without:head+pelvis").batch(batch, g())["features"]
    slots = [PLACES.index("head"), PLACES.index("pelvis")]
    assert not bool(without["inertial"][:, :, slots].any())
    assert bool((without["inertial_age"][:, :, slots] == 2.0).all())


def test_headings_are_turned_and_told(batch: Batch) -> None:
    after = corruption("heading:45").batch(batch, g())
    present = batch["features"]["inertial_present"] > 0.5
    change = after["targets"]["heading"] - batch["targets"]["heading"]
    change = (change + 180.0) % 360.0 - 180.0
    assert torch.allclose(change.abs(), torch.full_like(change, 45.0), atol=1e-2)
    one, two = (b["features"]["inertial"][present] for b in (batch, after))
    assert torch.equal(one[:, :6], two[:, :6])
    assert torch.allclose(one[:, 8], two[:, 8], atol=1e-6)  # heights stay
    flat = one[:, 6:8].norm(dim=-1) > 0.3
    turn = torch.atan2(two[:, 7], two[:, 6]) - torch.atan2(one[:, 7], one[:, 6])
    turn = torch.remainder(turn + math.pi, 2 * math.pi) - math.pi
    assert torch.allclose(turn[flat].rad2deg(), change[present][flat], atol=0.1)


def test_ranges_change_the_sensors_before_they_measure() -> None:
    def error(text: str) -> float:
        b = made(corruption(text).ranges(RANGES), ticks=120, size=12)
        seen = (b["features"]["vision_present"] > 0.5) & (b["features"]["vision_age"] < 0.04)[..., None]
        return float(
            (b["features"]["vision"][..., :2] - b["targets"]["joints2d"]).norm(dim=-1)[seen].median()
        )

    plain = error("noise:1")
    assert error("noise:2") > 1.3 * plain
    assert plain < error("dark:1") < error("dark:2")
    assert error("blur:3") > plain


@pytest.mark.parametrize("name", list(SETS))
def test_sets_of_sensors_are_worn_exactly(name: str) -> None:
    b = made(corruption(f"imus:{name}").ranges(RANGES), ticks=60, size=4)
    worn = {
        PLACES[i] for i in torch.nonzero((b["features"]["inertial_present"] > 0.5).any(dim=1))[:, 1].tolist()
    }
    assert worn == set(SETS[name])


def test_hidden_legs_are_not_measured_before_or_after() -> None:
    whole = RANGES
    for b in (
        made(corruption("legs:both").ranges(whole), ticks=60, size=4),
        corruption("legs:both").batch(made(whole, ticks=60, size=4), g()),
    ):
        assert not bool(b["features"]["vision_present"][..., [JOINT[name] for name in LEG_JOINTS]].any())
        slots = [PLACES.index(place) for place in LEG_PLACES]
        assert not bool(b["features"]["inertial_present"][..., slots].any())
        assert bool(b["features"]["vision_present"].any())


def test_sound_can_be_off() -> None:
    assert not bool(made(corruption("sound:off").ranges(RANGES), 60, 4)["features"]["audio_present"].any())
    assert bool(made(corruption("sound:10").ranges(RANGES), 60, 4)["features"]["audio_present"].all())


@pytest.mark.parametrize(
    "text",
    ["", "fog:1", "blackout", "blackout:2", "blackout:nan", "dark:4", "imus:tail", "legs:left", "heading:x",
     "imu_lost:1.5", "imu_without:", "sound:loud", "gap:-1"],
)  # fmt: skip
def test_what_does_not_exist_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        corruption(text)
    assert "\n" not in str(error.value)


def test_every_name_says_whether_it_needs_virtual_sensors() -> None:
    levels = {"blackout": "0.5", "gap": "1", "noise": "2", "dark": "1", "blur": "1", "imus": "six"}
    levels |= {"imu_lost": "1", "imu_without": "head", "heading": "10", "legs": "camera", "sound": "off"}
    levels |= {"calibrated": "5", "wearer": "stature", "cameras": "2", "covered": "0.5"}
    assert set(levels) == set(NAMES)
    virtual = {name for name, level in levels.items() if corruption(f"{name}:{level}").virtual}
    assert virtual == {"noise", "dark", "blur", "imus", "sound", "calibrated", "wearer", "cameras", "covered"}


def test_several_are_done_one_after_another() -> None:
    both = corruption("imus:six, calibrated:5,blackout:0.5")
    assert str(both) == "imus:six,calibrated:5,blackout:0.5"
    assert both.virtual
    ranges = both.ranges(RANGES)
    assert set(ranges.imu.places) == set(COMMON_SIX)
    assert ranges.imu.heading_deg == 5.0
    batch = made(ranges, ticks=240, size=4)
    assert float(batch["targets"]["heading"].abs().max()) < 15.0
    dark = both.batch(batch, g())["features"]
    assert float(dark["vision_present"].sum()) < float(batch["features"]["vision_present"].sum())
