"""The board as a camera would see it: corners by projection, without pictures."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.devices.board_scene import held
from drivers.camera.model import CameraModel, Pose
from fusion.calibrate.board import Board, View
from fusion.geometry.lens import project


def view(
    camera: CameraModel,
    board: Board,
    pose: Pose,
    rng: np.random.Generator,
    noise: float = 0.1,
    name: str = "",
    time: int = 0,
) -> View | None:
    """The board at ``pose`` (board to camera), as far as it is in the picture and faces the camera."""
    if pose.rotation[:, 2] @ pose.translation > 0:
        return None
    lens = dataclasses.replace(camera, pose=None)
    pixels = project(lens, board.corners @ pose.rotation.T + pose.translation)
    pixels = pixels + rng.normal(0, noise, pixels.shape)
    inside = np.isfinite(pixels).all(1) & (pixels > 5).all(1) & (pixels < np.array(camera.size) - 6).all(1)
    if inside.sum() < 8:
        return None
    return View(np.flatnonzero(inside), pixels[inside], name, time)


def hand_held(camera: CameraModel, board: Board, count: int, seed: int = 0, noise: float = 0.1) -> list[View]:
    """Views of a board that is moved before one camera."""
    rng = np.random.default_rng(seed)
    found: list[View] = []
    while len(found) < count:
        one = view(camera, board, held(rng, camera, board), rng, noise, f"{len(found)}")
        if one is not None:
            found.append(one)
    return found


def in_room(rng: np.random.Generator, board: Board, towards_deg: float) -> Pose:
    """The board in the room, board to world, turned to a side of it."""
    middle = np.array([*board.size_mm, 0]) / 2000
    turn = Rotation.from_euler("ZX", [towards_deg + 90, rng.uniform(55, 85)], degrees=True).as_matrix()
    return Pose(turn, np.array([*rng.uniform(-0.5, 0.5, 2), rng.uniform(0.7, 1.4)]) - turn @ middle)


def seen_from(camera: CameraModel, pose: Pose) -> Pose:
    """A pose in the world as the camera has it."""
    assert camera.pose is not None
    return Pose(
        camera.pose.rotation @ pose.rotation,
        camera.pose.rotation @ pose.translation + camera.pose.translation,
    )
