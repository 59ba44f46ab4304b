"""What several calibrated views agree on, as a reference for what one of them found.

There is no ground truth in the films. But a joint that four synchronised cameras see lies where their rays
meet,
and the place where that point appears in a fifth picture does not depend on what was found in it: the view
under test is left out of its own reference.
"""

from __future__ import annotations

import dataclasses
import itertools
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion.skeletons import BODY20, other_side

Array = NDArray[np.float64]

TRUSTED_PX = 12.0
"""Residual at which a measurement has half its weight (Cauchy), px."""
_ROUNDS = 20
MIRROR = other_side(BODY20)
"""(20,) number of the joint on the other side."""


@dataclasses.dataclass(frozen=True)
class Camera:
    """A calibrated camera.

    Attributes:
        name: of the file.
        rotation: (3, 3) world to camera (x right, y down, z forward); the world's z is up.
        position: (3,) m.
        matrix: (3, 3) px.
        distortion: (4,) OpenCV's k1, k2, p1, p2.
    """

    name: str
    rotation: Array
    position: Array
    matrix: Array
    distortion: Array

    @property
    def projection(self) -> Array:
        """(3, 4) world to normalised picture coordinates."""
        return np.c_[self.rotation, -self.rotation @ self.position]

    @property
    def focal(self) -> float:
        """Focal length, px."""
        return float(self.matrix[0, 0])

    def straight(self, px: Array) -> Array:
        """Return px (..., 2) as undistorted normalised coordinates."""
        flat = cv2.undistortPoints(px.reshape(-1, 1, 2), self.matrix, self.distortion)
        return np.asarray(flat, np.float64).reshape(px.shape)


def read_qca(path: Path) -> list[Camera]:
    """Return the cameras of a Qualisys calibration file: 1/64 px, mm, camera axes x right, y up, z back."""
    cameras = []
    for node in ElementTree.parse(path).getroot().iter("camera"):
        pose, lens = node.find("transform"), node.find("intrinsic")
        assert pose is not None
        assert lens is not None
        turn = np.array([[float(pose.attrib[f"r{i}{k}"]) for k in (1, 2, 3)] for i in (1, 2, 3)])
        value = {name: float(text) for name, text in lens.attrib.items()}
        matrix = np.array(
            [
                [value["focalLengthU"], 0.0, value["centerPointU"]],
                [0.0, value["focalLengthV"], value["centerPointV"]],
                [0.0, 0.0, 64.0],
            ]
        )
        bend = ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2")
        cameras.append(
            Camera(
                node.attrib["serial"],
                np.diag([1.0, -1.0, -1.0]) @ turn,
                np.array([float(pose.attrib[axis]) for axis in "xyz"]) / 1000.0,
                matrix / 64.0,
                np.array([value[name] for name in bend]),
            )
        )
    return sorted(cameras, key=lambda camera: camera.name)


def triangulate(uv: Array, weight: Array, projections: Array) -> Array:
    """Return points (M, 3) from normalised coordinates (V, M, 2) and weights (V, M) by least squares."""
    rows = np.concatenate(
        [
            uv[..., :1] * projections[:, None, 2] - projections[:, None, 0],
            uv[..., 1:] * projections[:, None, 2] - projections[:, None, 1],
        ]
    )
    rows = (rows * np.concatenate([weight, weight])[..., None]).transpose(1, 0, 2)
    a, b = rows[..., :3], -rows[..., 3]
    normal = np.einsum("mij,mik->mjk", a, a) + 1e-12 * np.eye(3)
    return np.linalg.solve(normal, np.einsum("mij,mi->mj", a, b)[..., None])[..., 0]


def project(points: Array, projections: Array) -> tuple[Array, Array]:
    """Return normalised coordinates (V, M, 2) and depths (V, M) of points (M, 3)."""
    seen = np.einsum("vij,mj->vmi", projections, np.c_[points, np.ones(len(points))])
    return seen[..., :2] / seen[..., 2:], seen[..., 2]


@dataclasses.dataclass
class Reference:
    """Where the other views say that each joint is in each view.

    Attributes:
        points: (T, 20, 3) m, from all views, robustly.
        error: (V, T, 20, 2) px, found minus reference of the other views, sides put right, and without the
            constant offset that all joints of a view share: that is its calibration's.
        inflation: (V, T, 20) by how much the reference's own noise makes the error larger than the view's.
        swapped: (V, T) whether a view took left for right, the whole body.
        offset: (V, 2) px, the shared offset that was taken off.
    """

    points: Array
    error: Array
    inflation: Array
    swapped: NDArray[np.bool_]
    offset: Array


def refer(cameras: list[Camera], keypoints: Array) -> Reference:
    """Return the reference of what V cameras found of one person.

    Args:
        cameras: V.
        keypoints: (V, T, 20, 2) px, NaN where a view did not find the person.
    """
    views, ticks, joints = keypoints.shape[:3]
    projections = np.stack([camera.projection for camera in cameras])
    focal = np.array([camera.focal for camera in cameras])[:, None]
    found = np.isfinite(keypoints).all(axis=(2, 3))
    uv = np.stack([c.straight(np.nan_to_num(k)) for c, k in zip(cameras, keypoints, strict=True)])
    swapped = np.zeros((views, ticks), bool)
    offset = np.zeros((views, 1, 2))
    known = np.repeat(found[..., None], joints, axis=-1).reshape(views, -1).astype(float)
    weight, points = known.copy(), np.zeros((ticks * joints, 3))
    for number in range(_ROUNDS):
        sided = np.where(swapped[..., None, None], uv[:, :, MIRROR], uv).reshape(views, -1, 2) - offset
        points = triangulate(sided, weight, projections)
        flat, depth = project(points, projections)
        residual = np.linalg.norm(sided - flat, axis=-1) * focal
        weight = known / (1.0 + (residual / TRUSTED_PX) ** 2) / np.maximum(depth, 0.5)
        if number >= _ROUNDS // 3:
            for view in range(views):
                good = known[view] > 0
                offset[view, 0] += np.median((sided - flat)[view][good], axis=0)
        here = flat.reshape(views, ticks, joints, 2) + offset[:, None]
        straight = np.linalg.norm(uv - here, axis=-1).mean(axis=-1)
        crossed = np.linalg.norm(uv[:, :, MIRROR] - here, axis=-1).mean(axis=-1)
        swapped = crossed < straight
    sided = np.where(swapped[..., None, None], uv[:, :, MIRROR], uv).reshape(views, -1, 2) - offset
    error = np.full((views, ticks * joints, 2), np.nan)
    inflation = np.full((views, ticks * joints), np.nan)
    for view in range(views):
        others = [number for number in range(views) if number != view]
        apart = triangulate(sided[others], weight[others], projections[others])
        flat, _ = project(apart, projections[[view]])
        error[view] = (sided[view] - flat[0]) * focal[view]
        inflation[view] = _inflation(apart, weight[others] > 0, projections[others], projections[view])
        error[view][known[view] == 0] = np.nan
        error[view][(known[others] > 0).sum(axis=0) < 2] = np.nan
    shape = (views, ticks, joints)
    return Reference(
        points.reshape(ticks, joints, 3),
        error.reshape(*shape, 2),
        inflation.reshape(shape),
        swapped & found,
        (offset[:, 0] * focal),
    )


def _inflation(points: Array, used: NDArray[np.bool_], others: Array, view: Array) -> Array:
    """Return sqrt(1 + h) (M,): h is the variance that equal noise in the others has when seen in the view."""

    def jacobian(projection: Array) -> Array:
        seen = points @ projection[:, :3].T + projection[:, 3]
        z = seen[:, 2:]
        return np.stack(
            [
                projection[0, :3] / z - seen[:, :1] / z**2 * projection[2, :3],
                projection[1, :3] / z - seen[:, 1:2] / z**2 * projection[2, :3],
            ],
            axis=1,
        )  # (M, 2, 3)

    information = np.zeros((len(points), 3, 3)) + 1e-9 * np.eye(3)
    for projection, mask in zip(others, used, strict=True):
        j = jacobian(projection)
        information += mask[:, None, None] * np.einsum("mai,maj->mij", j, j)
    j = jacobian(view)
    spread = np.einsum("mai,mij,maj->m", j, np.linalg.inv(information), j) / 2
    return np.sqrt(1.0 + np.clip(spread, 0.0, 100.0))


def same_person(cameras: list[Camera], people: list[list[Array]]) -> list[list[int | None]]:
    """Return for each person that the first view sees which detection each other view has of it.

    Args:
        cameras: V.
        people: for each view, (20, 2) px of each detection of one moment.
    """
    projections = np.stack([camera.projection for camera in cameras])
    straight = [[c.straight(k) for k in found] for c, found in zip(cameras, people, strict=True)]
    out: list[list[int | None]] = []
    for first in range(len(people[0])):
        best: tuple[float, list[int | None]] = (np.inf, [])
        for rest in itertools.product(*[[*range(len(found)), None] for found in people[1:]]):
            choice: list[int | None] = [first, *rest]
            used = [view for view, number in enumerate(choice) if number is not None]
            if len(used) < 3:
                continue
            uv = np.stack([straight[view][choice[view]] for view in used])  # type: ignore[index]
            points = triangulate(uv, np.ones(uv.shape[:2]), projections[used])
            flat, _ = project(points, projections[used])
            cost = float(np.median(np.linalg.norm(flat - uv, axis=-1))) - 0.004 * len(used)
            if cost < best[0]:
                best = (cost, choice)
        if best[1] and best[0] < 0.03:
            out.append(best[1])
    return out
