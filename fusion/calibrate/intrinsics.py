"""The lens of a camera, from views of the board.

::

    views ── varied ones ── calibrate ── views and corners that do not fit go ──┐── Intrinsics
                                ^────────────────────────────────────────────────┘

OpenCV computes; what is added here is which views are used, which are thrown away, whether the result can be
relied on, and what to do where it can't (Zhang, "A flexible new technique for camera calibration", 2000). The
size of the board's squares does not matter for this.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drivers.camera.model import CameraModel, Lens, Pose
from drivers.errors import CalibrationError
from fusion.calibrate.board import FEWEST, Board, View
from fusion.calibrate.lens_search import Solution, simpler, solve
from fusion.calibrate.views import covered, uncovered, varied
from fusion.geometry.lens import normalised, project

MOST_VIEWS = 50
"""More hardly help, and take long."""
FEWEST_VIEWS = 8
LEAST_COVERAGE = 0.5
"""Of the picture: beyond what was covered distortion is guessed."""
FOCAL_PERCENT = 0.5
"""Largest standard error of the focal length that is accepted."""
LEAST_TILT_DEG = 15.0
"""The board must be tilted by more in some views, or focal length and distance can't be told apart."""
REPROJECTION_PX = 1.0
"""Largest reprojection error that is accepted in pictures of 1280 px; in larger ones in proportion."""
BAD_VIEW = 2.5
"""A view whose error is so many times the usual one is thrown away,"""
BAD_CORNER = 5.0
"""and a corner that is so many times as far off."""
ROUNDS = 4


@dataclasses.dataclass(frozen=True)
class Intrinsics:
    """A calibrated lens and how far it can be relied on.

    Attributes:
        model: the camera, without a place.
        focal_percent: standard error of the focal length, %.
        coverage: (rows, columns) bool, parts of the picture that the board was in.
        tilts_deg: (V,) by how much the board was tilted in each view used.
        errors_px: (V,) root mean square error of each view used.
        used, thrown: names of views used, and of those that did not fit.
        advice: what would make it better, a line each.
    """

    model: CameraModel
    focal_percent: float
    coverage: NDArray[np.bool_]
    tilts_deg: NDArray[np.float64]
    errors_px: NDArray[np.float64]
    used: tuple[str, ...]
    thrown: tuple[str, ...]
    advice: tuple[str, ...]


def calibrate_lens(
    views: Sequence[View],
    board: Board,
    size: tuple[int, int],
    lens: Lens = "brown",
    name: str = "",
    source: str = "",
) -> Intrinsics:
    """Return the lens that explains views of the board.

    Args:
        views: of one camera.
        board: what was printed.
        size: width and height of the pictures, px.
        lens: model of distortion.
        name: of the camera.
        source: what the pictures came from, for the camera file.

    Raises:
        CalibrationError: there are too few views, or what comes out can't be relied on; says what to do.
    """
    if len(views) < FEWEST_VIEWS:
        raise CalibrationError(
            f"{name or 'the camera'}: the board is seen in {len(views)} pictures, {FEWEST_VIEWS} are needed",
            mend="Move the board slowly through the whole picture, tilted this way and that, for 30 s",
        )
    chosen = varied(views, board, size, MOST_VIEWS)
    thrown: list[str] = []
    solution = solve(chosen, board, size, lens)
    for _ in range(ROUNDS):
        kept, gone = _sound(chosen, solution, board, lens)
        if len(kept) < FEWEST_VIEWS or (not gone and sum(map(len, kept)) == sum(map(len, chosen))):
            break
        thrown += gone
        chosen = kept
        solution = solve(chosen, board, size, lens)
    if lens == "brown":
        solution = simpler(chosen, board, size, solution)
    cells = covered(chosen, size)
    tilts = np.array([_tilt(turn) for turn in solution.turns])
    model = CameraModel(
        matrix=solution.matrix,
        distortion=solution.distortion,
        size=size,
        lens=lens,
        name=name,
        reprojection_px=solution.rms,
        views=len(chosen),
        date=datetime.date.today().isoformat(),
        source=source,
        covariance=solution.covariance,
    )
    result = Intrinsics(
        model,
        100.0 * float(np.sqrt(solution.covariance[0, 0])) / float(solution.matrix[0, 0]),
        cells,
        tilts,
        solution.view_rms,
        tuple(view.name for view in chosen),
        tuple(thrown),
        _advice(cells, tilts, len(chosen)),
    )
    _refuse_poor(result)
    return result


def _sound(
    views: Sequence[View], solution: Solution, board: Board, lens: Lens
) -> tuple[list[View], list[str]]:
    """Return the views that fit, without corners that don't, and the names of those that don't fit."""
    typical = float(np.median(solution.view_rms))
    limit, corner = max(BAD_VIEW * typical, 0.1), max(BAD_CORNER * typical, 0.5)
    kept: list[View] = []
    gone: list[str] = []
    for view, off in zip(views, solution.off, strict=True):
        far = np.linalg.norm(off, axis=1)
        if far.max() > corner:  # one wrong corner turns the whole board: its pose is found without it
            far = _off_without(view, solution, board, lens, corner)
            if far.max() <= corner:  # all fit another pose: calibration is stuck at the board's mirror image
                gone.append(view.name)
                continue
        rest = view.only(far <= corner)
        if len(rest) < max(FEWEST, len(view) // 2) or np.sqrt((far[far <= corner] ** 2).mean()) > limit:
            gone.append(view.name)
        else:
            kept.append(rest)
    return kept, gone


def _off_without(
    view: View, solution: Solution, board: Board, lens: Lens, corner: float
) -> NDArray[np.float64]:
    """Return how far (n,) px corners are from the pose that most agree with; the worst go one by one."""
    model = CameraModel(solution.matrix, solution.distortion, (1, 1), lens)
    places, rays = board.corners[view.ids], normalised(model, view.pixels)
    left = np.asarray(np.isfinite(rays).all(1))
    far = np.full(len(view), np.inf)
    while left.sum() > len(view) // 2 and left.sum() >= FEWEST:
        found, turn, shift = cv2.solvePnP(places[left], rays[left], np.eye(3), None, flags=cv2.SOLVEPNP_IPPE)
        if not found:
            break
        turn, shift = cv2.solvePnPRefineLM(places[left], rays[left], np.eye(3), None, turn, shift)
        pose = Pose(Rotation.from_rotvec(np.ravel(turn)).as_matrix(), np.ravel(shift).astype(np.float64))
        off = project(dataclasses.replace(model, pose=pose), places) - view.pixels
        far = np.nan_to_num(np.linalg.norm(off, axis=1), nan=np.inf)
        if far[left].max() <= corner:
            break
        left[np.argmax(np.where(left, far, -1.0))] = False
    return far


def _tilt(turn: NDArray[np.float64]) -> float:
    """Return the angle between the paper and the plane of the picture, degrees."""
    normal = Rotation.from_rotvec(np.ravel(turn)).as_matrix()[:, 2]
    return float(np.degrees(np.arccos(min(1.0, abs(normal[2])))))


def _advice(cells: NDArray[np.bool_], tilts: NDArray[np.float64], count: int) -> tuple[str, ...]:
    lines = []
    missing = uncovered(cells)
    if missing:
        lines.append(f"hold the board into the {' and the '.join(missing)} of the picture")
    elif cells.mean() < 0.8:
        lines.append("move the board through the whole picture, to its edges")
    if np.sort(tilts)[-max(3, len(tilts) // 5)] < 25.0:
        lines.append("tilt the board, by 30 to 50 degrees, about both of its axes")
    if count < 15:
        lines.append("take more views: 20 to 40 that differ")
    return tuple(lines)


def _refuse_poor(result: Intrinsics) -> None:
    """Raise where the result can't be relied on."""
    model = result.model
    name = model.name or "the camera"
    limit = REPROJECTION_PX * max(1.0, max(model.size) / 1280)
    faults = []
    if model.reprojection_px > limit:
        faults.append(f"the reprojection error is {model.reprojection_px:.2f} px, more than {limit:.2g}")
    if result.coverage.mean() < LEAST_COVERAGE:
        faults.append(f"the board covered {result.coverage.mean():.0%} of the picture")
    if np.sort(result.tilts_deg)[-3] < LEAST_TILT_DEG:
        faults.append(f"the board was tilted by {result.tilts_deg.max():.0f} degrees at most")
    if result.focal_percent > FOCAL_PERCENT:
        faults.append(f"the focal length is uncertain by {result.focal_percent:.1f} %")
    if not (
        0.2 < model.matrix[0, 0] / max(model.size) < 20
        and 0.9 < model.matrix[0, 0] / model.matrix[1, 1] < 1.11
    ):
        faults.append(
            f"a focal length of {model.matrix[0, 0]:.0f} x {model.matrix[1, 1]:.0f} px is no camera's"
        )
    if faults:
        advice = list(result.advice)
        if model.reprojection_px > limit:
            advice.append("keep the board flat and still, in good light" + _other_lens(model.lens))
        raise CalibrationError(
            f"{name}: the calibration is too poor to be used: {'; '.join(faults)}",
            mend="; ".join(advice) or "Take more views, sharp and tilted",
        )


def _other_lens(lens: Lens) -> str:
    return "; for a wide lens try --lens=rational or --lens=fisheye" if lens == "brown" else ""
