"""What finds people in pictures: a front end that runs here, or the JSON of a run made elsewhere."""

from __future__ import annotations

import abc
import time
from pathlib import Path

import msgspec
import numpy as np

from drivers.errors import DataError
from fusion.pose.frame import Seen
from fusion.pose.inputs import Shot
from fusion.skeletons import COCO17
from fusion.vision.base import front_end_of
from recordings.importers.coco import msgspec_file
from recordings.importers.openpose_json import films, read_folder


class Run(abc.ABC):
    """One of those that are compared.

    Attributes:
        name: to show.
        skeleton: joint names.
        seconds: CPU time spent; None of a run made elsewhere.
    """

    name: str
    skeleton: tuple[str, ...]
    seconds: float | None = None

    @abc.abstractmethod
    def __call__(self, shot: Shot, number: int) -> list[Seen]:
        """Return the people of a picture, the ``number``-th of its source."""

    def reset(self) -> None:
        """The next picture is another source's first."""
        return

    def close(self) -> None:
        """Let go of what is held."""
        return


class FrontEndRun(Run):
    """A front end.

    Args:
        told: as ``--vision`` has it.
        people: how many are looked for.
    """

    def __init__(self, told: str, people: int) -> None:
        self._eyes = front_end_of(told, people)
        self.skeleton = self._eyes.skeleton
        self.name, self.seconds = _short(told), 0.0

    def __call__(self, shot: Shot, number: int) -> list[Seen]:
        start = time.process_time()
        found = self._eyes.still(shot.image) if shot.time is None else self._eyes(shot.image, shot.time)
        self.seconds = (self.seconds or 0.0) + time.process_time() - start
        return [Seen.of(one, person) for one, person in enumerate(found, 1)]

    def reset(self) -> None:
        self._eyes.reset()

    def close(self) -> None:
        self._eyes.close()


class OpenPoseRun(Run):
    """A folder of OpenPose's JSON.

    Files belong to pictures of the same name; of a film, to the frames by number.

    Raises:
        DataError: it holds none that can be read.
    """

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self._by_name, self._by_number = {}, {}
        self.skeleton = ()
        for film in films(folder):
            read = read_folder(folder, film)
            self.skeleton = self.skeleton or read.joints
            if read.joints != self.skeleton:
                raise DataError(
                    f"{folder} has people of {len(self.skeleton)} joints and of {len(read.joints)}",
                    mend="Keep runs of different models in folders of their own",
                )
            for frame in read.frames:
                self._by_number[frame.number - read.frames[0].number] = frame.people
        names = sorted(folder.glob("*_keypoints.json"))
        if not names:
            raise DataError(f"{folder} has no files *_keypoints.json", mend="Name the folder of --write_json")
        self._stems = {path.name.removesuffix("_keypoints.json") for path in names}
        self._folder = folder

    def __call__(self, shot: Shot, number: int) -> list[Seen]:
        if shot.time is None:
            stem = Path(shot.file).stem
            people = _openpose_file(self._folder / f"{stem}_keypoints.json") if stem in self._stems else []
        else:
            people = self._by_number.get(number, [])
        return [_seen(one, rows) for one, rows in enumerate(people, 1) if rows.shape[0] == len(self.skeleton)]


class _OpenPosePerson(msgspec.Struct):
    pose_keypoints_2d: list[float] = []


class _OpenPoseFile(msgspec.Struct):
    people: list[_OpenPosePerson]


def _openpose_file(path: Path) -> list[np.ndarray]:
    file = msgspec_file(path, _OpenPoseFile, "OpenPose's key points")
    rows = [np.array(one.pose_keypoints_2d, np.float32) for one in file.people]
    if any(len(row) % 3 or not np.isfinite(row).all() for row in rows):
        raise DataError(
            f"{path.name}: key points are not x, y and a confidence each", mend="Run OpenPose again"
        )
    return [row.reshape(-1, 3) for row in rows]


class _AlphaPerson(msgspec.Struct):
    image_id: str | int
    keypoints: list[float]
    score: float = 0.0


class AlphaPoseRun(Run):
    """AlphaPose's results: a list of people, each with the name of a picture, or the number of a frame.

    Args:
        path: the .json, or the folder that holds ``alphapose-results.json``.

    Raises:
        DataError: it is damaged, or holds other joints than COCO's first.
    """

    skeleton = COCO17

    def __init__(self, path: Path) -> None:
        file = path / "alphapose-results.json" if path.is_dir() else path
        self.name = path.stem
        self._people: dict[str, list[np.ndarray]] = {}
        for one in msgspec_file(file, list[_AlphaPerson], "AlphaPose's results"):
            rows = np.array(one.keypoints, np.float32)
            if len(rows) < 51 or len(rows) % 3 or not np.isfinite(rows).all():
                raise DataError(
                    f"{file.name}: a person has {len(rows)} values of key points",
                    mend="Write 17 joints or more",
                )
            # Halpe's 26 and 136 joints begin with COCO's 17.
            self._people.setdefault(Path(str(one.image_id)).stem, []).append(rows.reshape(-1, 3)[:17])

    def __call__(self, shot: Shot, number: int) -> list[Seen]:
        name = Path(shot.file).stem if shot.time is None else str(number)
        return [_seen(one, rows) for one, rows in enumerate(self._people.get(name, []), 1)]


def _seen(number: int, rows: np.ndarray) -> Seen:
    score = rows[:, 2].clip(0, 1)
    points = np.where((score > 0)[:, None], rows[:, :2], np.nan).astype(np.float32)
    known = points[score > 0]
    low, high = (known.min(0), known.max(0)) if len(known) else (np.zeros(2), np.zeros(2))
    x, y, width, height = (float(value) for value in (*low, *(high - low)))
    return Seen(number, points, score.astype(np.float32), None, (x, y, width, height))


def run_of(told: str, people: int) -> Run:
    """Return what ``--with`` names: a front end, or the path of a run made elsewhere.

    Raises:
        ChorusError: neither.
    """
    path = Path(told).expanduser()
    if path.is_dir() and not (path / "alphapose-results.json").is_file():
        return OpenPoseRun(path)
    if path.is_dir() or (path.suffix == ".json" and path.is_file()):
        return AlphaPoseRun(path)
    return FrontEndRun(told, people)


def _short(told: str) -> str:
    """Return a front end's text without the folders of its file."""
    return ":".join(part if "=" in part else Path(part).name for part in told.split(":"))
