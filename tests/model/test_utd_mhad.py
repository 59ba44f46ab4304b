"""UTD-MHAD: files are read with their traps minded, and become batches of the features contract."""

from __future__ import annotations

import dataclasses
import io
import math
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from drivers.errors import ConfigError, DataError
from drivers.places import PLACES
from fusion.data.augment import (
    AugmentConfig,
    blend_bodies,
    blend_sensors,
    blend_shares,
    change_sensor,
    cover,
)
from fusion.data.utd_mhad import UtdBatches, UtdMhadData, UtdTrials
from fusion.model.net import FEATURES
from fusion.skeletons import BODY20, KINECT20
from recordings.importers import utd_mhad

FRAMES, SAMPLES = 40, 120
STILL = AugmentConfig(**dict.fromkeys(AugmentConfig.__dataclass_fields__, 0.0))


def skeleton() -> np.ndarray:
    """A person 3 m away who stands upright, with the left side at negative x as in the data set's frame."""
    rest = {
        "head": (0.0, 0.6), "neck": (0.0, 0.4), "spine": (0.0, 0.1), "pelvis": (0.0, 0.0),
        "shoulder": (0.2, 0.35), "elbow": (0.25, 0.1), "wrist": (0.27, -0.1), "hand": (0.28, -0.2),
        "hip": (0.1, -0.05), "knee": (0.1, -0.45), "ankle": (0.1, -0.85), "foot": (0.12, -0.9),
    }  # fmt: skip
    joints = np.zeros((20, 3, FRAMES))
    for row, name in enumerate(KINECT20):
        x, y = rest[name.split("_")[-1]]
        joints[row] = np.array([-x if name.startswith("left") else x, y, 3.0])[:, None]
    joints[:, 0] += np.linspace(0.0, 0.1, FRAMES)
    return joints


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("Skeleton", "Inertial"):
        (tmp_path / folder).mkdir()
    rows = np.tile([0.0, 0.0, 1.0, 90.0, 0.0, 0.0], (SAMPLES, 1))
    for action in (1, 22):
        for subject in (1, 2):
            for trial in (1, 2):
                stem = f"a{action}_s{subject}_t{trial}"
                savemat(tmp_path / "Skeleton" / f"{stem}_skeleton.mat", {"d_skel": skeleton()})
                savemat(tmp_path / "Inertial" / f"{stem}_inertial.mat", {"d_iner": rows})
    return tmp_path


def data(root: Path) -> UtdTrials:
    return UtdTrials(list(utd_mhad.trials(root)))


def test_units_frame_and_times(root: Path) -> None:
    trial = next(utd_mhad.trials(root, (2,)))
    assert (trial.action, trial.subject, trial.trial) == (1, 2, 1)
    np.testing.assert_allclose(trial.specific_force, np.tile([0, 0, 9.80665], (SAMPLES, 1)), rtol=1e-6)
    np.testing.assert_allclose(trial.angular_rate[:, 0], np.pi / 2, rtol=1e-6)
    head, pelvis = KINECT20.index("head"), KINECT20.index("pelvis")
    left = KINECT20.index("left_hand")
    assert (trial.joints[:, head, 1] < trial.joints[:, pelvis, 1]).all(), "y points down"
    assert (trial.joints[:, left, 0] > trial.joints[:, pelvis, 0]).all(), (
        "a person who faces us has the left at our right"
    )
    assert (trial.joints[..., 2] == 3.0).all()


def test_both_streams_run_from_start_to_end_whatever_the_nominal_rates(root: Path) -> None:
    trial = next(utd_mhad.trials(root))
    assert trial.joint_time[0] == trial.inertial_time[0] == 0.0
    assert trial.joint_time[-1] == trial.inertial_time[-1] == pytest.approx((SAMPLES - 1) / 50)


def test_the_place_of_the_sensor_is_not_told(root: Path) -> None:
    places = {trial.worn_on for trial in utd_mhad.trials(root)}
    assert places == {"unspecified"}
    batch = UtdBatches(data(root), 25.0, None)([0, 7])
    worn = batch["features"]["inertial_present"].amax(dim=(0, 1))
    assert worn.nonzero().flatten().tolist() == [PLACES.index("unspecified")]


def test_subjects_are_chosen(root: Path) -> None:
    assert {trial.subject for trial in utd_mhad.trials(root, (2,))} == {2}
    with pytest.raises(ConfigError, match="at once"):
        UtdMhadData(str(root), train_subjects=(1, 2), test_subjects=(2,))


def test_batches_follow_the_features_contract(root: Path) -> None:
    batch = UtdBatches(data(root), 25.0, None)([0, 1, 6])
    features, ticks = batch["features"], batch["valid"].shape[1]
    assert ticks == int((SAMPLES - 1) / 50 * 25) + 1
    assert {name: tuple(value.shape[2:]) for name, value in features.items()} == FEATURES
    assert batch["segment"].tolist() == [0, 0, 21]
    assert float(features["vision"][..., :2].abs().max()) <= 0.75
    assert float(features["vision_age"].max()) <= (SAMPLES - 1) / 50 / (FRAMES - 1) + 1e-6
    np.testing.assert_allclose(features["inertial"][0, :, -1, :3], np.tile([0, 0, 1], (ticks, 1)), atol=1e-5)
    pelvis, head = BODY20.index("pelvis"), BODY20.index("head")
    assert bool((features["vision"][..., head, 1] < features["vision"][..., pelvis, 1]).all())
    torch.testing.assert_close(batch["targets"]["joints3d"][..., head, 1], torch.full((3, ticks), -0.6))


def test_augmentation_that_may_go_nowhere_changes_nothing(root: Path) -> None:
    plain, still = UtdBatches(data(root), 25.0, None)([0, 5]), UtdBatches(data(root), 25.0, STILL)([0, 5])
    torch.testing.assert_close(still["features"]["vision"], plain["features"]["vision"], atol=1e-5, rtol=0)
    torch.testing.assert_close(
        still["features"]["vision_age"], plain["features"]["vision_age"], atol=1e-5, rtol=0
    )
    force = (slice(None), slice(None), -1, slice(0, 6))
    torch.testing.assert_close(still["features"]["inertial"][force], plain["features"]["inertial"][force])


def test_augmentation_keeps_labels_gravity_and_the_straightness_of_bones(root: Path) -> None:
    batches = UtdBatches(data(root), 25.0, AugmentConfig(force_gain=0.0, force_noise=0.0, noise_m=0.0))
    first, second = batches([0, 7]), batches([0, 7])
    assert first["segment"].tolist() == second["segment"].tolist() == [0, 21]
    force = first["features"]["inertial"][..., -1, :3].norm(dim=-1)[first["valid"] > 0.5]
    torch.testing.assert_close(force, torch.ones_like(force), atol=1e-4, rtol=0)
    joints = first["targets"]["joints3d"]
    thigh = (joints[:, :, BODY20.index("left_hip")] - joints[:, :, BODY20.index("left_knee")]).norm(dim=-1)
    assert float(thigh.std(dim=1).max()) < 1e-5, "a bone keeps its length within a window"
    assert first["valid"].shape != second["valid"].shape or not torch.equal(
        first["features"]["vision"], second["features"]["vision"]
    )


def test_limbs_are_held_and_swing_otherwise_but_their_bones_stay_as_long(root: Path) -> None:
    other = dataclasses.replace(STILL, limb_deg=15.0, reach=0.3)
    trials = data(root)
    swing = torch.linspace(-0.4, 0.4, FRAMES)[None, :, None]
    hand = [BODY20.index(f"right_{name}") for name in ("wrist", "hand")]
    trials.joints[:, :, hand, 0] += swing
    plain = UtdBatches(trials, 25.0, STILL)([0, 1, 2, 3])["targets"]["joints3d"]
    held = UtdBatches(trials, 25.0, other)([0, 1, 2, 3])["targets"]["joints3d"]
    arm = [BODY20.index(f"right_{name}") for name in ("shoulder", "elbow", "wrist", "hand")]
    bones, before = (j[:, :, arm].diff(dim=2).norm(dim=-1) for j in (held, plain))
    torch.testing.assert_close(bones, before, atol=1e-4, rtol=0.0)
    upper, was = (j[:, :, arm[1]] - j[:, :, arm[0]] for j in (held, plain))
    turned = torch.nn.functional.cosine_similarity(upper, was, dim=-1).clamp(max=1.0).acos().rad2deg()
    assert 0.5 < float(turned.max()) <= 15.1
    fixed = [BODY20.index(name) for name in ("pelvis", "spine", "neck", "head", "left_shoulder")]
    torch.testing.assert_close(held[:, :, fixed], plain[:, :, fixed], atol=1e-5, rtol=0.0)


def test_a_blend_lies_between_two_trials_and_has_the_bones_and_the_heading_of_the_first(root: Path) -> None:
    g = torch.Generator().manual_seed(0)
    joints = data(root).joints[:2]
    c, s = math.cos(0.7), math.sin(0.7)
    turn = torch.tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    theirs = joints[:, :, :1] + (joints - joints[:, :, :1]) @ turn + 0.3
    share = torch.tensor([0.5, 0.0])[:, None, None]
    mixed = blend_bodies(joints, theirs, share)
    torch.testing.assert_close(mixed[1], joints[1], atol=1e-5, rtol=0.0)
    near, far = ((mixed[0] - mixed[0][:, :1]) - (j[0] - j[0][:, :1]) for j in (joints, theirs))
    torch.testing.assert_close(near.norm(dim=-1), far.norm(dim=-1), atol=0.01, rtol=0.0)
    assert float(near.norm(dim=-1).max()) > 0.05
    elbow, wrist = (BODY20.index(f"left_{name}") for name in ("elbow", "wrist"))
    bones = [float((j[0, 0, wrist] - j[0, 0, elbow]).norm()) for j in (mixed, joints)]
    assert bones[0] == pytest.approx(bones[1], abs=1e-5)
    sensor = UtdBatches(data(root), 25.0, None)([0, 1])["features"]["inertial"][
        :, :, PLACES.index("unspecified")
    ]
    turned = change_sensor(sensor, dataclasses.replace(STILL, heading_deg=180.0), g)
    assert float((turned - sensor)[..., 6:].abs().max()) > 0.1
    torch.testing.assert_close(blend_sensors(sensor, turned, share), sensor, atol=1e-4, rtol=0.0)
    doubled = torch.cat([2.0 * sensor[..., :6], sensor[..., 6:]], dim=-1)
    halfway = blend_sensors(sensor, doubled, share)
    torch.testing.assert_close(halfway[0, :, :6], 1.5 * sensor[0, :, :6])
    shares = blend_shares(1000, 0.4, g)
    assert 0.35 < float((shares > 0.0).float().mean()) < 0.45
    assert float(shares.max()) <= 0.5


def test_streams_are_blended_with_trials_of_the_same_action_alone(root: Path) -> None:
    trials = data(root)
    trials.inertial[trials.action == 0, :, 3:6] = 1.0
    trials.inertial[trials.action == 21, :, 3:6] = 7.0
    trials.joints[1] = trials.joints[1] + torch.linspace(0.0, 0.5, 20)[None, :, None]
    batches = UtdBatches(trials, 25.0, dataclasses.replace(STILL, blend=1.0))
    plain = UtdBatches(trials, 25.0, STILL)([0, 4])
    moved = 0.0
    for _ in range(10):
        batch = batches([0, 4])
        rates = batch["features"]["inertial"][:, :, PLACES.index("unspecified"), 3:6].norm(dim=-1) / 3.0**0.5
        kept = batch["features"]["inertial_present"].amax(dim=-1) > 0.5
        assert rates[0][kept[0]].amax() < 1.01
        assert rates[1][kept[1]].amin() > 6.99
        away = (batch["targets"]["joints3d"] - plain["targets"]["joints3d"]).norm(dim=-1)
        moved = max(moved, float(away[0].max()))
        assert float(away[1].max()) < 1e-4, "its likes are all the same"
    assert moved > 0.01


def test_a_camera_is_covered_for_a_while_again_and_again() -> None:
    there = cover(400, 500, 25.0, 0.7, torch.Generator().manual_seed(0))
    share = 1.0 - there.mean(dim=1)
    assert 0.6 < float((share > 0.0).float().mean()) <= 0.75
    assert 0.2 < float(share[share > 0.0].mean()) < 0.6
    ends = there[:, 1:-1].diff(dim=1).abs().sum(dim=1)
    assert float(ends.max()) <= 500 / 6, "never for less than a quarter of a second"
    assert float(cover(10, 50, 25.0, 0.0, torch.Generator()).min()) == 1.0


def test_from_afar_a_small_person_is_smaller_than_a_tall_one_wherever_they_stand(root: Path) -> None:
    trials = data(root)
    middle = trials.joints[:, :, :1].clone()
    trials.joints[1] = middle[1] + 0.8 * (trials.joints[1] - middle[1]) + torch.tensor([0.4, 0.1, -0.8])
    boxes = UtdBatches(trials, 25.0, None, from_m=3.0)([0, 1])["features"]["box"][:, 0]
    assert float(boxes[1, 2] / boxes[0, 2]) == pytest.approx(0.8, abs=0.01)
    torch.testing.assert_close(boxes[1, :2], 0.8 * boxes[0, :2], atol=0.01, rtol=0.0)
    near = UtdBatches(trials, 25.0, None)([0, 1])["features"]["box"][:, 0]
    assert float(near[1, 2] / near[0, 2]) > 1.0, "as it was taken, who stands nearer is larger"


def test_a_gyroscope_may_be_off_by_as_much_throughout_a_window(root: Path) -> None:
    batches = UtdBatches(data(root), 25.0, None), UtdBatches(data(root), 25.0, STILL)
    biased = UtdBatches(data(root), 25.0, dataclasses.replace(STILL, rate_bias=0.2))
    plain, still, off = (made([3])["features"]["inertial"][0, :, -1] for made in (*batches, biased))
    bias = off[:, 3:6] - still[:, 3:6]
    torch.testing.assert_close(still[:, :6], plain[:, :6])
    torch.testing.assert_close(bias, bias[:1].expand_as(bias), atol=1e-5, rtol=0)
    assert float(bias[0].abs().min()) > 1e-3
    torch.testing.assert_close(off[:, :3], still[:, :3])


SKELETON, INERTIAL = "Skeleton/a1_s1_t1_skeleton.mat", "Inertial/a1_s1_t1_inertial.mat"


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda root: (root / INERTIAL).unlink(), "Inertial/a1_s1_t1_inertial.mat is missing"),
        (lambda root: (root / SKELETON).write_bytes(b"no mat"), "not a MATLAB 5 file"),
        (lambda root: savemat(root / SKELETON, {"other": 1}), "no numbers called d_skel"),
        (lambda root: savemat(root / INERTIAL, {"d_iner": np.ones((9, 5))}), r"\(9, 5\), not \(N, 6\)"),
        (lambda root: savemat(root / INERTIAL, {"d_iner": np.full((9, 6), np.nan)}), "not finite"),
    ],
)
def test_damaged_files_are_named_in_one_line(root: Path, break_it, says: str) -> None:
    break_it(root)
    with pytest.raises(DataError, match=says) as caught:
        list(utd_mhad.trials(root))
    assert "\n" not in str(caught.value)


def test_missing_data_says_how_to_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHORUS_DATA", raising=False)
    with pytest.raises(DataError, match="Set CHORUS_DATA"):
        utd_mhad.find_root()
    with pytest.raises(DataError, match="neither the folders"):
        utd_mhad.find_root(tmp_path)


def test_the_archive_is_unpacked_once_into_the_cache(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = tmp_path / "archive"
    place.mkdir()
    with tarfile.open(place / utd_mhad.ARCHIVE, "w:xz") as tar:
        for folder in ("Skeleton", "Inertial"):
            tar.add(root / folder, f"utd_mhad/{folder}")
    folder = utd_mhad.find_root(place)
    assert folder.is_relative_to(tmp_path / "cache")
    assert len(list(utd_mhad.trials(place))) == 8
    before = folder.stat().st_mtime_ns
    assert utd_mhad.find_root(place / utd_mhad.ARCHIVE) == folder
    assert folder.stat().st_mtime_ns == before


def test_an_archive_that_reaches_outside_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with tarfile.open(tmp_path / utd_mhad.ARCHIVE, "w:xz") as tar:
        member = tarfile.TarInfo("../../evil.mat")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(DataError, match="could not be unpacked"):
        utd_mhad.find_root(tmp_path)
    assert not list(tmp_path.rglob("evil.mat"))
    assert not list((tmp_path / "cache" / "chorus").iterdir())


def test_the_real_data_set_is_whole(utd_root: Path) -> None:
    counts, rates = [0] * 27, []
    for trial in utd_mhad.trials(utd_root):
        counts[trial.action - 1] += 1
        rates.append((len(trial.joints) - 1) / trial.joint_time[-1])
        gravity = float(np.median(np.linalg.norm(trial.specific_force, axis=1)))
        assert 7.0 < gravity < 17.0
    assert sum(counts) == 861
    assert 17.0 < np.median(rates) < 20.0, "frames come at about 18 Hz"
    assert 10.0 < min(rates) < max(rates) < 25.0
    assert [n + 1 for n, count in enumerate(counts) if count != 32] == [8, 23, 27]
