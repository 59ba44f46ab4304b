"""Corners to a fraction of a pixel, from the edges that meet there."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from geometry_scenes import LENSES, camera
from scipy.spatial.transform import Rotation

from benchmarks.devices.board_scene import EASY, HARD, Condition, Studio, held
from fusion.calibrate.board import Board, Finder
from fusion.calibrate.corners import refined
from fusion.geometry.lens import project

BOARD = Board(7, 5, 35.0)


def errors(lens, condition: Condition, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How far off corners are in rendered pictures: as OpenCV finds them, and refined, px."""
    eye, rng = camera(lens), np.random.default_rng(seed)
    studio, finder, detector = Studio(eye, BOARD, condition, rng), Finder(BOARD), None
    detector = cv2.aruco.CharucoDetector(BOARD.opencv)
    plain, fine = [], []
    for _ in range(count):
        pose = held(rng, eye, BOARD)
        picture = studio.picture(pose)
        corners, ids, _, _ = detector.detectBoard(picture)
        view = finder(picture)
        if ids is None or view is None:
            continue
        right = project(dataclasses.replace(eye, pose=pose), BOARD.corners)
        plain.append(corners.reshape(-1, 2) - right[ids.ravel()])
        fine.append(view.pixels - right[view.ids])
    return (np.linalg.norm(np.concatenate(one), axis=1) for one in (plain, fine))  # pyright: ignore


@pytest.mark.parametrize("lens", LENSES)
def test_corners_are_much_nearer_to_the_truth_than_opencv_s_where_it_is_hard_to_see(lens) -> None:
    plain, fine = errors(lens, HARD, 6, 5)
    assert np.median(fine) < 0.4 * np.median(plain)
    assert np.percentile(fine, 95) < 0.5 * np.percentile(plain, 95)


def test_corners_that_are_easily_seen_are_found_to_a_fiftieth_of_a_pixel() -> None:
    plain, fine = errors("brown", EASY, 6, 6)
    assert np.median(fine) < 0.02 < np.median(plain)
    assert np.percentile(fine, 90) < 0.05


def test_a_shadow_across_the_edges_does_not_pull_a_corner_aside() -> None:
    side, turn = 70.0, Rotation.from_euler("z", 17, degrees=True).as_matrix()[:2, :2]
    places = np.stack(np.meshgrid(np.arange(-1, 2), np.arange(-1, 2)), -1).reshape(-1, 2).astype(float)
    pixels = places @ turn.T * side + [160.3, 150.6]
    y, x = np.mgrid[:300, :320].astype(float)
    over = np.stack([x, y], -1)[:, :, None] + np.stack(np.meshgrid([-0.25, 0.25], [-0.25, 0.25]), -1).reshape(
        4, 2
    )
    on = (over - [160.3, 150.6]) @ turn / side  # of the board
    white = (np.floor(on).sum(-1) % 2).mean(-1)
    light = 1 - 0.6 / (1 + np.exp(-(x - y) / 40))
    grey = np.round(cv2.GaussianBlur((40 + 150 * white) * light, (0, 0), 1.0)).astype(np.uint8)
    near = pixels + np.random.default_rng(0).uniform(-0.5, 0.5, pixels.shape)
    inner = 4  # the others have no whole squares about them
    found = refined(grey, near, places, 1.0, 0.125)[inner]
    assert np.linalg.norm(found - pixels[inner]) < 0.06  # px; 0.46 where slopes are made to meet in a point


def test_what_is_no_corner_stays_where_it_was() -> None:
    places = BOARD.corners[:, :2]
    pixels = places * 1500 + [60.0, 40.0]
    for picture in (
        np.full((400, 500), 90, np.uint8),
        np.tile(np.arange(500) // 2, (400, 1)).astype(np.uint8),
    ):
        assert np.array_equal(refined(picture, pixels, places, 0.035, 0.004), pixels)
    few = slice(0, 3)
    noise = np.random.default_rng(0).integers(0, 255, (400, 500)).astype(np.uint8)
    assert np.array_equal(refined(noise, pixels[few], places[few], 0.035, 0.004), pixels[few])
    moved = refined(noise, pixels, places, 0.035, 0.004) - pixels
    assert np.linalg.norm(moved, axis=1).max() <= 2.0
