"""Cameras that were nudged since they were calibrated, set right by the person they see.

A camera that was touched, or a calibration that is a little off, shows in all joints at once: what the camera
sees lies to one side of where the others say it is. Each camera is turned about its own place until the
joints of all moments agree best; places stay, and hold the world's scale and axes. Large turns are held back,
as calibrations are right to begin with (a prior of half a degree).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drivers.camera.model import CameraModel, Pose
from fusion.geometry.bundle import cross, left_jacobian
from fusion.geometry.lens import normalised
from fusion.geometry.triangulate import Points

PRIOR_DEG = 0.5
MOST_POINTS = 1500
"""Points that are used, evenly over time."""
KEYPOINT_ERROR = 0.004
"""Usual error of a key point, of the longer side of the picture; beyond it counts linearly."""
INDEPENDENT = 100
ROUNDS = 40
TELLING = 0.003
"""A camera that sees all joints aside by more than this, of the longer side of its picture, is turned."""


def offsets(
    cameras: Sequence[CameraModel], pixels: NDArray[np.floating], points: Points
) -> NDArray[np.float64]:
    """Return by how much (C, 2) px each camera sees all joints beside the place that the others say."""
    from fusion.geometry.lens import project

    out = np.zeros((len(cameras), 2))
    for number, camera in enumerate(cameras):
        off = pixels[number] - project(camera, points.places)
        off = off[np.isfinite(off).all(1)]
        if len(off):
            out[number] = np.median(off, axis=0)
    return out


def telling(cameras: Sequence[CameraModel], off: NDArray[np.float64]) -> bool:
    """Whether offsets (C, 2) are more than key points err by."""
    return any(
        np.linalg.norm(one) > TELLING * max(camera.size) for camera, one in zip(cameras, off, strict=True)
    )


def turned(
    cameras: Sequence[CameraModel],
    pixels: NDArray[np.floating],
    score: NDArray[np.floating],
    points: Points,
    least_score: float = 0.5,
) -> tuple[list[CameraModel], NDArray[np.float64]]:
    """Return the cameras, turned, and by how many degrees (C,).

    Args:
        cameras: C of them, with poses.
        pixels: (C, N, 2) px.
        score: (C, N).
        points: (N,) as triangulated with the cameras as they are.
        least_score: of key points that are used.
    """
    usable = np.isfinite(pixels).all(-1) & (score >= least_score) & np.isfinite(points.places).all(-1)
    chosen = np.flatnonzero(usable.sum(0) >= 2)
    chosen = (
        chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), MOST_POINTS)).astype(int)]
        if len(chosen)
        else chosen
    )
    camera, point = np.nonzero(usable[:, chosen])
    if not len(camera):
        return list(cameras), np.zeros(len(cameras))
    rays = np.concatenate(
        [normalised(one, pixels[i, chosen[point[camera == i]]]) for i, one in enumerate(cameras)]
    )
    poses = [one.pose for one in cameras if one.pose is not None]
    rotations, shifts = np.stack([p.rotation for p in poses]), np.stack([p.translation for p in poses])
    scale = np.array([one.matrix[0, 0] / (KEYPOINT_ERROR * max(one.size)) for one in cameras])[camera]
    # Neighbours in time and body err alike: all that a camera sees counts as few independent points.
    prior = len(camera) / (len(cameras) * INDEPENDENT) / np.radians(PRIOR_DEG) ** 2
    places = points.places[chosen]
    steps = np.zeros((len(cameras), 3))
    for _ in range(ROUNDS):
        turns = Rotation.from_rotvec(steps).as_matrix()
        before = np.einsum("nij,nj->ni", rotations[camera], places[point]) + shifts[camera]
        at = np.einsum("nij,nj->ni", turns[camera], before)
        off = (at[:, :2] / at[:, 2:] - rays) * scale[:, None]
        size = np.linalg.norm(off, axis=1)
        weight = np.where(size > 1, 1 / np.maximum(size, 1e-12), 1.0)  # Huber
        slope = np.zeros((len(at), 2, 3))
        slope[:, 0, 0] = slope[:, 1, 1] = 1 / at[:, 2]
        slope[:, :, 2] = -at[:, :2] / at[:, 2:] ** 2
        slope *= scale[:, None, None]
        change = _solved(
            -slope @ cross(at) @ left_jacobian(steps)[camera],
            slope @ turns[camera] @ rotations[camera],
            off,
            weight,
            camera,
            point,
            prior,
            steps,
        )
        steps, places = steps + change[0], places + change[1]
        if np.abs(change[0]).max() < 1e-7:
            break
    turns = Rotation.from_rotvec(steps).as_matrix()
    new = [
        dataclasses.replace(one, pose=Pose(turn @ rotation, turn @ shift))
        for one, turn, rotation, shift in zip(cameras, turns, rotations, shifts, strict=True)
    ]
    return new, np.degrees(np.linalg.norm(steps, axis=1))


def _solved(
    by_turn: NDArray[np.float64],
    by_place: NDArray[np.float64],
    off: NDArray[np.float64],
    weight: NDArray[np.float64],
    camera: NDArray[np.intp],
    point: NDArray[np.intp],
    prior: float,
    steps: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a step of Gauss and Newton for turns (C, 3) and places (P, 3).

    Places are eliminated first (Schur's complement), as each depends on few turns and on no other place.
    """
    count, places = len(steps), int(point.max()) + 1
    own = np.zeros((count, 3, 3))
    np.add.at(own, camera, np.einsum("nki,nkj,n->nij", by_turn, by_turn, weight))
    mixed = np.zeros((places, count, 3, 3))
    np.add.at(mixed, (point, camera), np.einsum("nki,nkj,n->nij", by_turn, by_place, weight))
    inner = np.zeros((places, 3, 3))
    np.add.at(inner, point, np.einsum("nki,nkj,n->nij", by_place, by_place, weight))
    right = np.zeros((count, 3))
    np.add.at(right, camera, -np.einsum("nki,nk,n->ni", by_turn, off, weight))
    right_in = np.zeros((places, 3))
    np.add.at(right_in, point, -np.einsum("nki,nk,n->ni", by_place, off, weight))
    inverse = np.linalg.inv(inner + 1e-9 * np.trace(inner, axis1=1, axis2=2)[:, None, None] * np.eye(3))
    left = -np.einsum("pcij,pjk,pdlk->cidl", mixed, inverse, mixed)
    for number in range(count):
        left[number, :, number] += own[number] + prior * np.eye(3)
    right = right - prior * steps - np.einsum("pcij,pjk,pk->ci", mixed, inverse, right_in)
    turn = np.linalg.solve(left.reshape(3 * count, 3 * count), right.ravel()).reshape(count, 3)
    moved = np.einsum("pij,pj->pi", inverse, right_in - np.einsum("pcij,ci->pj", mixed, turn))
    return turn, moved
