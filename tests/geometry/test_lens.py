"""Lenses there and back, and cameras of other programs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from geometry_scenes import LENSES, camera, cloud, looking
from scipy.spatial.transform import Rotation

from drivers.errors import ConfigError, DataError
from fusion.geometry.fit import fitted
from fusion.geometry.foreign import read_calibration
from fusion.geometry.lens import normalised, project, to_camera


@pytest.mark.parametrize("lens", LENSES)
def test_a_pixel_goes_back_to_the_ray_it_came_from(lens) -> None:
    model = camera(lens, looking((3.0, 1.0, 1.5)))
    points = np.random.default_rng(2).uniform(-1, 1, (50, 3)) * [1, 1, 0.5] + [0, 0, 1]
    seen = to_camera(model, points)
    pixels = project(model, points)
    assert np.isfinite(pixels).all()
    assert np.allclose(normalised(model, pixels), seen[:, :2] / seen[:, 2:], atol=1e-7)


def test_what_lies_behind_a_camera_has_no_pixel() -> None:
    model = camera("brown", looking((3.0, 0.0, 1.0)))
    assert np.isnan(project(model, np.array([[9.0, 0.0, 1.0]]))).all()
    assert np.isnan(normalised(model, np.full((2, 2), np.nan))).all()


def test_a_letterboxed_picture_is_found_by_its_bars() -> None:
    model = camera("brown", looking((3.0, 0.0, 1.0)), size=(1088, 1920))
    picture = np.full((1920, 1080, 3), 120, np.uint8)
    with pytest.raises(ConfigError, match="--fit=crop"):
        fitted(model, picture)
    picture[:7] = picture[-7:] = 2
    boxed = fitted(model, picture)
    points = cloud(9, half=0.5)
    k = 1080 / 1088
    expected = (project(model, points) + 0.5) * k - 0.5 + [0, (1920 - 1920 * k) / 2]
    assert np.allclose(project(boxed, points), expected)
    cut = fitted(model, picture, "crop")
    assert np.allclose(project(cut, points), project(model, points) - [4, 0])


QUALISYS = """<?xml version='1.0'?>
<calibration><cameras>
  <camera active="1" serial="a"><fov_video bottom="1079" left="0" right="1919" top="0"/>
    <transform r11="{r[0]}" r12="{r[1]}" r13="{r[2]}" r21="{r[3]}" r22="{r[4]}" r23="{r[5]}"
      r31="{r[6]}" r32="{r[7]}" r33="{r[8]}" x="{x[0]}" y="{x[1]}" z="{x[2]}"/>
    <intrinsic centerPointU="61440" centerPointV="34560" focalLengthU="96000" focalLengthV="96064"
      radialDistortion1="-0.05" radialDistortion2="0.1" radialDistortion3="0"
      tangentalDistortion1="0.001" tangentalDistortion2="0.002"/></camera>
</cameras></calibration>"""


def test_a_qualisys_camera_sees_what_is_before_it_upright(tmp_path: Path) -> None:
    pose = looking((3.0, 0.0, 1.0))
    rows = (np.diag([1, -1, -1]) @ pose.rotation).ravel()  # its y points up, its z backwards
    path = tmp_path / "Calib.qca.txt"
    path.write_text(QUALISYS.format(r=rows, x=pose.centre * 1000))
    (model,) = read_calibration(path).values()
    assert model.size == (1920, 1080)
    assert np.allclose(model.matrix, [[1500, 0, 960], [0, 1501, 540], [0, 0, 1]])
    assert model.pose is not None
    assert np.allclose(model.pose.centre, [3, 0, 1])
    at, higher = project(model, np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.2]]))
    assert np.allclose(at, [960, 540])
    assert higher[1] < at[1]  # up in the world is up in the picture


def test_a_pose2sim_calibration_is_read_as_opencv_means_it(tmp_path: Path) -> None:
    pose = looking((2.0, -2.0, 1.5))
    turn = Rotation.from_matrix(pose.rotation).as_rotvec().tolist()
    path = tmp_path / "Calib.toml"
    path.write_text(
        f"[one]\nname = 'cam_a'\nsize = [640.0, 480.0]\nmatrix = [[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], "
        f"[0.0, 0.0, 1.0]]\ndistortions = [-0.1, 0.0, 0.0, 0.0]\nrotation = {turn}\n"
        f"translation = {pose.translation.tolist()}\nfisheye = false\n[metadata]\nerror = 0.0\n"
    )
    model = read_calibration(path)["cam_a"]
    assert model.pose is not None
    assert np.allclose(model.pose.rotation, pose.rotation)
    assert model.distortion.tolist() == [-0.1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.qca.txt", "<calibration/>"),
        ("a.qca.txt", "<calibration><cameras><camera serial='x'/></cameras></calibration>"),
        ("a.qca.txt", "<calibration"),
        ("a.qca.txt", "<!DOCTYPE a [<!ENTITY b 'b'>]><calibration>&b;</calibration>"),
        ("a.qca.txt", QUALISYS.format(r=[1] * 9, x=[0] * 3)),
        ("a.qca.txt", QUALISYS.format(r=["nan"] * 9, x=[0] * 3)),
        ("a.toml", "[a]\nname = 'x'"),
        ("a.toml", "[[["),
        ("a.toml", "a = 3"),
        ("a.csv", "1,2"),
    ],
)
def test_a_calibration_that_cannot_be_read_is_refused(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as refused:
        read_calibration(tmp_path / name)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_camera_that_is_switched_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.qca.txt"
    text = QUALISYS.format(r=np.diag([1, -1, -1]).ravel() * 1.0, x=[0, 0, 0])
    path.write_text(
        text.replace(
            "</cameras>",
            text[text.index("<camera ") : text.index("</cameras>")].replace(
                'active="1" serial="a"', 'active="0" serial="b"'
            )
            + "</cameras>",
        )
    )
    assert list(read_calibration(path)) == ["a"]
    assert dataclasses.is_dataclass(read_calibration(path)["a"])
