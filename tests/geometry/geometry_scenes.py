"""Cameras around a room, with everything known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drivers.camera.model import CameraModel, Lens, Pose

LENSES: dict[Lens, list[float]] = {
    "brown": [-0.21, 0.08, 0.0008, -0.0006, -0.01],
    "rational": [0.35, 0.12, 0.0004, -0.0003, 0.004, 0.72, 0.2, 0.02],
    "fisheye": [0.03, -0.01, 0.004, -0.001],
}


def looking(place: tuple[float, float, float], target: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> Pose:
    """A camera at ``place`` that looks at ``target``, upright; z of the world is up."""
    forward = np.subtract(target, place) / np.linalg.norm(np.subtract(target, place))
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    return Pose(rotation, -rotation @ np.asarray(place, float))


def cloud(number: int, seed: int = 0, half: float = 0.8) -> NDArray[np.float64]:
    """Points about a metre above the floor."""
    return np.random.default_rng(seed).uniform(-half, half, (number, 3)) + np.array([0.0, 0.0, 1.0])


def camera(
    lens: Lens = "brown", pose: Pose | None = None, size: tuple[int, int] = (1280, 720)
) -> CameraModel:
    focal = 0.8 * size[0]
    matrix = np.array([[focal, 0, size[0] / 2 + 7.3], [0, focal * 1.002, size[1] / 2 - 4.1], [0, 0, 1]])
    return CameraModel(matrix, np.array(LENSES[lens]), size, lens, pose, name="cam")


def ring(count: int, lens: Lens = "brown", radius: float = 4.0) -> list[CameraModel]:
    """Cameras around the origin, at heights of their own."""
    places = [
        (radius * np.cos(a), radius * np.sin(a), 1.6 + 0.3 * (i % 2))
        for i, a in enumerate(np.linspace(0, 2 * np.pi, count, endpoint=False))
    ]
    return [camera(lens, looking(place)) for place in places]


def turned(pose: Pose, degrees: float, axis: NDArray[np.floating] | list[float]) -> Pose:
    """The same place, looking elsewhere."""
    turn = Rotation.from_rotvec(np.radians(degrees) * np.asarray(axis) / np.linalg.norm(axis)).as_matrix()
    return Pose(turn @ pose.rotation, turn @ pose.translation)
