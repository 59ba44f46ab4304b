"""Windows of recorded sessions: drawn, balanced, shared out between processes, and varied within reason."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
import torch

from drivers.places import PLACES
from drivers.simulator.actions import ACTIONS
from fusion.data.batches import Batch, empty_features, unknown_targets
from fusion.data.vary import Variety, paced, vary
from fusion.data.virtual import Clips, VirtualBatches
from fusion.data.windows import Draws, Place, Track, Windows, shares
from fusion.virtual.simulated import simulated

STILL = Variety(*[0.0] * len(dataclasses.fields(Variety)))


def track(actions: list[int], ticks_each: int = 60) -> Track:
    """Return a track whose ticks are labelled so, each action as long."""
    ticks = len(actions) * ticks_each
    features = {name: value[0] for name, value in empty_features(1, ticks, 60.0).items()}
    targets = {name: value[0] for name, value in unknown_targets(1, ticks).items()}
    targets["action"] = torch.tensor(actions).repeat_interleave(ticks_each)
    return Track(features, targets)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return VirtualBatches(Clips([simulated(seed, 3.0) for seed in (3, 4)], ACTIONS), 60, 4)[0]


@pytest.mark.parametrize("world", [2, 3])
def test_processes_see_together_what_one_would_with_larger_batches(
    world: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = Windows([track([0] * 20), track([1, 0] * 5)], 60)
    places = windows.places(30)[: 4 * world * 3]
    room = [len(t) - 60 for t in windows.tracks]
    options = {"chances": shares(windows, places, 0.7), "jitter": 20, "room": room, "seed": 5}
    one = Draws(places, 4 * world, **options)
    alone = [sorted(drawn) for _ in range(2) for drawn in one]
    ranks = []
    for rank in range(world):
        monkeypatch.setattr("fusion.data.windows.share", lambda rank=rank: (rank, world))
        draws = Draws(places, 4, **options)
        ranks.append([drawn for _ in range(2) for drawn in draws])
        assert len(draws) == 3
    together = [sorted(place for part in step for place in part) for step in zip(*ranks, strict=True)]
    assert together == alone
    assert alone[:3] != alone[3:], "another pass draws other windows"


def test_validation_shares_its_windows_out_and_all_processes_have_as_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = Windows([track([0] * 9)], 60).places(60)
    seen = []
    for rank in range(2):
        monkeypatch.setattr("fusion.data.windows.share", lambda rank=rank: (rank, 2))
        seen.append(list(Draws(places, 2)))
    assert [len(batches) for batches in seen] == [3, 3]
    assert {place for batches in seen for part in batches for place in part} == set(places)


def test_a_pass_takes_each_window_once_unless_it_is_balanced() -> None:
    windows = Windows([track([0] * 18 + [1, -1])], 60)
    places = windows.places(60)
    (drawn,) = [sorted(p.start for p in part) for part in Draws(places, 20, shares(windows, places, 0.0))]
    assert drawn == [place.start for place in places]
    many = places * 200
    counts = Counter(
        int(windows.tracks[0].targets["action"][place.start])
        for part in Draws(many, 100, shares(windows, many, 1.0))
        for place in part
    )
    assert counts[1] == pytest.approx(counts[0], rel=0.15), "the rare action comes as often as the frequent"
    assert counts[-1] == pytest.approx(counts[0] / 18, rel=0.3), "what has no label is no rare action"


def test_a_pass_goes_on_after_a_resume() -> None:
    places = Windows([track([0] * 12)], 60).places(30)
    whole, resumed = (Draws(places, 4, torch.ones(len(places)), 10, [660], 1) for _ in range(2))
    passes = [list(whole), list(whole)]
    resumed.set_epoch(1)
    assert list(resumed) == passes[1]


def test_a_variety_of_nothing_changes_nothing(batch: Batch) -> None:
    same = vary(batch, STILL, [torch.Generator().manual_seed(n) for n in range(4)])
    for part in ("features", "targets"):
        for name, value in same[part].items():
            torch.testing.assert_close(value, batch[part][name], atol=2e-5, rtol=1e-5)


def test_a_window_is_varied_by_its_own_seed_alone(batch: Batch) -> None:
    both = vary(batch, Variety(), [torch.Generator().manual_seed(n) for n in (1, 2, 1, 2)])
    rows = slice(2, 4)
    half: Batch = {
        "features": {name: value[rows] for name, value in batch["features"].items()},
        "targets": {name: value[rows] for name, value in batch["targets"].items()},
        "valid": batch["valid"][rows],
        "segment": batch["segment"][rows],
    }
    alone = vary(half, Variety(), [torch.Generator().manual_seed(n) for n in (1, 2)])
    assert torch.equal(alone["features"]["vision"], both["features"]["vision"][rows])
    assert torch.equal(alone["features"]["inertial"], both["features"]["inertial"][rows])
    assert not torch.equal(both["features"]["vision"], batch["features"]["vision"])


def test_what_varies_stays_what_a_sensor_could_tell(batch: Batch) -> None:
    generators = [torch.Generator().manual_seed(n) for n in range(4)]
    varied = vary(batch, dataclasses.replace(Variety(), gain=0.0, force_noise=0.0), generators)
    old, new = batch["features"], varied["features"]
    force, before = new["inertial"][..., :3].norm(dim=-1), old["inertial"][..., :3].norm(dim=-1)
    torch.testing.assert_close(force, before, atol=1e-4, rtol=1e-4)
    # What a sensor feels, seen in the world, turns about the vertical by what the heading grew, no more.
    x, y = new["inertial"][..., 6:9], new["inertial"][..., 9:12]
    assert float((x * y).sum(-1).abs().max()) < 1e-3
    there = old["inertial_present"] > 0.5
    up, up_before = _world_force(new["inertial"])[..., 2], _world_force(old["inertial"])[..., 2]
    torch.testing.assert_close(up[there], up_before[there], atol=1e-3, rtol=1e-3)
    world, world_before = _world_force(new["inertial"]), _world_force(old["inertial"])
    turned = torch.atan2(world[..., 1], world[..., 0]) - torch.atan2(
        world_before[..., 1], world_before[..., 0]
    )
    told = (varied["targets"]["heading"] - batch["targets"]["heading"]).deg2rad()
    strong = there & (world_before[..., :2].norm(dim=-1) > 0.3)
    assert bool(strong.any())
    assert float(torch.cos(turned - told)[strong].min()) > 0.999
    seen = old["vision_present"] > 0.5
    assert float((new["vision"][..., :2] * ~seen[..., None]).abs().max()) == 0.0
    still = vary(batch, dataclasses.replace(STILL, roll_deg=20.0), [torch.Generator() for _ in range(4)])
    moved = still["features"]["vision"][..., :2] - still["targets"]["joints2d"]
    error = (batch["features"]["vision"][..., :2] - batch["targets"]["joints2d"]).norm(dim=-1)
    torch.testing.assert_close(moved.norm(dim=-1)[seen], error[seen], atol=1e-5, rtol=1e-4)


def _world_force(inertial: torch.Tensor) -> torch.Tensor:
    x, y = inertial[..., 6:9], inertial[..., 9:12]
    rotation = torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)
    return (rotation @ inertial[..., :3, None])[..., 0]


def test_at_twice_the_pace_a_sensor_turns_twice_and_accelerates_four_times_as_fast() -> None:
    one = track([0, 1])
    slot, ticks = PLACES.index("chest"), len(one)
    angle = torch.arange(ticks) / 60.0  # 1 rad/s about the vertical, 0.3 g forward
    inertial = one.features["inertial"]
    inertial[:, slot, 0], inertial[:, slot, 2], inertial[:, slot, 5] = 0.3, 1.0, 1.0
    inertial[:, slot, 6], inertial[:, slot, 7] = angle.cos(), angle.sin()
    inertial[:, slot, 9], inertial[:, slot, 10] = -angle.sin(), angle.cos()
    one.features["inertial_present"][:, slot] = 1.0
    features, targets = paced(one.features, one.targets, 2.0, 100)
    assert len(features["time"]) == 60
    chest = features["inertial"][:, slot]
    torch.testing.assert_close(chest[5, :3], torch.tensor([1.2, 0.0, 1.0]))
    assert float(chest[5, 5]) == 2.0
    assert float(torch.atan2(chest[30, 7], chest[30, 6])) == pytest.approx(1.0, abs=1e-3)
    assert targets["action"].tolist() == [0] * 30 + [1] * 30
    assert torch.equal(features["time"], one.features["time"][:60])


def test_windows_at_another_pace_are_as_long_and_keep_their_labels() -> None:
    windows = Windows([track([0, 1] * 4)], 90, Variety(tempo=0.3))
    batch = windows[[Place(0, 60, seed) for seed in range(8)] + [Place(0, 390, 9)]]
    assert batch["targets"]["action"].shape == (9, 90)
    assert batch["valid"][:8].sum(dim=1).tolist() == [90.0] * 8
    changes = batch["targets"]["action"][:8].diff(dim=1).abs().argmax(dim=1)
    assert len(set(changes.tolist())) > 4, "the action changes sooner or later"
