"""Camera files, and the way of their content into a stream and back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml
from geometry_scenes import LENSES, camera, cloud, looking
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera.model import CameraModel, load_camera, model_of, properties_of, save_camera
from drivers.errors import ConfigError


def same(a: CameraModel, b: CameraModel) -> None:
    assert np.array_equal(a.matrix, b.matrix)
    assert np.array_equal(a.distortion, b.distortion)
    assert (a.size, a.lens, a.name, a.date, a.views, a.source) == (
        b.size,
        b.lens,
        b.name,
        b.date,
        b.views,
        b.source,
    )
    assert (a.pose is None) == (b.pose is None)
    if a.pose is not None and b.pose is not None:
        assert np.array_equal(a.pose.rotation, b.pose.rotation)
        assert np.array_equal(a.pose.translation, b.pose.translation)


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("placed", [True, False])
def test_a_camera_file_and_a_stream_keep_every_number(tmp_path: Path, lens, placed: bool) -> None:
    pose = looking((3.0, 1.0, 2.0)) if placed else None
    model = dataclasses.replace(
        camera(lens, pose), reprojection_px=0.1234, views=21, date="2026-01-02", source="board"
    )
    save_camera(model, tmp_path / "new" / "cam.yaml")
    read = load_camera(tmp_path / "new" / "cam.yaml")
    same(read, model)
    assert read.reprojection_px == pytest.approx(0.1234)
    told = model_of(properties_of(model), model.size)
    assert told is not None
    same(told, model)


@pytest.mark.parametrize("lens", LENSES)
def test_a_camera_file_keeps_how_sure_the_lens_is_and_scales_it_with_the_picture(
    tmp_path: Path, lens
) -> None:
    rng, count = np.random.default_rng(2), 4 + len(LENSES[lens])
    root = rng.normal(size=(count, count)) * np.array([3, 3, 2, 2, *np.full(count - 4, 1e-3)])[:, None]
    model = dataclasses.replace(camera(lens), covariance=root @ root.T)
    save_camera(model, tmp_path / "cam.yaml")
    read = load_camera(tmp_path / "cam.yaml")
    assert read.covariance == pytest.approx(model.covariance, rel=1e-7)
    told = model_of(properties_of(model), (640, 360))
    assert told is not None
    assert told.covariance is not None
    assert told.covariance[0, 0] == pytest.approx(0.25 * (root @ root.T)[0, 0])
    assert told.covariance[4, 4] == pytest.approx((root @ root.T)[4, 4])


@pytest.mark.parametrize("half", [[1.0], [-1.0] * 45, [float(k) for k in range(45)], "a" * 45, 3])
def test_a_covariance_that_is_none_is_refused(tmp_path: Path, half) -> None:
    save_camera(camera(), tmp_path / "cam.yaml")
    tree = yaml.safe_load((tmp_path / "cam.yaml").read_text())
    tree["calibration"]["covariance"] = half
    (tmp_path / "cam.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(ConfigError, match="malformed"):
        load_camera(tmp_path / "cam.yaml")


def test_a_stream_without_intrinsics_tells_no_camera() -> None:
    assert model_of({"codec": "h264"}, (640, 480)) is None


@given(st.sampled_from([0.25, 0.5, 2.0, 3.0]))
def test_a_picture_in_another_size_shows_the_same_points(factor: float) -> None:
    from fusion.geometry.lens import project

    model = camera("brown", looking((3.0, 0.0, 1.0)))
    small = model.scaled((round(1280 * factor), round(720 * factor)))
    points = cloud(20)
    # The corner of the picture, not the centre of its first pixel, stays where it is.
    assert np.allclose((project(model, points) + 0.5) * factor - 0.5, project(small, points), atol=1e-9)


def test_a_picture_of_another_shape_is_refused() -> None:
    with pytest.raises(ConfigError, match="1280x720 px, not 640x480"):
        camera().scaled((640, 480))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "imu"}, "kind imu"),
        ({"intrinsics": [1, 2]}, "malformed"),
        ({"intrinsics": [-5, 5, 1, 1]}, "positive fx"),
        ({"intrinsics": [float("nan"), 5, 1, 1]}, "plain values"),
        ({"distortion": {"lens": "plastic", "coefficients": []}}, "plastic"),
        ({"distortion": {"lens": "brown", "coefficients": [0] * 9}}, "distortion"),
        ({"distortion": {"lens": "brown"}}, "coefficients"),
        ({"distortion": [1, 2]}, "malformed"),
        ({"calibration": {}}, "size"),
        ({"calibration": {"size": [1, 2, 3]}}, "malformed"),
        ({"focus": 3}, "'focus'"),
        ({"extrinsics": {"R": [[2, 0, 0], [0, 1, 0], [0, 0, 1]], "t": [0, 0, 0]}}, "rotation"),
        ({"extrinsics": {"R": [[1, 0, 0], [0, 1, 0], [0, 0, -1]], "t": [0, 0, 0]}}, "right-handed"),
        ({"extrinsics": {"t": [0, 0, 0]}}, "malformed"),
    ],
)
def test_a_wrong_camera_file_is_refused_in_one_line(tmp_path: Path, change: dict, words: str) -> None:
    path = tmp_path / "cam.yaml"
    save_camera(camera(), path)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    with pytest.raises(ConfigError) as refused:
        load_camera(path)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[1, 2", b"- a\n- b", b"a: &a [*a]"])
def test_what_is_no_camera_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cam.yaml").write_bytes(content)
    with pytest.raises(ConfigError):
        load_camera(tmp_path / "cam.yaml")
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load_camera(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "properties",
    [
        {"intrinsics": "[1, 2]"},
        {"intrinsics": "{"},
        {"intrinsics": "[9, 9, 1, 1]", "distortion": "{}"},
        {"intrinsics": "[9, 9, 1, 1]", "extrinsics": "[]"},
    ],
)
def test_malformed_properties_are_refused(properties: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="malformed"):
        model_of(properties, (4, 3), "cam")
