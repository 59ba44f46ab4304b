"""Rays of a few cameras meet where the point is; who disagrees is let go."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from drivers.camera.model import CameraModel, Pose
from fusion.geometry.meet import inverse, meet, seen_by
from fusion.geometry.triangulate import Weights, triangulate

FOCAL = 900.0


def cameras(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Cameras around the origin that look at it: turns (C, 3, 3) and shifts (C, 3)."""
    rng = np.random.default_rng(seed)
    turns, shifts = [], []
    for number in range(count):
        azimuth = 2 * np.pi * number / count * 0.8 + rng.uniform(-0.2, 0.2)
        place = np.array([4 * np.cos(azimuth), 4 * np.sin(azimuth), rng.uniform(0.5, 2.0)])
        forward = -place / np.linalg.norm(place)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        turn = np.stack([right, np.cross(forward, right), forward])
        turns.append(turn)
        shifts.append(-turn @ place)
    return np.array(turns), np.array(shifts)


def seen(turns: np.ndarray, shifts: np.ndarray, points: np.ndarray) -> np.ndarray:
    at = seen_by(turns, shifts, points)
    return at[..., :2] / at[..., 2:]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_exact_rays_meet_in_the_point(count: int) -> None:
    turns, shifts = cameras(count)
    points = np.random.default_rng(1).uniform(-1, 1, (7, 20, 3))
    rays = seen(turns[None], shifts[None], points)
    met = meet(
        turns[None], shifts[None], rays, np.full(rays.shape[:-1], 0.003), np.ones(rays.shape[:-1], bool)
    )
    assert met.known.all()
    assert met.used.all()
    np.testing.assert_allclose(met.places, points, atol=1e-6)


def test_it_finds_what_triangulation_of_pixels_finds() -> None:
    turns, shifts = cameras(4)
    rng = np.random.default_rng(2)
    points = rng.uniform(-1, 1, (50, 3))
    rays = seen(turns, shifts, points) + rng.normal(0, 0.002, (4, 50, 2))
    matrix = np.array([[FOCAL, 0, 640], [0, FOCAL, 360], [0, 0, 1]])
    models = [
        CameraModel(matrix, np.zeros(5), (1280, 720), pose=Pose(t, s))
        for t, s in zip(turns, shifts, strict=True)
    ]
    pixels = rays * FOCAL + [640, 360]
    known = triangulate(models, pixels, weights=Weights(floor_px=0.002 * FOCAL, cutoff_px=50.0))
    met = meet(turns, shifts, rays, np.full((4, 50), 0.002), np.ones((4, 50), bool))
    all_four = met.used.all(axis=0)
    assert all_four.mean() > 0.9
    np.testing.assert_allclose(met.places[all_four], known.places[all_four], atol=2e-3)
    np.testing.assert_allclose(met.covariance[all_four], known.covariance[all_four], rtol=0.05, atol=1e-7)


def test_the_error_is_as_large_as_the_covariance_says() -> None:
    turns, shifts = cameras(3)
    rng = np.random.default_rng(3)
    points = rng.uniform(-1, 1, (2000, 3))
    rays = seen(turns, shifts, points) + rng.normal(0, 0.004, (3, 2000, 2))
    met = meet(turns, shifts, rays, np.full((3, 2000), 0.004), np.ones((3, 2000), bool))
    off = (met.places - points)[met.known]
    square = np.einsum("ni,nij,nj->n", off, np.linalg.inv(met.covariance[met.known]), off)
    assert 2.5 < square.mean() < 3.5


def test_a_camera_that_sees_another_thing_is_let_go() -> None:
    turns, shifts = cameras(4)
    points = np.random.default_rng(4).uniform(-1, 1, (30, 3))
    rays = seen(turns, shifts, points)
    rays[2] += 0.2
    met = meet(turns, shifts, rays, np.full((4, 30), 0.003), np.ones((4, 30), bool))
    assert met.known.all()
    assert not met.used[2].any()
    np.testing.assert_allclose(met.places, points, atol=1e-4)


def test_two_that_disagree_and_one_alone_know_nothing() -> None:
    turns, shifts = cameras(2)
    points = np.random.default_rng(5).uniform(-0.5, 0.5, (30, 3))
    rays = seen(turns, shifts, points)
    asked = np.ones((2, 30), bool)
    asked[1, :10] = False
    rays[1, 10:20, 1] += 0.3
    met = meet(turns, shifts, rays, np.full((2, 30), 0.003), asked)
    assert met.known.tolist() == [False] * 20 + [True] * 10
    assert not met.used[:, :20].any()
    assert np.isfinite(met.places).all()


def test_rays_of_who_is_not_asked_do_not_matter_even_nan() -> None:
    turns, shifts = cameras(3)
    points = np.random.default_rng(6).uniform(-1, 1, (5, 3))
    rays = seen(turns, shifts, points)
    asked = np.ones((3, 5), bool)
    asked[1] = False
    rays[1] = np.nan
    met = meet(turns, shifts, rays, np.full((3, 5), 0.003), asked)
    np.testing.assert_allclose(met.places, points, atol=1e-6)


def test_inverses_are_inverses() -> None:
    turn = Rotation.from_rotvec(np.random.default_rng(8).normal(0, 2, (40, 3))).as_matrix()
    matrices = turn @ (np.random.default_rng(7).uniform(0.1, 9, (40, 3))[..., None] * turn.swapaxes(-1, -2))
    np.testing.assert_allclose(inverse(matrices), np.linalg.inv(matrices), rtol=1e-6)
    assert not inverse(np.diag([1.0, 1.0, 0.0])).any()
