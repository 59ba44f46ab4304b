"""Bundle adjustment of cameras that stand and boards that move.

Residuals are differences in the picture, px. Each depends on one camera and one board, which the solver
is told (sparsity); derivatives are written down, not found by trying. The first camera is held, as only
how one stands to another can be seen. Rotations are stepped by small vectors on the left, ``exp(w) R``.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.sparse import csr_matrix
from scipy.spatial.transform import Rotation

Floats = NDArray[np.float64]

LOSS_PX = 1.0
"""Errors beyond this count linearly, not squared (Huber)."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """N points of boards in pictures.

    Attributes:
        camera: (N,) which camera.
        board: (N,) which board, that is at which moment.
        places: (N, 3) m, in the board's frame.
        rays: (N, 2) where they are seen, on the plane at depth 1.
        metric: (N, 2, 2) from differences of rays to px.
    """

    camera: NDArray[np.int64]
    board: NDArray[np.int64]
    places: Floats
    rays: Floats
    metric: Floats

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
    """

    camera_turns: Floats
    camera_shifts: Floats
    board_turns: Floats
    board_shifts: Floats
    off_px: Floats


def adjust(
    seen: Seen, camera_turns: Floats, camera_shifts: Floats, board_turns: Floats, board_shifts: Floats
) -> Adjusted:
    """Return cameras and boards that explain best what is seen, from a first guess.

    Args:
        seen: what is seen.
        camera_turns, camera_shifts: (C, 3, 3), (C, 3), world to camera.
        board_turns, board_shifts: (B, 3, 3), (B, 3), board to world.
    """
    cameras, boards = len(camera_turns), len(board_turns)

    def placed(x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        steps = x.reshape(-1, 6)
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
        at = _at(seen, *placed(x))[0]
        return np.einsum("nij,nj->ni", seen.metric, at[:, :2] / at[:, 2:] - seen.rays).ravel()

    def jacobian(x: Floats) -> csr_matrix:
        turns, shifts, board_turn, board_shift = placed(x)
        at, lever, board_lever = _at(seen, turns, shifts, board_turn, board_shift)
        depth = at[:, 2]
        slope = np.zeros((len(at), 2, 3))
        slope[:, 0, 0] = slope[:, 1, 1] = 1 / depth
        slope[:, :, 2] = -at[:, :2] / depth[:, None] ** 2
        slope = seen.metric @ slope  # px per m in the camera's frame
        # Of exp(w) R: the derivative at w of turning the point that R has turned, by the left Jacobian of w.
        steps = x.reshape(-1, 6)
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
        return csr_matrix(
            (blocks[held], (rows[held], columns[held])), shape=(2 * len(at), 6 * (cameras - 1 + boards))
        )

    start = np.zeros(6 * (cameras - 1 + boards))
    found = least_squares(
        residuals,
        start,
        jacobian,  # pyright: ignore[reportArgumentType]  # its stub knows names of methods only
        method="trf",
        loss="huber",
        f_scale=LOSS_PX,
        x_scale="jac",
        max_nfev=200,
    )
    off = np.linalg.norm(residuals(found.x).reshape(-1, 2), axis=1)
    return Adjusted(*placed(found.x), off)


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
