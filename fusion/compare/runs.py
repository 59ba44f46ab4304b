"""What finds people in pictures: a front end that runs here, or the JSON of a run made elsewhere."""

from __future__ import annotations

import abc
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from drivers.errors import DataError
from fusion.pose.frame import Seen
from fusion.pose.inputs import Shot
from fusion.skeletons import COCO17, OPENPOSE25
from fusion.vision.base import front_end_of, short
from recordings.importers.coco import msgspec_file
from recordings.importers.openpose_json import ENDING, films, read_folder, read_frame


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
        self.name, self.seconds = short(told), 0.0

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

    Files belong to pictures, and to frames of films, of the same name; where a film is called otherwise, to
    its frames by number from the first.

    Raises:
        DataError: it holds none, or one that cannot be read. While pictures are taken, too: it holds several
            films, and none is called as the one that is looked at.
    """

    def __init__(self, folder: Path) -> None:
        self.name, self._folder = folder.name, folder
        self.skeleton, self._films, self._stems = (), {}, set()
        for film, files in films(folder).items():
            read = read_folder(folder, film)
            if read.faults:
                raise DataError(f"{folder}: {read.faults[0]}", mend="Run OpenPose again, or take it away")
            self._stems |= {file.name.removesuffix(ENDING) for file in files}
            self._films[film] = {frame.number - read.frames[0].number: frame.people for frame in read.frames}
            if any(len(frame.people) for frame in read.frames):
                self.skeleton = self.skeleton or read.joints
                if read.joints != self.skeleton:
                    raise DataError(
                        f"{folder} has people of {len(self.skeleton)} joints and of {len(read.joints)}",
                        mend="Keep runs of different models in folders of their own",
                    )
        if not self._films:
            raise DataError(f"{folder} has no files *{ENDING}", mend="Name the folder of --write_json")
        self.skeleton = self.skeleton or OPENPOSE25

    def __call__(self, shot: Shot, number: int) -> list[Seen]:
        return [_seen(one, rows) for one, rows in enumerate(self._people(shot, number), 1)]

    def _people(self, shot: Shot, number: int) -> Iterable[np.ndarray]:
        for stem in (shot.name, Path(shot.file).stem if shot.time is None else ""):
            if stem in self._stems:
                read = read_frame(self._folder / f"{stem}{ENDING}", number)
                if isinstance(read, str):
                    raise DataError(f"{self._folder}: {stem}{ENDING}: {read}", mend="Run OpenPose again")
                return read.people
        if shot.time is None or shot.name.rpartition("_")[0] in self._films:
            return ()
        if len(self._films) > 1:
            raise DataError(
                f"{self._folder} holds {len(self._films)} films, and none is called as {shot.file} is",
                mend="Name a folder that holds one film's files",
            )
        return next(iter(self._films.values())).get(number, ())


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
