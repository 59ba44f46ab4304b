"""Pictures of a ChArUco board whose every number is known: a renderer for benchmarks and tests.

Each pixel is four rays through the lens, each ray meets the paper somewhere, and the paper is drawn there
from the same rectangles that are printed. Then come light, shadows, blur, noise and JPEG, as a real camera
has them.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drivers.camera.model import CameraModel, Pose
from fusion.calibrate.board import Board
from fusion.calibrate.board_page import rectangles
from fusion.geometry.lens import normalised, project

RIM_MM = 12.0
"""White paper around the chessboard."""
TEXELS_PER_MM = 8.0
OVER = 2
"""Rays across a pixel."""


@dataclasses.dataclass(frozen=True)
class Condition:
    """How well a camera sees.

    Attributes:
        blur_px: standard deviation of the lens's blur.
        motion_px: length of the blur by motion.
        noise: standard deviation, grey levels.
        shadow: by how much of the light a shadow's edge takes away.
        jpeg: quality.
        black, white: grey levels of ink and paper in full light.
    """

    blur_px: float
    motion_px: float
    noise: float
    shadow: float
    jpeg: int
    black: float = 30.0
    white: float = 215.0


EASY = Condition(blur_px=0.6, motion_px=0.0, noise=1.5, shadow=0.1, jpeg=95)
HARD = Condition(blur_px=1.1, motion_px=2.5, noise=6.0, shadow=0.55, jpeg=70, black=45.0, white=170.0)


class Studio:
    """One camera that looks at a board.

    Args:
        model: the camera; its pose is not used.
        board: what it looks at.
        condition: how well.
        rng: of light, noise and background.
    """

    def __init__(
        self, model: CameraModel, board: Board, condition: Condition, rng: np.random.Generator
    ) -> None:
        self.model = dataclasses.replace(model, pose=None)
        self.board, self.condition, self.rng = board, condition, rng
        width, height = model.size
        y, x = np.mgrid[:height, :width].astype(float)
        self._rays = normalised(self.model, np.stack([x, y], -1)).astype(np.float32)
        self._paper = _paper(board)
        self._wall = self._background()

    def picture(self, pose: Pose) -> NDArray[np.uint8]:
        """Return the picture (H, W, 3) of the board at ``pose``, board to camera."""
        light = self._wall.copy()
        box = self._box(pose)
        if box is not None:
            x0, y0, x1, y1 = box
            rays = self._between(x0, y0, x1, y1)
            # Where rays meet the paper: the plane's axes and origin in the camera's frame.
            across, up, origin = pose.rotation[:, 0], pose.rotation[:, 1], pose.translation
            way = np.concatenate([rays, np.ones((*rays.shape[:2], 1))], -1)
            solve = np.linalg.inv(np.stack([across, up, -origin], 1))
            at = way @ solve.T  # multiples: ray = (u across + v up + origin) / w, solved for (u, v, -w)
            with np.errstate(divide="ignore", invalid="ignore"):
                plane = at[..., :2] / -at[..., 2:]
            there = at[..., 2] < 0
            colour, paper = self._sample(plane, pose)
            colour = np.where(there, colour, 0)
            paper = np.where(there, paper, 0.0)
            small = (x1 - x0, y1 - y0)
            colour = cv2.resize(colour, small, interpolation=cv2.INTER_AREA)
            paper = cv2.resize(paper, small, interpolation=cv2.INTER_AREA)
            light[y0:y1, x0:x1] = light[y0:y1, x0:x1] * (1 - paper) + colour
        return self._seen(light)

    def _box(self, pose: Pose) -> tuple[int, int, int, int] | None:
        """Return the part of the picture that the paper is in."""
        width, height = np.array(self.board.size_mm) / 1000
        rim = RIM_MM / 1000
        edge = np.linspace(-rim, 1 + rim, 12)
        line = np.array(
            [(a * width, b) for a in edge for b in (-rim, height + rim)]
            + [(a, b * height) for b in edge for a in (-rim, width + rim)]
        )
        points = np.column_stack([line, np.zeros(len(line))]) @ pose.rotation.T + pose.translation
        pixels = project(self.model, points)
        if not np.isfinite(pixels).all():
            return None
        low = np.floor(pixels.min(0) - 3).astype(int).clip(0)
        high = np.ceil(pixels.max(0) + 4).astype(int)
        high = np.minimum(high, self.model.size)
        return None if (high - low < 2).any() else (low[0], low[1], high[0], high[1])

    def _between(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[np.float64]:
        """Return rays of parts of pixels, by interpolation: a lens bends smoothly."""
        part = (np.arange((x1 - x0) * OVER) + 0.5) / OVER - 0.5 + x0
        down = (np.arange((y1 - y0) * OVER) + 0.5) / OVER - 0.5 + y0
        x, y = np.meshgrid(part.astype(np.float32), down.astype(np.float32))
        return cv2.remap(self._rays, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(float)

    def _sample(
        self, plane: NDArray[np.float64], pose: Pose
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return grey times cover, and cover, of points (H, W, 2) m of the paper's plane."""
        far = float(np.linalg.norm(pose.translation + pose.rotation[:, 0] * self.board.size_mm[0] / 2000))
        per_ray = far / float(self.model.matrix[0, 0]) * 1000 / OVER  # mm
        level = int(np.clip(np.log2(max(per_ray * TEXELS_PER_MM, 1.0)), 0, len(self._paper) - 1))
        grey, cover = self._paper[level]
        texel = TEXELS_PER_MM / 2**level
        height = self.board.size_mm[1]
        x = (plane[..., 0] * 1000 + RIM_MM) * texel - 0.5
        y = (height + RIM_MM - plane[..., 1] * 1000) * texel - 0.5
        x, y = (np.nan_to_num(v, nan=-1e4).clip(-1e4, 1e5).astype(np.float32) for v in (x, y))
        both = [cv2.remap(t, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT) for t in (grey, cover)]
        condition = self.condition
        return (both[0] * (condition.white - condition.black) + both[1] * condition.black), both[1]

    def _background(self) -> NDArray[np.float32]:
        width, height = self.model.size
        coarse = self.rng.uniform(40, 170, (9, 16)).astype(np.float32)
        wall = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        for _ in range(25):
            x, y = self.rng.integers(0, width), self.rng.integers(0, height)
            w, h = self.rng.integers(8, width // 5, 2)
            cv2.rectangle(
                wall, (int(x), int(y)), (int(x + w), int(y + h)), float(self.rng.uniform(20, 220)), -1
            )
        return wall

    def _seen(self, light: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return what the sensor makes of light."""
        width, height = self.model.size
        condition, rng = self.condition, self.rng
        y, x = np.mgrid[:height, :width].astype(np.float32)
        way = rng.uniform(0, 2 * np.pi)
        slope = ((x - width / 2) * np.cos(way) + (y - height / 2) * np.sin(way)) / width
        edge = (slope - rng.uniform(-0.2, 0.2)) * width / rng.uniform(4, 40)
        lit = (1 - condition.shadow / (1 + np.exp(-np.clip(edge, -30, 30)))) * (1 + 0.2 * slope)
        vignette = 1 - 0.25 * (((x - width / 2) ** 2 + (y - height / 2) ** 2) / (width / 2) ** 2)
        light = light * lit * vignette
        light = cv2.GaussianBlur(light, (0, 0), condition.blur_px)
        if condition.motion_px:
            light = cv2.filter2D(
                light, -1, _streak(rng.uniform(0, condition.motion_px), rng.uniform(0, np.pi))
            )
        light = light + rng.normal(0, condition.noise, light.shape)
        grey = np.clip(np.round(light), 0, 255).astype(np.uint8)
        picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
        coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, condition.jpeg])[1]
        return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _streak(length: float, angle: float) -> NDArray[np.float32]:
    """Return the symmetric kernel of a motion of some px."""
    side = 2 * int(np.ceil(length / 2)) + 3
    kernel = np.zeros((side, side), np.float32)
    for s in np.linspace(-length / 2, length / 2, 41):
        x, y = side // 2 + s * np.cos(angle), side // 2 + s * np.sin(angle)
        i, j = int(np.floor(x)), int(np.floor(y))
        for di, dj in ((0, 0), (0, 1), (1, 0), (1, 1)):
            kernel[j + dj, i + di] += (1 - abs(x - i - di)) * (1 - abs(y - j - dj))
    return kernel / kernel.sum()


def _paper(board: Board) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return the paper as a pyramid of (grey, cover): white 1, ink 0."""
    size = [round((side + 2 * RIM_MM) * TEXELS_PER_MM) for side in board.size_mm]
    grey = np.ones((size[1], size[0]), np.float32)
    for box in (rectangles(board) + RIM_MM) * TEXELS_PER_MM:
        left, top, right, bottom = np.round(box).astype(int)
        grey[top:bottom, left:right] = 0.0
    levels = [(grey, np.ones_like(grey))]
    while min(levels[-1][0].shape) > 64:
        height, width = (side // 2 * 2 for side in levels[-1][0].shape)
        halves = [
            cv2.resize(t[:height, :width], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            for t in levels[-1]
        ]
        levels.append((halves[0], halves[1]))
    return levels


def held(rng: np.random.Generator, model: CameraModel, board: Board) -> Pose:
    """Return a pose of the board, board to camera, as a hand would hold it somewhere in the picture."""
    width, height = model.size
    at = rng.uniform([0.08 * width, 0.1 * height], [0.92 * width, 0.9 * height])
    share = rng.uniform(0.3, 0.75)  # of the picture's width
    size = np.array([*board.size_mm, 0]) / 1000
    distance = size[0] * model.matrix[0, 0] / (share * width)
    lens = dataclasses.replace(model, pose=None)
    ray = normalised(lens, at)
    tilt = Rotation.from_euler("xyz", [*rng.uniform(-45, 45, 2), rng.uniform(-30, 30)], degrees=True)
    rotation = tilt.as_matrix() @ np.diag([1.0, -1.0, -1.0])  # the paper faces the camera
    middle = np.array([*ray, 1.0]) * distance
    return Pose(rotation, middle - rotation @ (size / 2))
