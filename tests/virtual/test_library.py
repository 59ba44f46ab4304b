"""Clips are prepared once and kept; what is held out is in no training, whatever anything else says of it."""

from __future__ import annotations

import dataclasses
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from made_bvh import MOTIONBUILDER, moving, stick_body
from safetensors import safe_open
from safetensors.torch import save_file

from drivers.errors import ConfigError, DataError
from fusion.segments import JOINT
from fusion.segments import SEGMENT as PLACE
from fusion.virtual import bvh, sets, shelf
from fusion.virtual.library import Library, to_matrices
from fusion.virtual.resample import matrices

NAMES = (
    "dataset-2_walk_normal_001.bvh",
    "dataset-2_walk_normal_014.bvh",
    "dataset-1_bow_happy_004.bvh",
    "03_01.bvh",
    "08_11.bvh",
    "05_02.bvh",
    "mine.bvh",
)
HELD_OUT = {"dataset-2_walk_normal_014", "dataset-1_bow_happy_004", "03_01", "08_11"}


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shelf, "SIMULATED_CLIPS", 10)
    monkeypatch.setattr(shelf, "SIMULATED_S", 3.0)


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "motions"
    made.mkdir()
    for number, name in enumerate(NAMES):
        bvh.write(made / name, stick_body(MOTIONBUILDER, turns=moving(80 + number), rows=80 + number))
    return made


def test_what_is_held_out_is_told_by_its_name():
    for name in NAMES:
        assert sets.held_out(name) == (Path(name).stem in HELD_OUT)
    for clip in ("dataset-1_walk_old_0134", "any/where/dataset-2_run_active_004", "03_01.bvh"):
        assert sets.held_out(clip)
    for clip in ("martial_03", "salsa_08", "07_03", "05_08", "humanoid3d_walk", "000004"):
        assert not sets.held_out(clip)


def test_no_split_but_test_has_what_is_held_out(folder):
    library = Library.open((), folders=[folder])
    assert {clip.clip for clip in library.clips} == {Path(name).stem for name in NAMES}
    assert {clip.clip for clip in library.select("test").clips} == HELD_OUT
    assert not HELD_OUT & {clip.clip for clip in library.select("train").clips}


def test_not_even_a_cache_that_says_otherwise_trains_on_it(folder):
    Library.open((), folders=[folder])
    (kept,) = shelf.cache_folder().glob("*.safetensors")
    with safe_open(kept, framework="pt") as file:
        facts = json.loads(file.metadata()["chorus"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for clip in facts["clips"]:
        clip["split"] = "train"
    save_file(tensors, kept, metadata={"chorus": json.dumps(facts)})
    library = Library.open((), folders=[folder])
    assert {clip.split for clip in library.clips} == {"train"}
    assert not HELD_OUT & {clip.clip for clip in library.select("train").clips}


@pytest.mark.parametrize(
    ("name", "path", "split"),
    [
        ("bandai", "dataset-2_walk_normal_014.bvh", "test"),
        ("bandai", "dataset-2_walk_normal_019.bvh", "val"),
        ("bandai", "dataset-1_walk-turn-left_old_001.bvh", "train"),
        ("cmu", "03/03_01.bvh", "test"),
        ("cmu", "08/08_11.bvh", "test"),
        ("cmu", "05/05_08.bvh", "train"),
        ("cmu", "01/01_10.bvh", "val"),
        ("cmu_dance", "martial/03.bvh", "train"),
        ("cmu_dance", "salsa/20.bvh", "val"),
        ("deepmimic", "motions/humanoid3d_walk.txt", "train"),
    ],
)
def test_splits_of_the_sets(name, path, split):
    facts = sets.SETS[name].facts(Path(path))
    assert facts is not None
    assert facts.split == split
    assert sets.held_out(facts.clip) == (split == "test")


def test_what_may_be_used_for_what():
    facts = {
        path: sets.SETS[name].facts(Path(path))
        for name, path in (
            ("bandai", "dataset-1_walk_old_001.bvh"),
            ("cmu", "05/05_01.bvh"),
            ("cmu_dance", "salsa/01.bvh"),
            ("deepmimic", "motions/humanoid3d_walk.txt"),
            ("deepmimic", "sie/sie_humanoid3d_run_left01.txt"),
        )
    }
    free = {path for path, known in facts.items() if known and known.licence in sets.FREE}
    assert free == {"05/05_01.bvh", "salsa/01.bvh", "motions/humanoid3d_walk.txt"}
    for path in (
        "amass/humanoid3d_x.txt",
        "long/humanoid3d_long_walk1_mirror.txt",
        "characters/humanoid3d.txt",
    ):
        assert sets.SETS["deepmimic"].facts(Path(path)) is None
    assert sets.SETS["cmu_dance"].facts(Path("salsa/01.bvh")).rate_hz == 60.0


def test_weights_for_anything_learn_from_nothing_of_unknown_licence(folder):
    library = Library.open(("simulator",), folders=[folder])
    assert {clip.source for clip in library.select("train", "base").clips} == {"simulator", "any"}
    assert {clip.source for clip in library.select("train", "free").clips} == {"simulator"}
    with pytest.raises(ConfigError, match="no clip is left"):
        library.select("test", "free")
    with pytest.raises(ConfigError, match="does not exist"):
        library.select("everything")


def test_clips_are_prepared_once(folder, monkeypatch):
    first = Library.open((), folders=[folder])

    def never(*_: object) -> None:
        raise AssertionError("read again")

    with monkeypatch.context() as patch:
        patch.setattr(sets, "load", never)
        again = Library.open((), folders=[folder])
    assert again.clips == first.clips
    assert torch.equal(again.shelves[0].turns, first.shelves[0].turns)
    (folder / "mine.bvh").unlink()
    assert len(Library.open((), folders=[folder])) == len(first) - 1


def test_a_damaged_cache_is_made_again(folder):
    Library.open((), folders=[folder])
    (kept,) = shelf.cache_folder().glob("*.safetensors")
    data = kept.read_bytes()
    for damaged in (
        b"",
        data[:1000],
        b"\xff" * 64,
        data.replace(b'\\"version\\": %d' % shelf.VERSION, b'\\"version\\": 0'),
    ):
        assert damaged != data
        kept.write_bytes(damaged)
        assert len(Library.open((), folders=[folder])) == len(NAMES)


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_kept(folder):
    (folder / "broken.bvh").write_text("HIERARCHY\nROOT")
    library = Library.open((), folders=[folder])
    assert len(library) == len(NAMES)
    assert [name for name, _ in library.shelves[0].refused] == ["broken.bvh"]
    assert "line 2" in library.shelves[0].refused[0][1]


def test_a_folder_without_motion_is_refused(tmp_path):
    with pytest.raises(DataError, match="no motion files"):
        Library.open((), folders=[tmp_path])
    with pytest.raises(DataError, match="neither"):
        Library.open(("cmu",), root=tmp_path)
    with pytest.raises(ConfigError, match="no motion set"):
        Library.open(("nothing",), root=tmp_path)


def test_windows_are_rows_of_the_motions():
    library = Library.open(("simulator",))
    windows = library.windows([0, 3], [20, 100], 60)
    for n, (number, start) in enumerate(((0, 20), (3, 100))):
        motion = library.motion(number)
        rows = slice(start, start + 60)
        torch.testing.assert_close(windows.posed().joints[n], motion.joints[rows], atol=2e-5, rtol=0)
        assert torch.equal(windows.contacts[n], motion.contacts[rows].float())
        assert torch.equal(windows.action[n], motion.actions(library.actions)[rows])
    end = library.windows([0], [170], 30)
    assert torch.equal(end.root[0, 10:], end.root[0, 9:10].expand(20, 3))


def test_windows_are_drawn_from_within_clips_and_from_all_sets(folder):
    library = Library.open(("simulator",), folders=[folder])
    numbers, starts = library.draw(400, 60, torch.Generator().manual_seed(1), balance=0.0)
    for number, start in zip(numbers, starts, strict=True):
        assert 0 <= start <= max(library.clips[number].rows - 60, 0)
    own = np.mean([library.clips[n].source == "any" for n in numbers])
    assert 0.4 < own < 0.6
    assert (numbers, starts) == library.draw(400, 60, torch.Generator().manual_seed(1), balance=0.0)


def test_matrices_are_those_of_scipy():
    quaternions = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    quaternions = quaternions / quaternions.norm(dim=-1, keepdim=True)
    np.testing.assert_allclose(to_matrices(quaternions), matrices(quaternions.double().numpy()), atol=1e-6)


def test_a_motion_of_another_rate_is_the_same_motion(folder):
    path = folder / "mine.bvh"
    facts = sets.Facts("mine", "own")
    plain, fast = (sets.load(path, facts, "any", rate).motion for rate in (None, 120.0))
    assert (plain.rate_hz, fast.rate_hz) == (60.0, 120.0)
    torch.testing.assert_close(fast.joints[::2], plain.joints, atol=1e-3, rtol=0)
    turned = torch.linalg.det(fast.rotations)
    torch.testing.assert_close(turned, torch.ones_like(turned))


def archived(name: str, wanted: str, count: int, folder: Path) -> list[Path]:
    """Take the first files out of a real archive, without unpacking all of it."""
    given = os.environ.get("CHORUS_DATA")
    archive = Path(given or "none") / sets.SETS[name].archive
    if not archive.is_file():
        pytest.skip(f"CHORUS_DATA names no folder with {archive.name}")
    found = []
    with tarfile.open(archive, "r|xz") as tar:
        for member in tar:
            if Path(member.name).match(wanted):
                tar.extract(member, folder, filter="data")
                found.append(folder / member.name)
                if len(found) == count:
                    break
    return found


@pytest.mark.parametrize(
    ("name", "wanted", "rig", "unit"),
    [
        ("bandai", "dataset-*_walk*.bvh", "Bandai-Namco", "cm"),
        ("cmu", "??_??.bvh", "CMU for MotionBuilder", "inch/0.45"),
        ("cmu_dance", "martial/*.bvh", "CMU for DAZ and Poser", "cm"),
        ("deepmimic", "motions/humanoid3d_*walk.txt", "", ""),
    ],
)
def test_real_sets_are_people_who_stand_on_the_ground(name, wanted, rig, unit, tmp_path):
    for path in archived(name, wanted, 2, tmp_path):
        facts = sets.SETS[name].facts(path.relative_to(tmp_path))
        assert facts is not None
        loaded = sets.load(path, facts, name, 60.0)
        motion = loaded.motion
        assert loaded.error_m < 0.01
        if loaded.read is not None:
            assert (loaded.read.rig, loaded.read.unit) == (rig, unit)
            assert loaded.read.parts.unmapped == ()
        assert 1.5 < motion.skeleton.stature < 1.9
        assert 0.1 < float(motion.contacts.float().mean()) <= 1.0
        stance = motion.soles[..., 2].amin(-1)[motion.contacts]
        if name == "cmu":  # ground of several heights, one of them 0
            assert float(stance.abs().quantile(0.1)) < 0.03
        else:
            assert -0.03 < float(stance.median()) < 0.06
        # Elbows bend forward and knees backward, about the axis to the left.
        for upper, lower, way in (("upper_arm", "forearm", -1.0), ("thigh", "shin", 1.0)):
            for side in ("left", "right"):
                a, b = (motion.orientations[:, PLACE[f"{side}_{s}"]] for s in (upper, lower))
                z = (a.transpose(-1, -2) @ b)[..., 2]
                bent = z[:, :2].norm(dim=-1) > 0.3
                if int(bent.sum()) > 10:
                    axis = torch.rad2deg(torch.atan2(z[bent, 1], way * z[bent, 0]))
                    assert float(axis.abs().median()) < 8.0, (upper, side)
        # A foot that stands is flat, but for the wide stances of fighters, whose feet roll by up to 20 deg;
        # people who walk hold trunk and head upright, but not who walks by stealth.
        for foot, side in enumerate(("left", "right")):
            still = motion.contacts[:, foot] & (motion.soles[:, foot, :, 2].amax(dim=-1) < 0.05)
            if int(still.sum()) > 20 and name != "cmu_dance":
                up = motion.orientations[still, PLACE[f"{side}_foot"], 2, 2].median()
                assert float(torch.rad2deg(torch.arccos(up))) < 14.0
        for segment in ("pelvis", "chest", "head") if name in ("bandai", "cmu") else ():
            up = motion.orientations[:, PLACE[segment], 2, 2].median()
            assert float(torch.rad2deg(torch.arccos(up))) < 35.0, segment
        head = motion.joints[:, JOINT["head"]] - motion.joints[:, JOINT["neck"]]
        assert 0.085 < float(head.norm(dim=-1).median()) / motion.skeleton.stature < 0.14


def test_the_dance_set_is_slower_than_its_headers_say(tmp_path):
    (path,) = archived("cmu_dance", "salsa/*.bvh", 1, tmp_path)
    facts = sets.SETS["cmu_dance"].facts(path.relative_to(tmp_path))
    assert facts is not None
    told, header = (
        sets.load(path, f, "cmu_dance").motion for f in (facts, dataclasses.replace(facts, rate_hz=None))
    )
    assert (told.rate_hz, header.rate_hz) == (60.0, 120.0)
