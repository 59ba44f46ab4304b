"""Annotated pictures of people (COCO, MPII) as crops with heatmaps: what a HeatmapNet learns from.

A crop is cut around a person's box, of the network's aspect, so that nobody is stretched; beyond the picture
it is black. Sets of other joints teach those that they share with the network, by name.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from drivers.errors import ConfigError, DataError
from fusion.data.picture_variety import PictureVariety, varied_picture, varied_place
from fusion.heatmapnet.crops import around_points, cell_affine, cut, heat, of_colour
from fusion.heatmapnet.net import STRIDE
from fusion.skeletons import COCO17, other_side
from recordings.importers.annotated import AnnotatedPerson, AnnotatedSet
from recordings.importers.coco import read_coco
from recordings.importers.mpii import read_mpii

MARGIN = 1.25
"""Side of a crop over the person's box."""
TRAIN = ("person_keypoints_train*.json", "*train.json", "mpii_human_pose*.mat")
VAL = ("person_keypoints_val*.json", "*valid*.json", "*val.json")
"""Annotation files of a folder to learn from and to validate on, the first that there are."""


class PictureCrops(Dataset[dict[str, Tensor]]):
    """People, each a crop with its heatmaps.

    Args:
        people: each with the names of its joints.
        joints: (J) names of the network's.
        size: width and height of a crop, px.
        sigma: spread of a heatmap, cells.
        variety: of the crops; None: all as they are.
    """

    def __init__(
        self,
        people: list[tuple[AnnotatedPerson, tuple[str, ...]]],
        joints: tuple[str, ...],
        size: tuple[int, int],
        sigma: float,
        variety: PictureVariety | None,
    ) -> None:
        self.people, self.joints = people, joints
        self.size, self.sigma, self.variety = size, sigma, variety
        self._mirrored = other_side(joints)

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return ``crop`` (3, h, w), ``heat`` (J, h / 4, w / 4), ``known`` (J,), ``points`` (J, 2) in cells,
        ``height``: px of the crop that the longer side of the person's box takes, and ``area``, px² of it.

        Raises:
            DataError: the picture can't be read.
        """
        person, names = self.people[index]
        picture = cv2.imread(str(person.picture), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if picture is None:
            raise DataError(
                f"{person.picture} is no picture that can be read", mend="chorus data check FOLDER tells all"
            )
        points, known = self._points(person, names)
        place = place_of(person.box, self.size)
        draw = None if self.variety is None else np.random.default_rng(int(torch.randint(1 << 31, ())))
        if draw is not None and self.variety is not None:
            place = varied_place(place, self.variety, draw)
        crop = cut(picture, place, self.size)
        to_picture = cell_affine(place, self.size)
        cells = (points - to_picture[:, 2]) @ np.linalg.inv(to_picture[:, :2]).T
        shape = self.size[0] // STRIDE, self.size[1] // STRIDE
        if draw is not None and self.variety is not None:
            crop = varied_picture(crop, self.variety, draw)
            if draw.random() < self.variety.mirrored:
                crop = np.ascontiguousarray(crop[:, ::-1])
                cells, known = cells[self._mirrored], known[self._mirrored]
                cells[:, 0] = shape[0] - 1 - cells[:, 0]
        inside = ((cells > -0.5) & (cells < np.array(shape) - 0.5)).all(axis=1)
        maps = heat(np.where(known[:, None], cells, np.nan), shape, self.sigma)
        scale = self.size[1] / place.side
        return {
            "crop": torch.from_numpy(of_colour(crop)),
            "heat": torch.from_numpy(maps),
            "known": torch.from_numpy((known & inside).astype(np.float32)),
            "points": torch.from_numpy(cells.astype(np.float32)),
            "height": torch.tensor(max(person.box[2:]) * scale, dtype=torch.float32),
            "area": torch.tensor(person.area * scale**2, dtype=torch.float32),
        }

    def _points(
        self, person: AnnotatedPerson, names: tuple[str, ...]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        points, known = np.zeros((len(self.joints), 2)), np.zeros(len(self.joints), bool)
        for number, name in enumerate(self.joints):
            if name in names:
                at = names.index(name)
                points[number], known[number] = person.points[at], person.visibility[at] > 0
        return points, known


def place_of(box: Sequence[float], size: tuple[int, int]) -> Any:
    """Return the region of a crop of ``size`` (width, height) around a box x, y, width, height."""
    corners = np.array([[box[0], box[1]], [box[0] + box[2], box[1] + box[3]]])
    return around_points(corners, MARGIN, size[0] / size[1])


class PictureData(pl.LightningDataModule):
    """COCO and MPII, or sets laid out as they are.

    Args:
        train: annotation files to learn from, or folders that hold them.
        val: likewise, for validation and test; none: ``val_part`` of the pictures to learn from.
        joints: names of the network's.
        height: of a crop, px, as of the network.
        width: likewise.
        sigma: spread of a heatmap, cells.
        batch_size: crops in a batch.
        workers: processes that make training crops; 0: this one does.
        least: people with fewer annotated joints are left out.
        partial: take the pictures that are there where others are absent.
        val_part: part of the pictures that is kept from learning where no ``val`` is named.
        variety: how far training crops are varied.
    """

    def __init__(
        self,
        train: str | list[str] = "",
        val: str | list[str] = "",
        joints: tuple[str, ...] = COCO17,
        height: int = 256,
        width: int = 192,
        sigma: float = 1.5,
        batch_size: int = 32,
        workers: int = 2,
        least: int = 3,
        partial: bool = False,
        val_part: float = 0.05,
        variety: PictureVariety | None = None,
    ) -> None:
        super().__init__()
        if not 0.0 <= val_part < 1.0 or least < 1 or sigma <= 0:
            raise ConfigError(
                f"data.val_part is {val_part:g}, data.least {least}, data.sigma {sigma:g}",
                mend="Give a val_part from 0 to below 1, at least 1 joint, and a sigma more than 0",
            )
        self.train_files, self.val_files = train, val
        self.joints, self.size, self.sigma = tuple(joints), (width, height), sigma
        self.batch_size, self.workers, self.least, self.partial = batch_size, workers, least, partial
        self.val_part, self.variety = val_part, variety or PictureVariety()
        self._crops: dict[str, PictureCrops] = {}

    def setup(self, stage: str) -> None:
        """Read the annotations.

        Raises:
            DataError: none are named, a file is missing or wrong, or pictures are absent.
        """
        del stage
        if self._crops:
            return
        train = self._people(annotation_files(self.train_files, TRAIN))
        val = self._people(annotation_files(self.val_files, VAL)) if self.val_files else []
        if not self.val_files and self.val_part:
            val = [one for one in train if _kept(one[0].picture, self.val_part)]
            train = [one for one in train if not _kept(one[0].picture, self.val_part)]
        if not train:
            raise DataError("there is nobody to learn from in data.train", mend="chorus data check FOLDER")
        for part, people in (("train", train), ("val", val)):
            variety = self.variety if part == "train" else None
            self._crops[part] = PictureCrops(people, self.joints, self.size, self.sigma, variety)

    def _people(self, files: list[Path]) -> list[tuple[AnnotatedPerson, tuple[str, ...]]]:
        people = []
        for file in files:
            found = read_annotations(file).sound()
            absent = set(found.absent)
            used = [person for person in found.people if not person.crowd and person.known >= self.least]
            lacking = {person.picture for person in used} & absent
            if lacking and not self.partial:
                raise DataError(
                    f"{file.name}: {len(lacking)} pictures with people are absent, "
                    f"such as {min(lacking).name}",
                    mend="Get them, see chorus data check FOLDER; or learn from the others with "
                    "--data.partial=true",
                )
            shared = set(found.joints) & set(self.joints)
            if not shared:
                raise DataError(
                    f"{file.name}: none of its joints is one of the network's",
                    mend=f"It has {', '.join(found.joints[:8])} ...",
                )
            people += [(person, found.joints) for person in used if person.picture not in absent]
        return people

    def train_dataloader(self) -> DataLoader:
        """Varied crops in random order."""
        return DataLoader(
            self._crops["train"],
            self.batch_size,
            shuffle=True,
            drop_last=len(self._crops["train"]) >= self.batch_size,
            num_workers=self.workers,
            worker_init_fn=_one_thread,
            persistent_workers=self.workers > 0,
        )

    def val_dataloader(self) -> DataLoader | list:
        """Crops for validation as they are; empty where there are none."""
        val = self._crops["val"]
        return DataLoader(val, self.batch_size, num_workers=self.workers) if len(val) else []

    def test_dataloader(self) -> DataLoader | list:
        """As for validation."""
        return self.val_dataloader()


def read_annotations(file: Path) -> AnnotatedSet:
    """Read an annotation file of COCO or MPII, told apart by what is in it.

    Raises:
        DataError: it is neither, or can't be read.
    """
    if file.suffix == ".mat":
        return read_mpii(file)
    try:
        with file.open("rb") as opened:
            listed = opened.read(256).lstrip()[:1] == b"["
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}", mend="Name an annotation file") from None
    return read_mpii(file) if listed else read_coco(file)


def annotation_files(named: str | list[str], patterns: tuple[str, ...]) -> list[Path]:
    """Return annotation files of names: of files, and of folders, in which the first that fits is taken.

    Raises:
        DataError: nothing is named, or a folder has none.
    """
    files = []
    for name in [named] if isinstance(named, str) else named:
        if not name:
            continue
        path = Path(name).expanduser()
        if not path.is_dir():
            files.append(path)
            continue
        below = [path / part for part in ("annotations", "annot", "")]
        found = [hit for pattern in patterns for folder in below for hit in sorted(folder.glob(pattern))]
        if not found:
            raise DataError(
                f"{name} holds no annotations like {patterns[0]}",
                mend="Name the file itself if it is called otherwise; chorus data check FOLDER tells more",
            )
        files.append(found[0])
    if not files:
        raise DataError(
            "no annotated pictures are named",
            mend="Give --data.train=FOLDER of COCO or MPII, several as '[COCO, MPII]'; see chorus data list",
        )
    return files


def _kept(picture: Path, part: float) -> bool:
    return zlib.crc32(picture.name.encode()) % 1000 < 1000 * part


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
