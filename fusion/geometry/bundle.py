"""Bundle adjustment of cameras that stand and boards that move.

Residuals are differences in the picture, in units of what each corner is off by. Each depends on one camera
and one board, which the solver is told (sparsity); derivatives are written down, not found by trying. The
first camera is held, as only how one stands to another can be seen. Rotations are stepped by small vectors on
the left, ``exp(w) R``.

A lens may give way too, as far as its covariance lets it: ``lens + F z`` with ``F F^T`` that covariance, and
``z`` among the residuals. A lens without one is held.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial.transform import Rotation

from drivers.camera.model import CameraModel
from fusion.geometry.lens import slopes
from fusion.geometry.robust import least_squares

Floats = NDArray[np.float64]

LOSS = 1.345
"""Errors of more standard errors count linearly, not squared (Huber): 95 % as sharp where all are normal."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """N points of boards in pictures.

    Attributes:
        camera: (N,) which camera.
        board: (N,) which board, that is at which moment.
        places: (N, 3) m, in the board's frame.
        pixels: (N, 2) px, where they are seen.
        sigma: (N,) px, standard error of each, each way.
    """

    camera: NDArray[np.int64]
    board: NDArray[np.int64]
    places: Floats
    pixels: Floats
    sigma: Floats

    def only(self, keep: NDArray[np.bool_]) -> Seen:
        """Return some of them."""
        return Seen(*(getattr(self, field.name)[keep] for field in dataclasses.fields(self)))


@dataclasses.dataclass(frozen=True)
class Adjusted:
    """The result.

    Attributes:
        camera_turns, camera_shifts: (C, 3, 3), (C, 3) m, world to camera; the first as it was.
        board_turns, board_shifts: (B, 3, 3), (B, 3) m, board to world.
        off_px: (N,) distance of each point from where it was seen, px.
        lenses: of the cameras, without places.
    """

    camera_turns: Floats
    camera_shifts: Floats
    board_turns: Floats
    board_shifts: Floats
    off_px: Floats
    lenses: tuple[CameraModel, ...]


def adjust(
    seen: Seen,
    lenses: Sequence[CameraModel],
    camera_turns: Floats,
    camera_shifts: Floats,
    board_turns: Floats,
    board_shifts: Floats,
    free: bool = False,
) -> Adjusted:
    """Return cameras and boards that explain best what is seen, from a first guess.

    Args:
        seen: what is seen.
        lenses: of the C cameras.
        camera_turns, camera_shifts: (C, 3, 3), (C, 3), world to camera.
        board_turns, board_shifts: (B, 3, 3), (B, 3), board to world.
        free: lenses give way within their covariance; else all are held.
    """
    cameras, boards = len(camera_turns), len(board_turns)
    rigid = 6 * (cameras - 1 + boards)
    factors = [_factor(lens) if free else np.empty((4 + len(lens.distortion), 0)) for lens in lenses]
    ends = rigid + np.cumsum([0, *(factor.shape[1] for factor in factors)])
    bare = [dataclasses.replace(lens, pose=None, covariance=None) for lens in lenses]
    weight = np.repeat(1 / seen.sigma, 2)
    mine = [np.flatnonzero(seen.camera == number) for number in range(cameras)]

    def bent(x: Floats) -> list[CameraModel]:
        return [
            _stepped(lens, factor @ x[ends[k] : ends[k + 1]])
            for k, (lens, factor) in enumerate(zip(bare, factors, strict=True))
        ]

    def placed(x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        steps = x[:rigid].reshape(-1, 6)
        turn = Rotation.from_rotvec(steps[:, :3]).as_matrix()
        first = np.eye(3)[None]
        camera_step = np.concatenate([first, turn[: cameras - 1]])
        camera_move = np.concatenate([np.zeros((1, 3)), steps[: cameras - 1, 3:]])
        return (
            camera_step @ camera_turns,
            camera_shifts + camera_move,
            turn[cameras - 1 :] @ board_turns,
            board_shifts + steps[cameras - 1 :, 3:],
        )

    def residuals(x: Floats) -> Floats:
        at, off = _at(seen, *placed(x))[0], -seen.pixels
        for rows, lens in zip(mine, bent(x), strict=True):
            off[rows] += slopes(lens, at[rows])[0]
        return np.concatenate([weight * off.ravel(), x[rigid:]])

    def jacobian(x: Floats) -> csr_matrix:
        turns, shifts, board_turn, board_shift = placed(x)
        at, lever, board_lever = _at(seen, turns, shifts, board_turn, board_shift)
        slope = np.zeros((len(at), 2, 3))  # px per m in the camera's frame
        lens_rows, lens_columns, lens_values = [], [], []
        for k, (rows, lens) in enumerate(zip(mine, bent(x), strict=True)):
            _, slope[rows], by_lens = slopes(lens, at[rows])
            values = by_lens @ factors[k]  # (n, 2, columns of the factor)
            both = np.stack([2 * rows, 2 * rows + 1], 1)[:, :, None]
            lens_rows.append(np.broadcast_to(both, values.shape).ravel())
            lens_columns.append(np.broadcast_to(np.arange(ends[k], ends[k + 1]), values.shape).ravel())
            lens_values.append(values.ravel())
        # Of exp(w) R: the derivative at w of turning the point that R has turned, by the left Jacobian of w.
        steps = x[:rigid].reshape(-1, 6)
        left = left_jacobian(steps[:, :3])
        camera_left = np.concatenate([np.zeros((1, 3, 3)), left[: cameras - 1]])
        into = turns[seen.camera]
        blocks = np.concatenate(
            [
                -slope @ cross(lever) @ camera_left[seen.camera],
                slope,
                -slope @ into @ cross(board_lever) @ left[cameras - 1 :][seen.board],
                slope @ into,
            ],
            axis=2,
        )  # (N, 2, 12)
        columns = np.concatenate(
            [
                (seen.camera[:, None] - 1) * 6 + np.arange(6),
                (seen.board[:, None] + cameras - 1) * 6 + np.arange(6),
            ],
            axis=1,
        )
        columns = np.repeat(columns[:, None], 2, axis=1)
        rows = np.broadcast_to(np.arange(2 * len(at)).reshape(-1, 2, 1), columns.shape)
        held = columns >= 0  # the first camera has no columns
        z = np.arange(len(x) - rigid)
        row = np.concatenate([rows[held], *lens_rows])
        value = np.concatenate([blocks[held], *lens_values]) * weight[row]
        return csr_matrix(
            (
                np.concatenate([value, np.ones(len(z))]),
                (
                    np.concatenate([row, 2 * len(at) + z]),
                    np.concatenate([columns[held], *lens_columns, rigid + z]),
                ),
            ),
            shape=(2 * len(at) + len(z), len(x)),
        )

    found = least_squares(residuals, np.zeros(ends[-1]), jacobian, LOSS)
    off = np.linalg.norm(residuals(found)[: len(weight)].reshape(-1, 2), axis=1) * seen.sigma
    doubts = [lens.covariance for lens in lenses]
    final = zip(bent(found), doubts, strict=True)
    return Adjusted(
        *placed(found), off, tuple(dataclasses.replace(lens, covariance=one) for lens, one in final)
    )


def _factor(lens: CameraModel) -> Floats:
    """Return F (4 + D, r) with ``F F^T`` the covariance of a lens, of as many columns as it has freedoms."""
    count = 4 + len(lens.distortion)
    if lens.covariance is None:
        return np.empty((count, 0))
    spread = np.sqrt(np.maximum(np.diag(lens.covariance), 0.0))
    safe = np.where(spread > 0, spread, 1.0)
    values, ways = np.linalg.eigh(lens.covariance / np.outer(safe, safe))
    some = values > 1e-9  # what else there is, is rounding
    return spread[:, None] * ways[:, some] * np.sqrt(values[some])


def _stepped(lens: CameraModel, step: Floats) -> CameraModel:
    """Return a lens whose [fx, fy, cx, cy, *distortion] are other by ``step``."""
    matrix = lens.matrix + np.array([[step[0], 0, step[2]], [0, step[1], step[3]], [0, 0, 0]])
    for axis in (0, 1):  # a trial of the solver may be wild, a lens turned inside out is none
        matrix[axis, axis] = max(matrix[axis, axis], 0.1 * lens.matrix[axis, axis])
    return dataclasses.replace(lens, matrix=matrix, distortion=lens.distortion + step[4:])


def _at(
    seen: Seen, turns: Floats, shifts: Floats, board_turn: Floats, board_shift: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return points (N, 3) in their cameras, and their levers about camera and board."""
    board_lever = np.einsum("nij,nj->ni", board_turn[seen.board], seen.places)
    world = board_lever + board_shift[seen.board]
    lever = np.einsum("nij,nj->ni", turns[seen.camera], world)
    at = lever + shifts[seen.camera]
    return np.column_stack([at[:, :2], np.maximum(at[:, 2], 1e-3)]), lever, board_lever


def cross(vectors: Floats) -> Floats:
    """Return (..., 3, 3) with ``cross(v) @ w = v x w``."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vectors.shape[:-1], 3, 3)


def left_jacobian(vectors: Floats) -> Floats:
    """Return (..., 3, 3): ``exp(w + d) = exp(J d) exp(w)`` (Sola and others, 2018, eq. 145)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    small = angle < 1e-5
    safe = np.where(small, 1.0, angle)
    once = np.where(small, 0.5, (1 - np.cos(safe)) / safe**2)
    twice = np.where(small, 1 / 6, (safe - np.sin(safe)) / safe**3)
    skew = cross(vectors)
    return np.eye(3) + once * skew + twice * skew @ skew
