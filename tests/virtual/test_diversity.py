"""Varied motion is still motion of a body: bones are rigid, joints within their ranges, standing feet
stand."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from drivers.joints import BODY20
from drivers.simulator.anatomy import BONES
from fusion.segments import JOINT, SEGMENT
from fusion.virtual import shelf
from fusion.virtual.bodies import BodyRanges, exchange, random_bodies
from fusion.virtual.diversity import NONE, Diversity, draw, halves, mirrored, placed, tempo, vary, warped
from fusion.virtual.library import Library
from fusion.virtual.limits import JOINTS, changes, perturb, within
from fusion.virtual.motion import Motion, Motions, stature_of
from fusion.virtual.simulated import simulated


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def clips() -> list[Motion]:
    return [simulated(seed, 12.0) for seed in range(6)]


@pytest.fixture(scope="module")
def motions(clips) -> Motions:
    return Motions.windows(clips, [60] * 6, 300, ["walk", "stand"])


@pytest.fixture
def library(tmp_path, monkeypatch) -> Library:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(shelf, "SIMULATED_CLIPS", 10)
    monkeypatch.setattr(shelf, "SIMULATED_S", 8.0)
    return Library.open(("simulator",))


def stance_speed(motions: Motions) -> torch.Tensor:
    """Return the speeds, m/s, of the slower end of feet that stand."""
    soles = motions.soles()
    speed = ((soles[:, 1:] - soles[:, :-1]).norm(dim=-1) * motions.rate_hz).amin(dim=-1)
    return speed[(motions.contacts[:, 1:] * motions.contacts[:, :-1]) > 0.5]


def test_the_mirror_swaps_left_and_right(motions):
    there = mirrored(motions, torch.tensor([True] * 3 + [False] * 3))
    plain, joints = motions.posed().joints, there.posed().joints
    for name in BODY20:
        swap = name.replace("left", "x").replace("right", "left").replace("x", "right")
        expected = plain[:3, :, JOINT[name]] * torch.tensor([1.0, -1.0, 1.0])
        torch.testing.assert_close(joints[:3, :, JOINT[swap]], expected, atol=1e-5, rtol=0)
    assert torch.equal(joints[3:], plain[3:])
    assert torch.equal(there.contacts[:3], motions.contacts[:3].flip(-1))
    torch.testing.assert_close(torch.linalg.det(there.rotations), torch.ones(6, 300, 15))


def test_in_the_mirror_an_action_of_the_left_is_one_of_the_right(motions):
    names = ("walk", "wave-left-hand", "wave-right-hand", "walk-turn-left")
    labelled = dataclasses.replace(motions, action=torch.arange(6)[:, None].expand_as(motions.action) - 1)
    labelled = dataclasses.replace(labelled, action=labelled.action.clamp(max=3))
    after = mirrored(labelled, torch.ones(6, dtype=torch.bool), names).action[:, 0]
    assert after.tolist() == [-1, 0, 2, 1, -1, -1]  # the turn to the right is not among them


def test_twice_mirrored_is_the_same(motions):
    every = torch.ones(6, dtype=torch.bool)
    again = mirrored(mirrored(motions, every), every)
    for name in ("rotations", "root", "girdle", "offsets", "contacts"):
        assert torch.equal(getattr(again, name), getattr(motions, name))


def test_at_its_own_speed_the_motion_stays(motions):
    at = torch.arange(1, 251).float().expand(6, 250)
    there = warped(motions, at)
    torch.testing.assert_close(there.posed().joints, motions.posed().joints[:, 1:251], atol=1e-5, rtol=0)
    assert torch.equal(there.action, motions.action[:, 1:251])


def test_between_rows_lies_what_a_faster_recording_has(clips):
    fast = simulated(0, 12.0, 120.0)
    slow = Motions.windows([clips[0]], [0], 300)
    there = warped(slow, 1.0 + torch.arange(400)[None] / 2.0)
    error = there.posed().joints[0] - fast.joints[2:402]
    assert float(error.norm(dim=-1).quantile(0.99)) < 1e-3


def test_tempo_is_smooth_and_within_its_bounds():
    at = tempo(50, 400, 60.0, (0.7, 1.4), generator())
    speed = at[:, 1:] - at[:, :-1]
    assert 0.69 < float(speed.min()) < 0.75
    assert 1.3 < float(speed.max()) < 1.41
    assert float((speed[:, 1:] - speed[:, :-1]).abs().max()) < 0.02
    assert float(at[:, 0].min()) == 1.0
    assert float(at.max()) < Diversity().source_rows(400) - 1


def test_halves_are_joined_only_where_they_go_together(motions):
    partner = torch.arange(6).roll(1)
    joined = halves(motions, partner, torch.ones(6, dtype=torch.bool))
    legs = [SEGMENT[f"{side}_{part}"] for side in ("left", "right") for part in ("thigh", "shin", "foot")]
    assert torch.equal(joined.rotations[:, :, legs], motions.rotations[:, :, legs])
    assert torch.equal(joined.root, motions.root)
    changed = (joined.rotations != motions.rotations).flatten(1).any(dim=1)
    assert changed.any()
    # Relative to the pelvis' heading, arms are the partner's.
    for n in torch.nonzero(changed)[:, 0].tolist():
        for a, b in (("chest", "left_upper_arm"), ("right_forearm", "right_hand")):
            here, there = (
                m.rotations[i, :, SEGMENT[a]].transpose(-1, -2) @ m.rotations[i, :, SEGMENT[b]]
                for m, i in ((joined, n), (motions, int(partner[n])))
            )
            torch.testing.assert_close(here, there, atol=1e-5, rtol=0)
    lying = dataclasses.replace(motions, rotations=motions.rotations.roll(1, -1))
    assert torch.equal(halves(lying, partner, torch.ones(6, dtype=torch.bool)).rotations, lying.rotations)


def test_changed_angles_keep_bones_and_ranges(motions):
    there = perturb(motions.rotations, changes(6, 300, 60.0, 1.0, generator()))
    torch.testing.assert_close(there @ there.transpose(-1, -2), torch.eye(3).expand(6, 300, 15, 3, 3))
    moved = (there - motions.rotations).flatten(-2).norm(dim=-1)
    feet = [SEGMENT["left_foot"], SEGMENT["right_foot"], SEGMENT["pelvis"]]
    assert float(moved[:, :, feet].max()) == 0.0
    assert float(moved.mean()) > 0.05
    for joint in JOINTS:
        if joint.abduction_deg == (0, 0):
            before, after = (
                _flexion(rotations, joint.above, joint.below) for rotations in (motions.rotations, there)
            )
            low, high = joint.flexion_deg
            assert float(after.min()) >= min(low, float(before.min())) - 0.1
            assert float(after.max()) <= max(high, float(before.max())) + 0.1


def _flexion(rotations: torch.Tensor, above: str, below: str) -> torch.Tensor:
    z = (rotations[:, :, SEGMENT[above]].transpose(-1, -2) @ rotations[:, :, SEGMENT[below]])[..., 2]
    return torch.rad2deg(torch.atan2(z[..., 0], z[..., 2]))


def test_no_change_goes_beyond_a_limit_nor_further_beyond_one():
    at = torch.deg2rad(torch.linspace(-60, 160, 500))[:, None]
    for change in torch.deg2rad(torch.tensor([-30.0, -3.0, 3.0, 30.0])):
        moved = within(change.expand_as(at), at, (0.0, 140.0))
        after = torch.rad2deg(at + moved)
        inside = (torch.rad2deg(at) >= 0) & (torch.rad2deg(at) <= 140)
        assert float(after[inside].min()) > -1e-3
        assert float(after[inside].max()) < 140 + 1e-3
        assert float(moved.abs().max()) <= float(change.abs()) + 1e-6
        further = (moved[~inside] * torch.sign(at[~inside] - 1.0)) > 1e-6
        assert not bool(further.any())


def test_random_bodies_are_people(motions):
    bodies = random_bodies(motions.offsets[:1].expand(500, 20, 3), BodyRanges(), generator())
    stature = stature_of(bodies)
    assert 1.5 <= float(stature.min()) < 1.55
    assert 1.95 < float(stature.max()) <= 2.0001
    for a, b in BONES:
        if "spine" not in (a, b) and "pelvis" not in (a, b) and "neck" not in (a, b):
            length = bodies[:, JOINT[b]].norm(dim=-1) / stature
            assert 0.01 < float(length.std() / length.mean()) < 0.12, (a, b)
    left, right = bodies[:, JOINT["left_knee"]], bodies[:, JOINT["right_knee"]]
    torch.testing.assert_close(left, right, atol=1e-5, rtol=0)


def test_another_body_stands_on_the_same_ground_with_feet_as_still(motions):
    small = random_bodies(motions.offsets, BodyRanges((1.5, 1.55)), generator(1))
    tall = random_bodies(motions.offsets, BodyRanges((1.95, 2.0)), generator(2))
    for bodies in (small, tall):
        there = exchange(motions, bodies)
        assert torch.equal(there.rotations, motions.rotations)
        lowest = there.soles()[..., 2].amin(dim=-1)[there.contacts > 0.5]
        assert float(lowest.quantile(0.02)) > -0.03
        assert float(lowest.quantile(0.98)) < 0.05
        assert float(stance_speed(there).quantile(0.9)) < 0.12
    knees = exchange(motions, tall).posed().joints[:, :, JOINT["left_knee"], 2]
    assert float(knees.mean()) > 1.15 * float(
        exchange(motions, small).posed().joints[:, :, JOINT["left_knee"], 2].mean()
    )


def test_the_same_body_is_the_same_motion(motions):
    there = exchange(motions, motions.offsets)
    torch.testing.assert_close(there.posed().joints, motions.posed().joints, atol=1e-5, rtol=0)


def test_place_and_heading_change_nothing_else(motions):
    angle, shift = torch.full((6,), 1.3), torch.tensor([[0.5, -0.2]]).expand(6, 2)
    there = placed(motions, angle, shift)
    torch.testing.assert_close(there.root[:, 0, :2], shift)
    distance = (motions.posed().joints[:, :, :, None] - motions.posed().joints[:, :, None]).norm(dim=-1)
    again = (there.posed().joints[:, :, :, None] - there.posed().joints[:, :, None]).norm(dim=-1)
    torch.testing.assert_close(again, distance, atol=1e-4, rtol=0)
    torch.testing.assert_close(there.root[..., 2], motions.root[..., 2])


def test_windows_are_varied_alike_by_the_same_generator_and_anew_by_the_next(library):
    first, again = (draw(library, 8, 120, Diversity(), generator(3)) for _ in range(2))
    other = draw(library, 8, 120, Diversity(), generator(4))
    assert first.root.shape == (8, 120, 3)
    for name in ("rotations", "root", "girdle", "offsets", "contacts", "action"):
        assert torch.equal(getattr(first, name), getattr(again, name)), name
    assert not torch.equal(first.root, other.root)
    assert bool(torch.isfinite(first.posed().joints).all())


def test_varied_motion_stands_still_and_is_no_rougher(library):
    plain, varied = (draw(library, 40, 180, how, generator(5)) for how in (NONE, Diversity(tempo=(1.0, 1.0))))
    assert float(stance_speed(varied).median()) < 0.06
    rough = [
        float((j[:, 2:] - 2 * j[:, 1:-1] + j[:, :-2]).norm(dim=-1).quantile(0.99)) * 3600
        for j in (plain.posed().joints[:, :, ::3], varied.posed().joints[:, :, ::3])
    ]
    assert rough[1] < 1.7 * rough[0]


def test_too_short_motions_are_refused(motions):
    with pytest.raises(ValueError, match="rows are needed"):
        vary(motions, 300, Diversity(), generator())


def test_nothing_is_changed_where_nothing_is_asked(motions):
    there = vary(motions, 250, NONE, generator())
    torch.testing.assert_close(there.rotations, motions.rotations[:, 1:251], atol=1e-5, rtol=0)
    torch.testing.assert_close(there.root[..., 2], motions.root[:, 1:251, 2], atol=1e-6, rtol=0)
