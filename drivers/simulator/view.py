"""What a camera sees of the virtual body: projection, the marker palette, and the picture.

Picture coordinates are OpenCV's, px, (0, 0) at the centre of the first pixel. Camera axes are x
right, y down, z forward.
"""

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.simulator.anatomy import JOINT, JOINTS

Array = NDArray[np.float64]
Picture = NDArray[np.uint8]

PALETTE: NDArray[np.uint8] = np.array(
    [
        (0, 192, 255),
        (255, 0, 0),
        (255, 192, 0),
        (128, 0, 255),
        (0, 255, 0),
        (64, 128, 0),
        (255, 128, 192),
        (0, 0, 255),
        (255, 0, 255),
        (0, 64, 128),
        (0, 192, 128),
        (255, 255, 0),
        (128, 128, 255),
        (128, 255, 64),
        (0, 128, 128),
        (0, 128, 255),
        (0, 255, 255),
        (255, 128, 0),
        (192, 128, 255),
        (128, 0, 0),
    ],
    np.uint8,
)
"""(20, 3) BGR, the marker of each joint in the order of JOINTS. Chosen by farthest-point sampling in
CIELAB (lightness weighted 0.6) among saturated colours: no two are nearer than 32."""

MARKER_RADIUS_M = 0.038
"""Radius of a marker, m: 5 px at 4 m in the default picture."""

_SHIFT = 4  # OpenCV draws at 1/16 px


@dataclasses.dataclass(frozen=True)
class View:
    """A pin-hole camera.

    Attributes:
        width, height: of the picture, px.
        intrinsics: fx, fy, cx, cy, px.
        rotation: (3, 3) world to camera.
        translation: (3,) m; x_camera = rotation @ x_world + translation.
    """

    width: int
    height: int
    intrinsics: tuple[float, float, float, float]
    rotation: Array
    translation: Array

    @classmethod
    def look_at(
        cls,
        width: int = 640,
        height: int = 480,
        *,
        position: tuple[float, float, float] = (3.8, 0.0, 1.3),
        target: tuple[float, float, float] = (0.0, 0.0, 0.95),
        field_of_view_deg: float = 60.0,
    ) -> View:
        """Return the view from ``position`` towards ``target`` (m, world), horizon level.

        Args:
            field_of_view_deg: across the longer side of the picture.
        """
        forward = np.subtract(target, position).astype(float)
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        focal = 0.5 * max(width, height) / np.tan(np.radians(field_of_view_deg) / 2)
        centre = ((width - 1) / 2, (height - 1) / 2)
        return cls(width, height, (focal, focal, *centre), rotation, -rotation @ np.asarray(position, float))

    def to_camera(self, points: Array) -> Array:
        """Return world points (..., 3) in camera axes, m."""
        return points @ self.rotation.T + self.translation

    def project(self, points: Array) -> tuple[Array, Array]:
        """Return the places (..., 2) px and depths (...) m of world points (..., 3)."""
        seen = self.to_camera(points)
        fx, fy, cx, cy = self.intrinsics
        z = np.maximum(seen[..., 2], 0.05)
        return np.stack([fx * seen[..., 0] / z + cx, fy * seen[..., 1] / z + cy], axis=-1), seen[..., 2]

    def properties(self) -> dict[str, str]:
        """Return the calibration as the ``properties`` of a camera stream, JSON text each."""
        pose = {"R": self.rotation.tolist(), "t": self.translation.tolist()}
        return {"intrinsics": json.dumps(list(self.intrinsics)), "extrinsics": json.dumps(pose)}


_LIMBS: tuple[tuple[str, str, float, tuple[int, int, int]], ...] = tuple(
    (f"{side}_{a}", f"{side}_{b}", radius, colour)
    for side in ("left", "right")
    for a, b, radius, colour in (
        ("shoulder", "elbow", 0.050, (108, 100, 96)),
        ("elbow", "wrist", 0.040, (150, 160, 172)),
        ("wrist", "hand", 0.038, (150, 160, 172)),
        ("hip", "knee", 0.075, (92, 84, 80)),
        ("knee", "ankle", 0.055, (92, 84, 80)),
        ("ankle", "foot", 0.042, (52, 52, 56)),
    )
)
"""Two joints, radius in m and BGR of each limb; all greyish, so that only markers are saturated."""

_TRUNK = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
_TRUNK_COLOUR = (122, 116, 108)
_SKIN = (156, 166, 178)
_IN_FRONT = 0.12
"""m by which a marker stands out of its own limb, so that only other parts hide it."""


class Painter:
    """Paints the body over a textured room; reuse one, its background is made once.

    Args:
        view: the camera.
        seed: of the background's texture.
    """

    def __init__(self, view: View, seed: int = 0) -> None:
        self.view = view
        self._room = _room(view, seed)

    def __call__(self, joints: Array, markers: bool = True) -> Picture:
        """Return the (H, W, 3) BGR picture of joints (20, 3), m in the world."""
        image = self._room.copy()
        places, depths = self.view.project(joints)
        if depths.min() < 0.3:
            return image  # the body stands in the camera
        per_metre = self.view.intrinsics[0] / depths
        todo: list[tuple[float, int, tuple]] = []
        for a, b, radius, colour in _LIMBS:
            i, j = JOINT[a], JOINT[b]
            todo.append(
                (0.5 * (depths[i] + depths[j]), 0, (places[i], places[j], radius * per_metre[j], colour))
            )
        trunk = [JOINT[name] for name in _TRUNK]
        todo.append((float(depths[trunk].mean()), 1, (places[trunk], 0.07 * float(per_metre[trunk].mean()))))
        head, neck = JOINT["head"], JOINT["neck"]
        todo.append((depths[head], 2, (places[head], places[neck], per_metre[head])))
        if markers:
            for joint in range(len(JOINTS)):
                radius = MARKER_RADIUS_M * per_metre[joint]
                todo.append((depths[joint] - _IN_FRONT, 3, (places[joint], radius, PALETTE[joint])))
        todo.sort(key=lambda item: -item[0])
        for _, kind, what in todo:
            (_limb, _trunk, _head, _marker)[kind](image, *what)
        return image


def _fixed(point: Array) -> tuple[int, int]:
    scaled = np.rint(np.clip(point, -2000, 4000) * (1 << _SHIFT))
    return int(scaled[0]), int(scaled[1])


def _shade(colour: tuple[int, int, int], factor: float) -> tuple[float, float, float]:
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def _limb(image: Picture, a: Array, b: Array, radius: float, colour: tuple[int, int, int]) -> None:
    """Paint a capsule: dark rim, body, and a lighter stripe where the light falls."""
    light = np.array([-0.3, -0.3]) * radius
    for grow, factor, shift in ((1.0, 0.72, 0.0), (0.78, 1.0, 0.4), (0.35, 1.12, 1.0)):
        ends = _fixed(a + shift * light), _fixed(b + shift * light)
        thickness = max(1, round(2 * grow * radius))
        cv2.line(image, *ends, _shade(colour, factor), thickness, cv2.LINE_AA, _SHIFT)


def _trunk(image: Picture, corners: Array, radius: float) -> None:
    shape = np.rint(np.clip(corners, -2000, 4000) * (1 << _SHIFT)).astype(np.int32)
    dark, thick = _shade(_TRUNK_COLOUR, 0.75), max(1, round(2 * radius))
    cv2.polylines(image, [shape], True, dark, thick, cv2.LINE_AA, _SHIFT)
    cv2.polylines(image, [shape], True, _TRUNK_COLOUR, max(1, round(1.6 * radius)), cv2.LINE_AA, _SHIFT)
    cv2.fillConvexPoly(image, cv2.convexHull(shape), _TRUNK_COLOUR, cv2.LINE_AA, _SHIFT)


def _head(image: Picture, head: Array, neck: Array, per_metre: float) -> None:
    cv2.line(
        image,
        _fixed(neck),
        _fixed(head),
        _shade(_SKIN, 0.8),
        max(1, round(0.1 * per_metre)),
        cv2.LINE_AA,
        _SHIFT,
    )
    for grow, factor in ((1.0, 0.75), (0.85, 1.0)):
        radius = round(0.105 * grow * per_metre * (1 << _SHIFT))
        cv2.circle(image, _fixed(head), radius, _shade(_SKIN, factor), -1, cv2.LINE_AA, _SHIFT)


def _marker(image: Picture, place: Array, radius: float, colour: NDArray[np.uint8]) -> None:
    bgr = (int(colour[0]), int(colour[1]), int(colour[2]))
    cv2.circle(image, _fixed(place), round(radius * (1 << _SHIFT)), bgr, -1, cv2.LINE_AA, _SHIFT)


def _room(view: View, seed: int) -> Picture:
    """Return a wall with a soft texture and a tiled floor, greyish throughout."""
    rng = np.random.default_rng((seed, 3))
    height, width = view.height, view.width
    texture = np.zeros((height, width), np.float32)
    for cells, size in ((6, 14.0), (24, 9.0), (96, 6.0)):
        noise = rng.normal(0, size, (cells * 3 // 4 + 1, cells)).astype(np.float32)
        texture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    grey = 176.0 + 0.5 * texture
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    fx, fy, cx, cy = view.intrinsics
    rays = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones(u.shape)], -1) @ view.rotation
    origin = -view.rotation.T @ view.translation
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(rays[..., 2] < -1e-3, -origin[2] / rays[..., 2], np.inf)
        ground = origin[:2] + reach[..., None] * rays[..., :2]
    floor = np.isfinite(reach) & (np.hypot(ground[..., 0], ground[..., 1]) < 6.0)
    tiles = np.where(floor, np.floor(np.nan_to_num(ground, posinf=0, neginf=0) / 0.5).sum(-1) % 2, 0)
    grey = np.where(floor, 128.0 + 18.0 * tiles + 0.5 * texture, grey)
    tint = np.array([1.02, 1.0, 0.97], np.float32)
    return np.clip(grey[..., None] * tint, 0, 255).astype(np.uint8)
