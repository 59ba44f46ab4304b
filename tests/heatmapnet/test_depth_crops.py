"""Depth maps of UTD-MHAD: joints lie on the body, left stays left, cells lead back to the picture."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import loadmat, savemat

from drivers.errors import ConfigError, DataError
from fusion.data.utd_depth import CropVariety, DepthCrops, UtdDepthData, person_region
from fusion.data.utd_seen import below_surface, surface
from fusion.heatmapnet.crops import cell_affine, crop_affine, cut, heat, of_depth
from fusion.skeletons import BODY20, KINECT20
from fusion.vision.region import Region
from recordings.importers.utd_depth import depth_trials, find_depth

SIZE = (64, 64)
LEFT = KINECT20.index("left_shoulder")
RIGHT = KINECT20.index("right_shoulder")


def test_joints_lie_on_the_body_and_the_left_hand_at_the_right_of_the_picture(made_depth: Path) -> None:
    for item in depth_trials(made_depth, (1,)):
        assert len(item.depth) == len(item.trial.joints)
        assert (item.pixels[:, LEFT, 0] > item.pixels[:, RIGHT, 0]).all()
        at = np.rint(item.pixels).astype(int)
        frames = np.arange(len(at))[:, None]
        values = item.depth[frames, at[..., 1], at[..., 0]]
        assert (values == 2920).mean() > 0.95  # 3 m less the 8 cm of flesh


@pytest.mark.usefixtures("real_depth")
def test_joints_of_the_real_data_lie_on_the_body() -> None:
    away = []
    for item in depth_trials(subjects=(1,)):
        away.append(item.trial.joints[20, :, 2] - surface(item.depth[20], item.pixels[20]))
    assert np.isfinite(away).mean() > 0.95
    assert 0.0 < float(np.nanmedian(away)) < 0.15


def test_each_skeleton_frame_has_the_map_that_shows_it(made_depth: Path, tmp_path: Path) -> None:
    root = tmp_path / "utd"
    shutil.copytree(made_depth, root)
    path = next((root / "Depth").glob("a1_s1_t1_*"))
    maps = loadmat(path)["d_depth"]
    count = maps.shape[2]
    maps[:] = np.arange(count, dtype=np.uint16)
    savemat(path, {"d_depth": maps})
    first = next(iter(depth_trials(root, (1,))))
    assert first.depth[:, 0, 0].tolist() == [min(n + 2, count - 1) for n in range(count)]


@pytest.mark.usefixtures("real_depth")
def test_hands_of_the_real_data_that_move_lie_on_the_body_in_their_own_map() -> None:
    hands = [KINECT20.index(f"{side}_{part}") for side in ("left", "right") for part in ("wrist", "hand")]
    lies: dict[int, list[bool]] = {shift: [] for shift in (-1, 0, 1)}
    for item in depth_trials(subjects=(1,)):
        points, z = item.pixels[:, hands], item.trial.joints[:, hands, 2]
        fast = np.linalg.norm(np.gradient(points, axis=0), axis=-1) > 4.0
        for frame in range(2, len(points) - 4):
            for shift, found in lies.items():
                away = np.abs(surface(item.depth[frame + shift], points[frame]) - z[frame])
                found += (away < 0.12)[fast[frame]].tolist()
    share = {shift: np.mean(found) for shift, found in lies.items()}
    assert share[0] > max(share[-1], share[1]) + 0.1, share


@pytest.fixture
def real_depth() -> None:
    """The real depth, where CHORUS_DATA has it."""
    try:
        find_depth()
    except DataError as error:
        pytest.skip(str(error))


def test_the_joints_depth_is_the_surface_and_what_lies_below_it(made_depth: Path) -> None:
    below = below_surface(list(depth_trials(made_depth, (1, 2))))
    assert below.shape == (len(BODY20),)
    assert below == pytest.approx(np.full(len(BODY20), 0.08), abs=0.002)
    nothing = surface(np.zeros((24, 32), np.uint16), np.array([[3.0, 4.0], [-50.0, 900.0]]))
    assert np.isnan(nothing).all()


def test_a_crop_is_where_its_affine_says() -> None:
    picture = np.zeros((100, 140), np.uint16)
    picture[40, 90] = 7
    place = Region(88.0, 45.0, 32.0, 0.3)
    crop = cut(picture, place, SIZE)
    rows, columns = np.nonzero(crop)
    back = crop_affine(place, SIZE) @ [columns.mean(), rows.mean(), 1.0]
    assert back == pytest.approx([90.0, 40.0], abs=0.4)
    cells = cell_affine(place, SIZE)
    assert cells @ [2.0, 3.0, 1.0] == pytest.approx(crop_affine(place, SIZE) @ [9.5, 13.5, 1.0])


def test_heat_is_highest_at_the_joint_and_nothing_where_it_is_unknown() -> None:
    maps = heat(np.array([[3.0, 5.0], [np.nan, 2.0]]), (8, 16), 1.0)
    assert maps.shape == (2, 16, 8)
    assert maps[0, 5, 3] == 1.0
    assert maps[0].argmax() == 5 * 8 + 3
    assert maps[1].max() == 0.0


@pytest.mark.parametrize("variety", [None, CropVariety(nobody=0.0)])
def test_heatmaps_are_where_the_joints_are(made_depth: Path, variety: CropVariety | None) -> None:
    torch.manual_seed(1)
    crops = DepthCrops(list(depth_trials(made_depth, (1,))), SIZE, 1.0, variety, every=6)
    on_the_body = []
    for k in range(len(crops)):
        item = crops[k]
        assert item["crop"].shape == (2, 64, 64)
        assert item["heat"].shape == (20, 16, 16)
        for joint in np.flatnonzero(item["known"]):
            column, row = item["points"][joint].round().int().clamp(0, 15).tolist()
            assert item["heat"][joint].argmax() == 16 * row + column
        left, right = (BODY20.index(f"{side}_shoulder") for side in ("left", "right"))
        assert item["points"][left, 0] > item["points"][right, 0]  # mirrored people are people
        cells = item["points"][item["known"] > 0]
        pixels = (cells * 4 + 1.5).round().long().clamp(0, 63)
        on_the_body.append(float((item["crop"][1, pixels[:, 1], pixels[:, 0]] > 0).float().mean()))
    assert np.mean(on_the_body) > (0.99 if variety is None else 0.7)  # holes cover some
    if variety is not None:
        assert not torch.equal(crops[0]["crop"], crops[0]["crop"])


def test_where_boxes_stand_there_is_no_joint_anywhere(made_depth: Path) -> None:
    crops = DepthCrops(list(depth_trials(made_depth, (1,))), SIZE, 1.0, CropVariety(nobody=1.0), every=20)
    for k in range(len(crops)):
        assert crops[k]["heat"].max() == 0.0
        assert crops[k]["known"].min() == 1.0
        assert crops[k]["crop"][1].max() == 1.0


def test_what_is_too_far_from_the_person_is_unknown() -> None:
    values = of_depth(np.array([[0, 1000, 2100, 3300]], np.uint16), 2.0)
    assert values[1].tolist() == [[0.0, 1.0, 1.0, 0.0]]
    assert values[0, 0].tolist() == pytest.approx([0.0, -1.0 / 1.2, 0.1 / 1.2, 0.0], abs=1e-6)
    assert person_region(np.zeros((24, 32), np.uint16)).side == 32


def test_what_is_no_depth_is_told_in_one_line(made_depth: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no depth of subjects"):
        list(depth_trials(made_depth, (8,)))
    with pytest.raises(DataError, match="neither a folder Depth"):
        find_depth(tmp_path)
    with pytest.raises(ConfigError, match="at once"):
        UtdDepthData(str(made_depth), train_subjects=(1,), test_subjects=(1,))
    source = made_depth / "Depth" / "a1_s1_t1_depth.mat"
    for folder in ("Skeleton", "Inertial"):
        (tmp_path / folder).symlink_to(made_depth / folder)
    (tmp_path / "Depth").mkdir()
    maps = loadmat(source)["d_depth"]
    for wrong, text in (
        (maps[:, :, :5], "5 maps, its skeleton 37 frames"),
        (maps[:50], r"not \(240, 320, T\) uint16"),
        (maps.astype(np.float64), "uint16"),
    ):
        savemat(tmp_path / "Depth" / source.name, {"d_depth": wrong})
        with pytest.raises(DataError, match=text):
            list(depth_trials(tmp_path, (1,)))
    (tmp_path / "Depth" / source.name).write_bytes(b"MATLAB 5.0 MAT-file")
    with pytest.raises(DataError, match="MATLAB"):
        list(depth_trials(tmp_path, (1,)))
