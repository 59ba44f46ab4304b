"""The lens from views of the board: right where they tell enough, refused where they don't."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from board_views import hand_held, view
from geometry_scenes import LENSES, camera

from benchmarks.devices.board_scene import EASY, Studio, held
from drivers.camera.model import Pose
from drivers.errors import CalibrationError
from fusion.calibrate.board import Board, Finder
from fusion.calibrate.intrinsics import calibrate_lens
from fusion.geometry.lens import normalised

BOARD = Board(7, 5, 35.0)


@pytest.mark.parametrize("lens", LENSES)
def test_the_lens_is_found_to_a_thousandth(lens) -> None:
    truth = camera(lens)
    found = calibrate_lens(hand_held(truth, BOARD, 40), BOARD, truth.size, lens, "cam")
    assert found.model.matrix[[0, 1], [0, 1]] == pytest.approx(truth.matrix[[0, 1], [0, 1]], rel=1e-3)
    assert found.model.reprojection_px == pytest.approx(0.1 * 2**0.5, rel=0.1)
    # What counts in the end: rays of pixels.
    y, x = np.mgrid[40:680:9j, 60:1220:9j]
    pixels = np.stack([x, y], -1)
    off = (normalised(found.model, pixels) - normalised(truth, pixels)) * truth.matrix[0, 0]
    assert np.linalg.norm(off - off.mean((0, 1)), axis=-1).max() < 1.0  # px; the middle is less certain


def test_rendered_pictures_give_the_lens_they_were_rendered_with() -> None:
    truth, rng = camera(size=(640, 360)), np.random.default_rng(4)
    studio, finder = Studio(truth, BOARD, EASY, rng), Finder(BOARD)
    views = [finder(studio.picture(held(rng, truth, BOARD)), f"{k}") for k in range(24)]
    found = calibrate_lens([v for v in views if v is not None], BOARD, truth.size)
    assert found.model.matrix[[0, 1], [0, 1]] == pytest.approx(truth.matrix[[0, 1], [0, 1]], rel=5e-3)
    assert found.model.reprojection_px < 0.3


def test_views_and_corners_that_do_not_fit_are_left_out() -> None:
    truth = camera()
    views = hand_held(truth, BOARD, 40)
    rng = np.random.default_rng(1)
    for k in (3, 17, 30):  # blurred by motion
        views[k] = dataclasses.replace(
            views[k], pixels=views[k].pixels + rng.normal(0, 4, views[k].pixels.shape)
        )
    views[8].pixels[2] += 25.0  # one corner taken for another
    found = calibrate_lens(views, BOARD, truth.size)
    assert {"3", "17", "30"} <= set(found.thrown)
    assert "8" in found.used
    assert found.model.matrix[0, 0] == pytest.approx(truth.matrix[0, 0], rel=2e-3)
    assert found.model.reprojection_px < 0.2


def test_too_few_views_are_refused_with_what_to_do() -> None:
    truth = camera()
    with pytest.raises(CalibrationError, match="seen in 5 pictures, 8 are needed"):
        calibrate_lens(hand_held(truth, BOARD, 5), BOARD, truth.size, name="cam")


def frontal(count: int, tilt: float, spread: float):
    rng, truth = np.random.default_rng(0), camera()
    views = []
    while len(views) < count:
        pose = held(rng, truth, BOARD)
        turn = np.diag([1.0, -1.0, -1.0])
        middle = pose.rotation @ (np.array([*BOARD.size_mm, 0]) / 2000) + pose.translation
        middle[:2] *= spread
        slope = np.radians(rng.uniform(-tilt, tilt))
        turn = (
            np.array([[1, 0, 0], [0, np.cos(slope), -np.sin(slope)], [0, np.sin(slope), np.cos(slope)]])
            @ turn
        )
        one = view(truth, BOARD, Pose(turn, middle - turn @ (np.array([*BOARD.size_mm, 0]) / 2000)), rng)
        if one is not None:
            views.append(one)
    return truth, views


def test_a_board_that_was_never_tilted_is_refused_and_told() -> None:
    truth, views = frontal(30, 3.0, 1.0)
    with pytest.raises(CalibrationError, match="too poor") as refused:
        calibrate_lens(views, BOARD, truth.size)
    assert "ilt the board" in str(refused.value)


def test_a_board_that_stayed_in_the_middle_is_refused_and_told() -> None:
    truth, views = frontal(30, 40.0, 0.05)
    with pytest.raises(CalibrationError, match="covered") as refused:
        calibrate_lens(views, BOARD, truth.size)
    assert "old the board into the" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_wide_lens_taken_for_a_usual_one_is_refused_and_another_model_named() -> None:
    truth = camera("fisheye")
    truth = dataclasses.replace(
        truth, matrix=truth.matrix * [[0.38, 1, 1], [1, 0.38, 1], [1, 1, 1]]
    )  # 170 deg
    views = hand_held(truth, BOARD, 40)
    found = calibrate_lens(views, BOARD, truth.size, "fisheye")
    assert found.model.matrix[0, 0] == pytest.approx(truth.matrix[0, 0], rel=2e-3)
    with pytest.raises(CalibrationError, match="--lens=fisheye"):
        calibrate_lens(views, BOARD, truth.size)


@pytest.mark.parametrize("lens", LENSES)
def test_the_covariance_of_the_lens_is_that_of_its_errors(lens) -> None:
    truth = camera(lens)
    right = np.concatenate([truth.matrix[[0, 1, 0, 1], [0, 1, 2, 2]], truth.distortion])
    away = []
    for seed in range(12):
        found = calibrate_lens(hand_held(truth, BOARD, 20, seed), BOARD, truth.size, lens).model
        assert found.covariance is not None
        told = np.concatenate([found.matrix[[0, 1, 0, 1], [0, 1, 2, 2]], found.distortion])
        away.append((told - right)[:4] / np.sqrt(np.diag(found.covariance))[:4])
    assert 0.6 < np.sqrt(np.mean(np.square(away))) < 1.5


def test_the_covariance_of_the_lens_is_opencv_s() -> None:
    truth = camera()
    views = hand_held(truth, BOARD, 20)
    model = calibrate_lens(views, BOARD, truth.size, "rational").model
    assert model.covariance is not None
    places = [BOARD.corners[v.ids].astype(np.float32)[:, None] for v in views]
    pixels = [v.pixels.astype(np.float32)[:, None] for v in views]
    guess, bent = model.matrix.copy(), model.distortion.copy()
    flags = cv2.CALIB_RATIONAL_MODEL | cv2.CALIB_USE_INTRINSIC_GUESS
    told = cv2.calibrateCameraExtended(places, pixels, truth.size, guess, bent, flags=flags)[5]
    assert np.sqrt(np.diag(model.covariance))[:4] == pytest.approx(np.ravel(told)[:4], rel=0.1)
