"""UTD-MHAD's depth maps as crops with heatmaps, by subjects: what a HeatmapNet learns from.

Training crops are varied: place, size and turn of the crop, mirrored people, a wall and a floor behind them,
holes in the depth, an unsure depth of the person. Others are cut around the known pixels, which is what is
known of a person before any joint is.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fusion.data.subjects import apart
from fusion.data.utd_mhad import KINECT_ORDER
from fusion.heatmapnet.crops import REACH_M, around_points, cell_affine, cut, heat, of_depth
from fusion.heatmapnet.net import STRIDE
from fusion.skeletons import BODY20, other_side
from fusion.vision.region import Region
from recordings.importers.utd_depth import DepthTrial, depth_trials
from recordings.importers.utd_mhad import DEPTH_FOCAL_PX

_MIRRORED = other_side(BODY20)
MARGIN = 1.25
"""Side of a crop over the box around the person."""


@dataclasses.dataclass(frozen=True)
class CropVariety:
    """How far training crops are varied.

    Attributes:
        scale: smallest and largest side of a crop over the usual one, drawn evenly in its logarithm.
        shift: of its middle, part of its side, each way.
        turn_deg: of the crop, each way.
        background: probability of a wall and a floor.
        holes: largest part of the crop covered by each of three holes.
        middle_m: error of the depth that is taken for the person's, each way.
        noise_mm: standard deviation of depth.
        nobody: probability that boxes stand in a crop, and no person.
    """

    scale: tuple[float, float] = (0.8, 1.6)
    shift: float = 0.08
    turn_deg: float = 20.0
    background: float = 0.5
    holes: float = 0.2
    middle_m: float = 0.3
    noise_mm: float = 10.0
    nobody: float = 0.1


class DepthCrops(Dataset[dict[str, Tensor]]):
    """Frames of trials, each a crop with its heatmaps.

    Args:
        trials: with their depth.
        size: width and height of a crop, px.
        sigma: spread of a heatmap, cells.
        variety: of the crops; None: all as they are.
        every: each how many-th frame is taken.
    """

    def __init__(
        self,
        trials: list[DepthTrial],
        size: tuple[int, int],
        sigma: float,
        variety: CropVariety | None,
        every: int = 1,
    ) -> None:
        self.size, self.sigma, self.variety = size, sigma, variety
        self.trials = trials
        self.pixels = [t.pixels[:, KINECT_ORDER] for t in trials]
        self.heights = [height_px(t) for t in trials]
        self.frames = [(n, i) for n, t in enumerate(trials) for i in range(0, len(t.depth), every)]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        number, frame = self.frames[index]
        depth, points = self.trials[number].depth[frame], self.pixels[number][frame]
        draw = np.random.default_rng(int(torch.randint(1 << 31, ()))) if self.variety else None
        place = person_region(depth)
        nobody = False
        if draw is None or self.variety is None:
            crop = of_depth(cut(depth, place, self.size), middle_of(depth))
        else:
            place = _varied(place, self.variety, draw)
            nobody = draw.random() < self.variety.nobody
            shown = _boxes(self.size, middle_of(depth), draw) if nobody else cut(depth, place, self.size)
            crop = _varied_depth(shown, self.variety, draw)
        to_picture = cell_affine(place, self.size)
        turn = np.linalg.inv(to_picture[:, :2])
        cells = (points - to_picture[:, 2]) @ turn.T
        if draw is not None and draw.random() < 0.5:
            crop = crop[:, :, ::-1].copy()
            cells = cells[_MIRRORED]
            cells[:, 0] = self.size[0] // STRIDE - 1 - cells[:, 0]
        shape = self.size[0] // STRIDE, self.size[1] // STRIDE
        inside = ((cells > -0.5) & (cells < np.array(shape) - 0.5)).all(axis=1)
        height = self.heights[number] * self.size[1] / place.side
        maps = heat(cells, shape, self.sigma)
        return {
            "crop": torch.from_numpy(crop),
            "heat": torch.from_numpy(np.zeros_like(maps) if nobody else maps),
            "known": torch.from_numpy((inside | nobody).astype(np.float32)),
            "points": torch.from_numpy(cells.astype(np.float32)),
            "height": torch.tensor(height, dtype=torch.float32),
        }


def height_px(trial: DepthTrial) -> float:
    """Return how tall the person is in the picture, standing: legs, trunk and head laid end to end."""
    joints = np.median(trial.trial.joints[:, KINECT_ORDER], axis=0)
    chains = (
        ("head", "neck", "spine", "pelvis"),
        ("left_hip", "left_knee", "left_ankle", "left_foot"),
    )
    moving = trial.trial.joints[:, KINECT_ORDER]
    tall = 0.0
    for chain in chains:
        at = [BODY20.index(name) for name in chain]
        steps = np.linalg.norm(np.diff(moving[:, at], axis=1), axis=-1)
        tall += float(np.median(steps, axis=0)[:3].sum())
    return DEPTH_FOCAL_PX * tall / float(joints[0, 2])


def middle_of(depth: NDArray[np.uint16]) -> float:
    """Return the median of the known depth, m; 1 where nothing is known."""
    known = depth[depth > 0]
    return float(np.median(known)) * 1e-3 if len(known) else 1.0


def person_region(depth: NDArray[np.uint16]) -> Region:
    """Return the square around all that is known; the whole map where nothing is."""
    rows, columns = np.flatnonzero((depth > 0).any(axis=1)), np.flatnonzero((depth > 0).any(axis=0))
    if not len(rows):
        height, width = depth.shape
        return Region((width - 1) / 2, (height - 1) / 2, max(width, height))
    corners = np.array([[columns[0], rows[0]], [columns[-1], rows[-1]]], np.float64)
    return around_points(corners, MARGIN)


def _varied(place: Region, variety: CropVariety, draw: np.random.Generator) -> Region:
    low, high = np.log(variety.scale)
    side = place.side * float(np.exp(draw.uniform(low, high)))
    x, y = draw.uniform(-variety.shift, variety.shift, 2) * side
    angle = np.radians(draw.uniform(-variety.turn_deg, variety.turn_deg))
    return Region(place.x + float(x), place.y + float(y), side, float(angle))


def _boxes(size: tuple[int, int], middle_m: float, draw: np.random.Generator) -> NDArray[np.uint16]:
    """Return a crop of depth in which boxes stand about where a person would."""
    crop = np.zeros(size[::-1], np.uint16)
    for _ in range(draw.integers(1, 4)):
        width, height = (draw.uniform(0.1, 0.9, 2) * size).astype(int)
        column, row = (draw.uniform(0.0, 0.6, 2) * size).astype(int)
        crop[row : row + height, column : column + width] = 1e3 * (middle_m + draw.uniform(-0.5, 0.5))
    return crop


def _varied_depth(
    shown: NDArray[np.uint16], variety: CropVariety, draw: np.random.Generator
) -> NDArray[np.float32]:
    middle = middle_of(shown)
    crop = shown.astype(np.float32)
    there = crop > 0
    crop += there * draw.normal(0.0, variety.noise_mm, crop.shape).astype(np.float32)
    height, width = crop.shape
    if draw.random() < variety.background:
        wall = 1e3 * (middle + draw.uniform(0.2, 2.0 * REACH_M))
        slope = draw.uniform(-300.0, 300.0) * (np.arange(width) / width - 0.5)
        behind = np.broadcast_to(wall + slope, crop.shape)
        edge = draw.uniform(0.6, 1.1) * height  # below it the floor comes nearer
        rise = np.clip(np.arange(height) - edge, 0.0, None)[:, None] * draw.uniform(5.0, 40.0)
        crop = np.where(there, crop, behind - rise).astype(np.float32)
    for _ in range(3):
        high, wide = (draw.uniform(0.0, variety.holes, 2) * (height, width)).astype(int)
        row, column = draw.integers(0, height), draw.integers(0, width)
        crop[row : row + high, column : column + wide] = 0.0
    crop[draw.random(crop.shape) < draw.uniform(0.0, 0.05)] = 0.0
    middle += draw.uniform(-variety.middle_m, variety.middle_m)
    return of_depth(np.clip(crop, 0, 65535).astype(np.uint16), middle)


class UtdDepthData(pl.LightningDataModule):
    """Depth of UTD-MHAD by subjects.

    Args:
        root: as of :func:`recordings.importers.utd_depth.find_depth`; by default CHORUS_DATA.
        train_subjects: subjects to learn from.
        val_subjects: subjects to validate on while training.
        test_subjects: subjects for the final test.
        height: of a crop, px, as of the network.
        width: likewise.
        sigma: spread of a heatmap, cells.
        batch_size: crops in a batch.
        workers: processes that make training crops; 0: this one does.
        variety: how far training crops are varied.
    """

    def __init__(
        self,
        root: str | None = None,
        train_subjects: tuple[int, ...] = (1, 3, 5, 7),
        val_subjects: tuple[int, ...] = (),
        test_subjects: tuple[int, ...] = (2, 4, 6, 8),
        height: int = 128,
        width: int = 128,
        sigma: float = 1.0,
        batch_size: int = 32,
        workers: int = 1,
        variety: CropVariety | None = None,
    ) -> None:
        super().__init__()
        self.subjects = apart({"train": train_subjects, "val": val_subjects, "test": test_subjects})
        self.root, self.size, self.sigma = root, (width, height), sigma
        self.batch_size, self.workers, self.variety = batch_size, workers, variety or CropVariety()
        self._crops: dict[str, DepthCrops] = {}

    def setup(self, stage: str) -> None:
        """Read the trials that ``stage`` needs.

        Raises:
            DataError: the data set is not there or malformed, or has no trials of the subjects.
        """
        parts = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}
        for part in parts.get(stage, ()):
            if part not in self._crops and self.subjects[part]:
                trials = list(depth_trials(self.root, tuple(self.subjects[part])))
                variety = self.variety if part == "train" else None
                self._crops[part] = DepthCrops(trials, self.size, self.sigma, variety)

    def train_dataloader(self) -> DataLoader:
        """Varied crops in random order."""
        return DataLoader(
            self._crops["train"],
            self.batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=self.workers,
            worker_init_fn=_one_thread,
            persistent_workers=self.workers > 0,
        )

    def val_dataloader(self) -> DataLoader | list:
        """Crops of the validation subjects as they are; empty where there are none."""
        return DataLoader(self._crops["val"], self.batch_size) if "val" in self._crops else []

    def test_dataloader(self) -> DataLoader:
        """Crops of the test subjects as they are."""
        return DataLoader(self._crops["test"], self.batch_size)


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
