"""Points from several cameras: exact where they agree, sound where one does not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from geometry_scenes import LENSES, camera, cloud, ring

from drivers.errors import ConfigError
from fusion.geometry.lens import project
from fusion.geometry.triangulate import Weights, triangulate


def scene(count: int, lens="brown", number: int = 60, seed: int = 0):
    cameras = ring(count, lens)
    points = cloud(number, seed)
    return cameras, points, np.stack([project(one, points) for one in cameras])


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("count", [2, 3, 4, 8])
def test_exact_pictures_give_exact_points(lens, count: int) -> None:
    cameras, points, pixels = scene(count, lens)
    if count == 2:  # opposite cameras look along the same line
        cameras, points, pixels = scene(3, lens)
        cameras, pixels = cameras[:2], pixels[:2]
    found = triangulate(cameras, pixels)
    assert np.allclose(found.places, points, atol=1e-6)
    assert found.error_px.max() < 1e-3
    assert found.used.all()


def test_the_stated_covariance_is_that_of_the_errors() -> None:
    cameras, points, pixels = scene(4, number=1500)
    rng = np.random.default_rng(5)
    found = triangulate(cameras, pixels + rng.normal(0, 2.0, pixels.shape), weights=Weights(floor_px=2.0))
    error = found.places - points
    # Mahalanobis distances of right covariances follow chi square with 3 degrees of freedom: mean 3.
    distance = np.einsum("ni,nij,nj->n", error, np.linalg.inv(found.covariance), error)
    assert 2.7 < distance.mean() < 3.3


@pytest.mark.parametrize("off", [30.0, 100.0, 600.0])
def test_a_camera_that_sees_another_thing_is_rejected(off: float) -> None:
    cameras, points, pixels = scene(4)
    rng = np.random.default_rng(6)
    pixels = pixels + rng.normal(0, 1.0, pixels.shape)
    wrong = rng.integers(0, 4, len(points))
    way = rng.normal(size=(len(points), 2))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    pixels[wrong, np.arange(len(points))] += off * way
    found = triangulate(cameras, pixels)
    error = np.linalg.norm(found.places - points, axis=1)
    assert np.percentile(error, 95) < 0.02  # 4 m away, where a pixel is 4 mm
    if off > 30:
        assert (~found.used[wrong, np.arange(len(points))]).mean() > 0.95


def test_a_wide_key_point_pulls_less_than_a_sharp_one() -> None:
    cameras, points, pixels = scene(4)
    pixels[1] += 12.0
    wide = np.zeros((4, len(points), 3))
    wide[1, :, [0, 2]] = 40.0**2
    trusting = triangulate(cameras, pixels, weights=Weights(cutoff_px=60))
    told = triangulate(cameras, pixels, variance=wide, weights=Weights(cutoff_px=60))
    unsure = triangulate(
        cameras, pixels, np.where(np.arange(4)[:, None] == 1, 0.05, np.ones((4, len(points))))
    )
    error = [np.linalg.norm(f.places - points, axis=1).mean() for f in (trusting, told, unsure)]
    assert error[1] < 0.5 * error[0]
    assert error[2] < 1e-6  # below the least score, it was not asked


def test_fewer_than_two_cameras_give_no_point() -> None:
    cameras, points, pixels = scene(3)
    pixels[1:, :10] = np.nan
    pixels[:, 10:20] = np.nan
    found = triangulate(cameras, pixels)
    assert np.isnan(found.places[:20]).all()
    assert np.isnan(found.error_px[:20]).all()
    assert np.allclose(found.places[20:], points[20:], atol=1e-6)


def test_two_cameras_that_contradict_each_other_give_no_point() -> None:
    cameras, _, pixels = scene(3)
    cameras, pixels = cameras[:2], pixels[:2].copy()
    pixels[1, :, 1] += 200.0  # across the epipolar lines
    assert np.isnan(triangulate(cameras, pixels).places).all()


def test_cameras_that_are_too_few_or_nowhere_are_refused() -> None:
    cameras, _, pixels = scene(2)
    with pytest.raises(ConfigError, match="2 to 64"):
        triangulate(cameras[:1], pixels[:1])
    with pytest.raises(ConfigError, match="camera lost stands is unknown"):
        triangulate([cameras[0], dataclasses.replace(camera(), name="lost")], pixels)
    with pytest.raises(ConfigError):
        Weights(cutoff_px=0)
