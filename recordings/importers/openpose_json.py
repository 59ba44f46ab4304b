"""OpenPose's folders of JSON, one file a frame, as what they say.

Format: CMU-Perceptual-Computing-Lab/openpose, doc/02_output.md; ``--write_json``::

    walk_000000000000_keypoints.json    {"version": 1.3, "people": [{"person_id": [-1],
                                         "pose_keypoints_2d": [x0, y0, c0, x1, ...], ...}, ...]}

25 joints are BODY_25, 18 the COCO model. x = y = c = 0 is a joint that was not found. Older versions
wrote ``pose_keypoints``. Nothing tells time, frame rate or the size of the pictures.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers.errors import DataError
from drivers.joints import OPENPOSE18, OPENPOSE25

ENDING = "_keypoints.json"
_NAME = re.compile(r"(?P<film>.*?)_?(?P<frame>\d+)_keypoints\.json\Z")
_MODELS = {54: OPENPOSE18, 75: OPENPOSE25}
_MAX_BYTES = 16 << 20
_MAX_PEOPLE = 1000


class _Person(msgspec.Struct):
    person_id: int | list[int] = -1
    pose_keypoints_2d: list[float] = []
    pose_keypoints: list[float] = []


class _Frame(msgspec.Struct):
    people: list[_Person]


@dataclasses.dataclass(frozen=True)
class OpenPoseFrame:
    """What one file says.

    Attributes:
        number: of the frame, as the file's name tells.
        people: (P, J, 3) float32: x, y in px, confidence; 0 where a joint was not found.
        ids: (P) as OpenPose followed people, -1 where it did not.
    """

    number: int
    people: NDArray[np.float32]
    ids: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class OpenPoseFolder:
    """A film's frames in order.

    Attributes:
        film: its name.
        joints: (J) names.
        frames: rising by number.
        faults: files that could not be read, and why.
    """

    film: str
    joints: tuple[str, ...]
    frames: list[OpenPoseFrame]
    faults: list[str]

    @property
    def missing(self) -> int:
        """Frames between the first and the last that have no file."""
        return self.frames[-1].number - self.frames[0].number + 1 - len(self.frames) if self.frames else 0


def films(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each film in a folder, by its name, in order; empty where there are none."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(folder.glob(f"*{ENDING}")):
        match = _NAME.match(path.name)
        if match is not None:
            found.setdefault(match["film"], []).append((int(match["frame"]), path))
        else:  # of pictures, which need no number
            every = found.setdefault("", [])
            every.append((len(every), path))
    return {film: [path for _, path in sorted(files)] for film, files in found.items()}


def read_folder(
    folder: str | Path, film: str = "", on_progress: Callable[[int, int], None] = lambda done, of: None
) -> OpenPoseFolder:
    """Read a film's files; those that are wrong are told in ``faults``.

    Args:
        folder: with files ``*_keypoints.json``.
        film: which, where the folder has several.
        on_progress: called with files read and files in all.

    Raises:
        DataError: there are none, of several films none is named, or no file can be read.
    """
    base = Path(folder).expanduser()
    known = films(base) if base.is_dir() else {}
    if not known:
        raise DataError(
            f"OpenPose: {folder} has no files *_keypoints.json", mend="Name the folder given to --write_json"
        )
    if film not in known and len(known) > 1:
        named = ", ".join(sorted(known)[:8])
        raise DataError(f"OpenPose: {folder} has {len(known)} films", mend=f"Name one with --film: {named}")
    name = film if film in known else next(iter(known))
    if film and film != name:
        raise DataError(f"OpenPose: {folder} has no film '{film}'", mend=f"It has '{name}'")
    frames, faults, joints = [], [], ()
    for done, path in enumerate(known[name]):
        on_progress(done, len(known[name]))
        match = _NAME.match(path.name)
        read = read_frame(path, int(match["frame"]) if match else done)
        if isinstance(read, str):
            faults.append(f"{path.name}: {read}")
        elif joints and len(read.people) and read.people.shape[1] != len(joints):
            faults.append(f"{path.name}: {read.people.shape[1]} joints, {len(joints)} before")
        else:
            if len(read.people):
                joints = _MODELS[3 * read.people.shape[1]]
            frames.append(read)
    if not frames:
        raise DataError(f"OpenPose: {faults[0]}", mend="Run OpenPose again with --write_json")
    return OpenPoseFolder(name or base.name, joints or OPENPOSE25, frames, faults)


def read_frame(path: Path, number: int) -> OpenPoseFrame | str:
    """Return what the file of a frame says, or what is wrong with it."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            return "far larger than a frame is"
        frame = msgspec.json.decode(path.read_bytes(), type=_Frame)
    except OSError as error:
        return error.strerror or str(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"no frame of OpenPose ({error})"
    if len(frame.people) > _MAX_PEOPLE:
        return f"{len(frame.people)} people"
    rows = [person.pose_keypoints_2d or person.pose_keypoints for person in frame.people]
    sizes = {len(row) for row in rows if row}
    if len(sizes) > 1 or not sizes <= set(_MODELS):
        return f"{sorted(sizes)} numbers a person, not 75 (BODY_25) or 54 (COCO)"
    size = next(iter(sizes), 75)
    values = np.array([row for row in rows if row], np.float64).reshape(-1, size // 3, 3)
    if not np.isfinite(values).all() or np.abs(values).max(initial=0.0) > 1e6:
        return "numbers that are not finite or too large"
    ids = tuple(_id(person) for person, row in zip(frame.people, rows, strict=True) if row)
    return OpenPoseFrame(number, values.astype(np.float32), ids)


def _id(person: _Person) -> int:
    told = person.person_id
    return told if isinstance(told, int) else (told[0] if told else -1)
