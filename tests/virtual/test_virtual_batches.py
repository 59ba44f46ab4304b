"""Batches of virtual sensors follow the contract, repeat by their number, and tell the truth."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from drivers.errors import DataError
from drivers.simulator.actions import ACTIONS
from fusion.data.batches import TARGETS
from fusion.data.virtual import Clips, Numbers, VirtualBatches, VirtualData
from fusion.model.net import FEATURES
from fusion.virtual.diversity import Diversity
from fusion.virtual.kinematics import forward
from fusion.virtual.simulated import simulated


@pytest.fixture(scope="module")
def batches() -> VirtualBatches:
    return VirtualBatches(Clips([simulated(seed, 4.0) for seed in (1, 2)], ACTIONS), 90, 6)


def test_batches_have_the_names_and_shapes_of_the_contract(batches: VirtualBatches) -> None:
    batch = batches[0]
    assert {name: tuple(value.shape[2:]) for name, value in batch["features"].items()} == FEATURES
    assert {name: tuple(value.shape[2:]) for name, value in batch["targets"].items()} == TARGETS
    assert all(value.shape[:2] == (6, 90) for value in (*batch["features"].values(), batch["valid"]))
    for group in (batch["features"], batch["targets"]):
        values = [value for value in group.values() if value.is_floating_point()]
        assert all(bool(torch.isfinite(value).all()) for value in values)
        assert all(value.dtype == torch.float32 for value in values)


def test_a_batch_depends_on_its_number_and_the_seed_alone(batches: VirtualBatches) -> None:
    again = VirtualBatches(batches.source, 90, 6)
    batches[3]
    for name, value in batches[7]["features"].items():
        assert torch.equal(value, again[7]["features"][name]), name
    assert not torch.equal(batches[0]["features"]["vision"], batches[1]["features"]["vision"])


def test_what_is_measured_lies_near_the_truth_and_nothing_old_is_seen(batches: VirtualBatches) -> None:
    batch = batches[0]
    features, targets = batch["features"], batch["targets"]
    seen = (features["vision_present"] > 0.5) & (features["vision_age"] < 0.05)[..., None]
    error = (features["vision"][..., :2] - targets["joints2d"]).norm(dim=-1)[seen]
    assert 0.003 < float(error.median()) < 0.04
    old = features["vision_age"] > 0.5
    assert not bool((features["vision_present"] > 0)[old].any())
    missing = features["inertial_present"] < 0.5
    assert not bool(features["inertial"][missing].any())


def test_rotations_and_offsets_are_the_joints(batches: VirtualBatches) -> None:
    targets = batches[0]["targets"]
    root = torch.zeros(*targets["rotations"].shape[:2], 3)
    made = forward(targets["rotations"], targets["offsets"], root).joints
    assert float((made - targets["joints3d"]).abs().max()) < 1e-4
    assert bool((targets["heading"].abs() <= 180.0).all())
    # The body moves as fast as its joints do.
    travelled = targets["root_velocity"].norm(dim=-1)
    assert 0.0 < float(travelled.mean()) < 3.0


def test_varied_motion_gives_other_batches_that_repeat_as_well(batches: VirtualBatches) -> None:
    varied = VirtualBatches(batches.source, 90, 6, diversity=Diversity())
    targets = varied[0]["targets"]
    assert targets["joints3d"].shape == (6, 90, 20, 3)
    assert torch.equal(targets["joints3d"], varied[0]["targets"]["joints3d"])
    bones = [b[0]["targets"]["offsets"].norm(dim=-1)[:, 0, 13] for b in (batches, varied)]  # thighs
    assert len(bones[1].unique()) > len(bones[0].unique())


def test_motions_of_unequal_rates_are_refused() -> None:
    with pytest.raises(DataError, match="no one source"):
        Clips([simulated(1, 2.0), simulated(1, 2.0, rate_hz=30.0)], ACTIONS)


def test_actions_are_told_in_the_order_of_the_network(batches: VirtualBatches) -> None:
    names = ("nothing", "jump", "walk", "stand")
    other = VirtualBatches(batches.source, 90, 6, actions=names)
    here, there = batches[2]["targets"]["action"], other[2]["targets"]["action"]
    told = set(zip(here.flatten().tolist(), there.flatten().tolist(), strict=True))
    assert {ACTIONS[a]: (names[b] if b >= 0 else None) for a, b in told} == {
        ACTIONS[a]: (ACTIONS[a] if ACTIONS[a] in names else None) for a, _ in told
    }


def test_each_pass_brings_new_batches_unless_they_are_fixed() -> None:
    numbers = Numbers(3)
    assert [list(numbers), list(numbers)] == [[0, 1, 2], [3, 4, 5]]
    numbers.set_epoch(5)
    assert list(numbers) == [15, 16, 17]
    again = Numbers(3, again=True)
    assert list(again) == list(again) == [0, 1, 2]


def test_worker_processes_make_the_same_batches() -> None:
    def first(workers: int) -> torch.Tensor:
        data = VirtualData(
            train_clips=2, val_clips=1, seconds=3.0, window_s=0.5, batch_size=2, batches=2, workers=workers
        )
        data.setup("fit")
        return torch.cat([batch["features"]["vision"] for batch in data.train_dataloader()])

    assert torch.equal(first(0), first(1))


def test_validation_sees_other_bodies_and_the_same_batches_each_time() -> None:
    data = VirtualData(
        train_clips=2,
        val_clips=2,
        seconds=3.0,
        window_s=0.5,
        batch_size=2,
        batches=2,
        val_batches=2,
        workers=0,
    )
    data.setup("fit")
    one, two = ([b["features"]["inertial"] for b in data.val_dataloader()] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    train, val = (data.source(part).windows([0, 1], [0, 0], 8).offsets for part in ("train", "val"))
    assert not torch.equal(train, val)


def test_ranges_are_frozen_all_the_way_down(batches: VirtualBatches) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        batches.sensors.ranges.camera.view.cut = 0.5  # type: ignore[misc]
