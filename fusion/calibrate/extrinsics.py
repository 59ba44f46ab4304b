"""Where cameras stand, from the board seen by several of them at the same moments.

::

    moments ── each board's pose in each camera (PnP) ── pairs of cameras ── tree ── first guess
                                                                                        v
    cameras, moments in the world <── what doesn't fit goes <── bundle adjustment (all reprojections at once)

Bundle adjustment (Triggs and others, "Bundle Adjustment: A Modern Synthesis", 1999) moves all cameras and all
boards until what was seen is explained best, with Huber's loss. Scale comes from the board's squares.
Lenses give way as far as their own calibration leaves open: a thousandth of the focal length is 3 mm at 3 m.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drivers.camera.model import CameraModel, Pose
from drivers.errors import CalibrationError, ConfigError
from fusion.calibrate.board import Board, View
from fusion.geometry.bundle import Seen, adjust
from fusion.geometry.lens import normalised

FEWEST_SHARED = 3
"""Moments at which two cameras see the board together; fewer don't tie them."""
PNP_PX = 4.0
"""A board's pose that explains its corners worse is no pose."""
BAD_CORNER = 6.0
"""Corners that are so many standard errors off are thrown away."""
SIGMA_OF_MEDIAN = 0.849
"""Standard error each way over the median distance, of normal errors in the plane."""
LEAST_PX = 0.02
"""Nobody finds corners better than this."""
LIKE_OTHERS = 4.0
"""How sharp a picture is, is told by its corners and by so many like those of all pictures."""
ROUNDS = 3
REPROJECTION_PX = 1.0
"""Largest reprojection error that is accepted in pictures of 1280 px; in larger ones in proportion."""

Moment = Mapping[str, View]
"""The board in several cameras at one time, by camera."""


@dataclasses.dataclass(frozen=True)
class Extrinsics:
    """Cameras in one world.

    Attributes:
        cameras: by name, each with its pose, and its lens where that gave way.
        errors_px: root mean square reprojection error by camera.
        shared: how often each pair of cameras saw the board together.
        moments: numbers of those that were used; the first one gives the world its frame.
        boards: poses of the board, board to world, one a moment.
        world: what the world is, in words.
        focal_moved: by how many % the focal length of each camera whose lens gave way was changed.
    """

    cameras: dict[str, CameraModel]
    errors_px: dict[str, float]
    shared: dict[tuple[str, str], int]
    moments: tuple[int, ...]
    boards: list[Pose]
    world: str
    focal_moved: dict[str, float]


def calibrate_places(
    cameras: Mapping[str, CameraModel], moments: Sequence[Moment], board: Board, world: str = "board"
) -> Extrinsics:
    """Return where cameras stand.

    Args:
        cameras: their lenses, by name; one whose covariance is known gives way within it.
        moments: what they saw of the board, in the order of time.
        board: what was printed, as measured.
        world: ``board``: the board at the first moment that two cameras share, laid on the floor: x to its
            right, y up the page, z up; or the name of a camera: x to its right, y ahead, z up as it stands.

    Raises:
        ConfigError: the world is neither.
        CalibrationError: cameras that never see the board together with others, named; or a poor result.
    """
    if world != "board" and world not in cameras:
        raise ConfigError(
            f"there is no camera '{world}' to measure from", mend=f"Choose of: board, {', '.join(cameras)}"
        )
    names = list(cameras)
    if len(names) < 2:
        raise CalibrationError(
            "one camera alone stands nowhere: it takes two that see the board together",
            mend="Record all cameras in one session",
        )
    poses = [_poses(cameras, moment, board) for moment in moments]
    keep = [i for i, found in enumerate(poses) if len(found) >= 2]
    moments, poses = [moments[i] for i in keep], [poses[i] for i in keep]
    shared = {
        (a, b): sum(a in found and b in found for found in poses) for a, b in itertools.combinations(names, 2)
    }
    placed = _tree(names, poses, shared)
    boards = [_board(placed, found) for found in poses]
    seen = _seen(names, moments, board)
    turns, shifts, _ = _arrays([placed[name] for name in names])
    lenses = [dataclasses.replace(cameras[name], pose=None) for name in names]
    for number in range(ROUNDS):
        # First with lenses as given: it shows which corners are wrong, and how sharp the others are.
        result = adjust(seen, lenses, turns, shifts, *_arrays(boards)[:2], free=number > 0)
        turns, shifts = result.camera_turns, result.camera_shifts
        boards = [Pose(r, t) for r, t in zip(result.board_turns, result.board_shifts, strict=True)]
        usual, fits = _usual(result.off_px), np.ones(len(result.off_px), bool)
        if number == 0:
            fits = result.off_px <= BAD_CORNER * usual
        if number < ROUNDS - 1:
            seen = _weighed(seen.only(fits), result.off_px[fits], usual)
    errors = {
        name: float(np.sqrt((result.off_px[seen.camera == i] ** 2).mean()))
        if (seen.camera == i).any()
        else np.inf
        for i, name in enumerate(names)
    }
    _refuse_poor(cameras, errors)
    frame, words = _world(world, names, turns, shifts, boards)
    places = {
        name: Pose(turns[i] @ frame.rotation.T, shifts[i] - turns[i] @ frame.rotation.T @ frame.translation)
        for i, name in enumerate(names)
    }
    return Extrinsics(
        {
            name: dataclasses.replace(lens, pose=places[name])
            for name, lens in zip(names, result.lenses, strict=True)
        },
        errors,
        shared,
        tuple(keep),
        [
            Pose(frame.rotation @ one.rotation, frame.rotation @ one.translation + frame.translation)
            for one in boards
        ],
        words,
        {
            name: 100 * (lens.matrix[0, 0] / cameras[name].matrix[0, 0] - 1)
            for name, lens in zip(names, result.lenses, strict=True)
            if lens.covariance is not None
        },
    )


def _poses(cameras: Mapping[str, CameraModel], moment: Moment, board: Board) -> dict[str, Pose]:
    """Return the board's pose in each camera's frame, where it is sure."""
    found: dict[str, Pose] = {}
    for name, view in moment.items():
        places = board.corners[view.ids]
        rays = normalised(cameras[name], view.pixels)
        focal = float(cameras[name].matrix[0, 0])
        # A flat board has two poses that look nearly alike; both are tried, and the better one refined.
        count, turns, shifts, _ = cv2.solvePnPGeneric(places, rays, np.eye(3), None, flags=cv2.SOLVEPNP_IPPE)
        if not count:
            continue
        turn, shift = cv2.solvePnPRefineLM(places, rays, np.eye(3), None, turns[0], shifts[0])
        rotation, place = Rotation.from_rotvec(np.ravel(turn)).as_matrix(), np.ravel(shift).astype(float)
        at = places @ rotation.T + place
        off = np.linalg.norm(at[:, :2] / at[:, 2:] - rays, axis=1) * focal
        if (
            np.sqrt((off**2).mean()) <= PNP_PX * max(1.0, max(cameras[name].size) / 1280)
            and at[:, 2].min() > 0
        ):
            found[name] = Pose(rotation, place)
    return found


def _tree(
    names: Sequence[str], poses: Sequence[Mapping[str, Pose]], shared: Mapping[tuple[str, str], int]
) -> dict[str, Pose]:
    """Return a first guess of all cameras in the frame of the first: along pairs that share most moments.

    Raises:
        CalibrationError: cameras are not tied to the others.
    """
    placed = {names[0]: Pose(np.eye(3), np.zeros(3))}
    waiting: list[tuple[int, str, str]] = []

    def reach(name: str) -> None:
        for other in names:
            count = shared.get((name, other), shared.get((other, name), 0))
            if other not in placed and count >= FEWEST_SHARED:
                heapq.heappush(waiting, (-count, name, other))

    reach(names[0])
    while waiting:
        _, known, other = heapq.heappop(waiting)
        if other in placed:
            continue
        between = _between(known, other, poses)
        base = placed[known]
        placed[other] = Pose(
            between.rotation @ base.rotation, between.rotation @ base.translation + between.translation
        )
        reach(other)
    apart = [name for name in names if name not in placed]
    if apart:
        told = [
            f"{a} and {b} {shared.get((a, b), shared.get((b, a), 0))} times"
            for a in apart
            for b in names
            if b not in apart
        ]
        raise CalibrationError(
            f"{' and '.join(apart)} {'is' if len(apart) == 1 else 'are'} not tied to {' and '.join(placed)}: "
            f"they see the board together too seldom ({', '.join(told[:6])}, {FEWEST_SHARED} are needed)",
            mend=f"Hold the board where {apart[0]} and {next(iter(placed))}, or one between, see it at once",
        )
    return placed


def _between(a: str, b: str, poses: Sequence[Mapping[str, Pose]]) -> Pose:
    """Return the change of frame from camera a to b that most moments agree with."""
    turns, shifts = [], []
    for found in poses:
        if a in found and b in found:
            turn = found[b].rotation @ found[a].rotation.T
            turns.append(turn)
            shifts.append(found[b].translation - turn @ found[a].translation)
    rotations, places = Rotation.from_matrix(np.stack(turns)), np.stack(shifts)
    # The one that the others are nearest to: a flipped pose is far from all.
    angles = np.stack([(rotations * one.inv()).magnitude() for one in rotations])
    lengths = np.linalg.norm(places[:, None] - places[None], axis=2)
    best = int(np.argmin(np.median(angles, axis=1) + np.median(lengths, axis=1) / 3.0))
    near = (angles[best] < 0.1) & (lengths[best] < 0.2)
    return Pose(rotations[near].mean().as_matrix(), np.median(places[near], axis=0))


def _board(placed: Mapping[str, Pose], found: Mapping[str, Pose]) -> Pose:
    """Return the board in the world (board to world), by the camera that the others agree with most."""
    guesses = [
        Pose(
            placed[name].rotation.T @ pose.rotation,
            placed[name].rotation.T @ (pose.translation - placed[name].translation),
        )
        for name, pose in found.items()
    ]
    turns = Rotation.from_matrix(np.stack([guess.rotation for guess in guesses]))
    apart = np.stack([(turns * one.inv()).magnitude() for one in turns]).sum(1)
    if len(guesses) == 2:  # no majority: the nearer board is seen more sharply
        depth = [float(pose.translation[2]) for pose in found.values()]
        return guesses[int(np.argmin(depth))]
    return guesses[int(np.argmin(apart))]


def _arrays(poses: Sequence[Pose]) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    return np.stack([p.rotation for p in poses]), np.stack([p.translation for p in poses]), len(poses)


def _seen(names: Sequence[str], moments: Sequence[Moment], board: Board) -> Seen:
    """Return all corners in all cameras at all moments as one table."""
    camera, moment, places, pixels = [], [], [], []
    for number, views in enumerate(moments):
        for name, view in views.items():
            camera.append(np.full(len(view), names.index(name)))
            moment.append(np.full(len(view), number))
            places.append(board.corners[view.ids])
            pixels.append(view.pixels)
    at = np.concatenate(camera)
    rest = (np.concatenate(column) for column in (moment, places, pixels))
    return Seen(at, *rest, sigma=np.ones(len(at)))


def _usual(off: NDArray[np.float64]) -> float:
    """Return the standard error each way, px, of most corners that are ``off`` (N,) px."""
    return max(float(np.median(off)) * SIGMA_OF_MEDIAN, LEAST_PX)


def _weighed(seen: Seen, off: NDArray[np.float64], usual: float) -> Seen:
    """Return corners with how sharp they are: pictures differ in light and blur.

    Args:
        seen: corners.
        off: (N,) px, how far off each is.
        usual: px, standard error each way of most of them.
    """
    _, picture = np.unique(np.stack([seen.camera, seen.board]), axis=1, return_inverse=True)
    count, squares = np.bincount(picture), np.bincount(picture, off**2 / 2)
    variance = (squares + LIKE_OTHERS * usual**2) / (count + LIKE_OTHERS)
    return dataclasses.replace(seen, sigma=np.sqrt(variance)[picture])


def _world(
    world: str,
    names: Sequence[str],
    turns: NDArray[np.float64],
    shifts: NDArray[np.float64],
    boards: Sequence[Pose],
) -> tuple[Pose, str]:
    """Return the change of frame from that of the adjustment to the world, and the world in words."""
    if world == "board":
        first = boards[0]  # board to the frame of the adjustment
        return (
            Pose(first.rotation.T, -first.rotation.T @ first.translation),
            "the board at the first moment two cameras share: its lower left corner, z out of the paper",
        )
    number = list(names).index(world)
    ahead = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # x right, y ahead, z up
    return Pose(
        ahead @ turns[number], ahead @ shifts[number]
    ), f"camera {world}: x to its right, y ahead, z up"


def _refuse_poor(cameras: Mapping[str, CameraModel], errors: Mapping[str, float]) -> None:
    for name, error in errors.items():
        limit = REPROJECTION_PX * max(1.0, max(cameras[name].size) / 1280)
        if error > limit:
            raise CalibrationError(
                f"{name}: the cameras do not agree where the board is: {error:.2f} px, more than {limit:.2g}",
                mend="Move the board slowly or hold it still for a moment here and there; check the cameras' "
                "intrinsics, and that no camera was moved meanwhile",
            )
