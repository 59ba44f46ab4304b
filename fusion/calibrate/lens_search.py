"""The search for a lens: OpenCV's, as plain arrays, with what is left over and how sure it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drivers.camera.model import COEFFICIENTS, CameraModel, Lens, Pose
from drivers.errors import CalibrationError
from fusion.calibrate.board import Board, View
from fusion.calibrate.doubt import lens_covariance
from fusion.geometry.lens import project

BEHIND_PX = 1e4
"""How far off a corner is that was solved to lie behind the camera."""
LOST_PX = 100.0
"""An error so large is no lens: the search has not moved."""
SIMPLER_BY = 0.01
"""The third radial coefficient stays out unless it lowers the error by more than this fraction: it bends the
corners of the picture where no board was."""
FISHEYE_STARTS = (1.0, 0.75, 1.35, 1.8, 2.5)
"""Focal lengths to start from, in those of a lens that sees 180 degrees: OpenCV fails from afar."""

_STOP = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 100, 1e-9)


@dataclasses.dataclass(frozen=True)
class Solution:
    """A lens and the boards it was found with.

    Attributes:
        matrix: (3, 3), px.
        distortion: (D,).
        turns: of each view's board to the camera, (3,) rotation vectors.
        covariance: (4 + D, 4 + D) of [fx, fy, cx, cy, *distortion].
        off: (n, 2) px of each view, what is left over.
    """

    matrix: NDArray[np.float64]
    distortion: NDArray[np.float64]
    turns: list[NDArray[np.float64]]
    covariance: NDArray[np.float64]
    off: list[NDArray[np.float64]]

    @classmethod
    def of(
        cls,
        lens: Lens,
        views: Sequence[View],
        board: Board,
        matrix: Any,
        distortion: Any,
        turns: Any,
        shifts: Any,
        fixed: Sequence[int] = (),
    ) -> Solution:
        """Return what OpenCV found as plain arrays, with what is left over."""
        matrix = np.asarray(matrix, np.float64)
        distortion = np.ravel(distortion).astype(np.float64)[: COEFFICIENTS[lens]]
        turns = [np.ravel(turn).astype(np.float64) for turn in turns]
        poses = [
            Pose(Rotation.from_rotvec(turn).as_matrix(), np.ravel(shift).astype(np.float64))
            for turn, shift in zip(turns, shifts, strict=True)
        ]
        model = CameraModel(matrix, distortion, (1, 1), lens)
        # A board that was solved to lie behind the camera has no pixels: its view is far off, and goes.
        off = [
            np.nan_to_num(
                view.pixels - project(dataclasses.replace(model, pose=pose), board.corners[view.ids]),
                nan=BEHIND_PX,
            )
            for view, pose in zip(views, poses, strict=True)
        ]
        places = [board.corners[view.ids] for view in views]
        return cls(matrix, distortion, turns, lens_covariance(model, places, poses, off, fixed), off)

    @property
    def rms(self) -> float:
        """Root mean square distance of all corners, px."""
        return float(np.sqrt(np.mean(np.concatenate(self.off) ** 2) * 2))

    @property
    def view_rms(self) -> NDArray[np.float64]:
        """The same of each view, (V,) px."""
        return np.array([np.sqrt((off**2).sum(1).mean()) for off in self.off])


def solve(views: Sequence[View], board: Board, size: tuple[int, int], lens: Lens, flags: int = 0) -> Solution:
    """Return the lens that explains views of the board best.

    Args:
        views: of one camera.
        board: what was printed.
        size: width and height of the pictures, px.
        lens: model of distortion.
        flags: OpenCV's, such as ``CALIB_FIX_K3``.

    Raises:
        CalibrationError: no such lens explains them.
    """
    places = [board.corners[view.ids].astype(np.float32)[:, None] for view in views]
    pixels = [view.pixels.astype(np.float32)[:, None] for view in views]
    try:
        if lens == "fisheye":
            return _solve_fisheye(places, pixels, views, board, size)
        flags |= cv2.CALIB_RATIONAL_MODEL if lens == "rational" else 0
        start = np.array([[max(size), 0, (size[0] - 1) / 2], [0, max(size), (size[1] - 1) / 2], [0, 0, 1.0]])
        _, *found = cv2.calibrateCamera(
            places, pixels, size, start, np.zeros(COEFFICIENTS[lens]), flags=flags, criteria=_STOP
        )
    except cv2.error as error:
        raise CalibrationError(
            f"the views of the board explain no {lens} lens ({_words(error)})",
            mend="Take more views, tilted this way and that; for a lens that is not very wide, --lens=brown",
        ) from None
    return Solution.of(lens, views, board, *found, fixed=(4,) if flags & cv2.CALIB_FIX_K3 else ())


def _solve_fisheye(
    places: list[NDArray[np.float32]],
    pixels: list[NDArray[np.float32]],
    views: Sequence[View],
    board: Board,
    size: tuple[int, int],
) -> Solution:
    home: Any = cv2.fisheye if hasattr(cv2.fisheye, "CALIB_FIX_SKEW") else cv2  # they moved in OpenCV 5
    flags = home.CALIB_RECOMPUTE_EXTRINSIC | home.CALIB_FIX_SKEW | home.CALIB_USE_INTRINSIC_GUESS
    wide = [place.astype(np.float64).reshape(1, -1, 3) for place in places]
    seen = [pixel.astype(np.float64).reshape(1, -1, 2) for pixel in pixels]
    failure = cv2.error()
    for part in FISHEYE_STARTS:
        focal = part * max(size) / np.pi
        start = np.array([[focal, 0, (size[0] - 1) / 2], [0, focal, (size[1] - 1) / 2], [0, 0, 1.0]])
        try:
            found = cv2.fisheye.calibrate(wide, seen, size, start, np.zeros(4), flags=flags, criteria=_STOP)
            # From afar it may also end where it began, or in numbers that are none, and say nothing.
            sound = all(np.isfinite(np.asarray(part, np.float64)).all() for part in found[1:])
            if sound and found[0] < LOST_PX:
                break
        except cv2.error as error:
            failure = error
    else:
        raise failure
    return Solution.of("fisheye", views, board, *found[1:])


def simpler(views: Sequence[View], board: Board, size: tuple[int, int], full: Solution) -> Solution:
    """Return the solution without a third radial coefficient, where it explains the views as well."""
    simple = solve(views, board, size, "brown", cv2.CALIB_FIX_K3)
    return full if full.rms < simple.rms * (1 - SIMPLER_BY) else simple


def _words(error: cv2.error) -> str:
    text = str(getattr(error, "err", "") or error)
    return " ".join(text.split())[:80]
