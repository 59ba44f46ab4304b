"""COCO key points: ``person_keypoints_*.json`` beside pictures, and whatever is laid out so.

T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; cocodataset.org/#format-data.
::

    ROOT/annotations/person_keypoints_val2017.json   images, annotations, categories
    ROOT/val2017/000000000139.jpg

The names of the joints are those of the category, so that sets of other joints (CrowdPose, JHMDB,
PoseTrack ...) read as well.
"""

from __future__ import annotations

import collections
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from drivers.errors import DataError
from recordings.importers.annotated import (
    FILLED,
    AnnotatedPerson,
    AnnotatedSet,
    around,
    leads_out,
    pictures_folder,
)

MAX_BYTES = 2 << 30
"""Of an annotation file; COCO's largest has 240 MB."""

Id = int | str

T = TypeVar("T")


class _Info(msgspec.Struct):
    description: str = ""


class _Licence(msgspec.Struct):
    id: Id = 0
    name: str = ""


class _Picture(msgspec.Struct):
    id: Id
    file_name: str
    license: Id | None = None
    width: int = 0
    height: int = 0


class _Category(msgspec.Struct):
    id: int
    keypoints: list[str] = []


class _Annotation(msgspec.Struct):
    image_id: Id
    id: Id = 0
    category_id: int = 1
    keypoints: list[float] = []
    bbox: list[float] = []
    area: float = 0.0
    iscrowd: int | bool = 0


class _File(msgspec.Struct):
    images: list[_Picture]
    annotations: list[_Annotation]
    categories: list[_Category]
    info: _Info | None = None
    licenses: list[_Licence] | None = None


def read_coco(path: str | Path, pictures: str | Path | None = None) -> AnnotatedSet:
    """Read an annotation file; single annotations that are wrong are told in ``faults``.

    Args:
        path: the file (.json).
        pictures: folder of its pictures; by default where COCO has them.

    Raises:
        DataError: it is not there, damaged, or has no key points of people.
    """
    path = Path(path).expanduser()
    file = msgspec_file(path, _File, "COCO key points")
    categories = [category for category in file.categories if category.keypoints]
    if not categories:
        raise DataError(
            f"{path.name} has no key points: no category names any",
            mend="COCO's are in person_keypoints_*.json",
        )
    category = categories[0]
    folder = pictures_folder(path, [one.file_name for one in file.images], pictures)
    faults: list[str] = []
    where: dict[Id, Path] = {}
    sizes: dict[Path, tuple[int, int]] = {}
    for one in file.images:
        if leads_out(one.file_name):
            faults.append(f"picture {one.id}: its name '{one.file_name}' leads out of the set")
            continue
        where[one.id] = folder / one.file_name
        if one.width > 0 and one.height > 0:
            sizes[where[one.id]] = (one.width, one.height)
    people = []
    for one in file.annotations:
        if one.category_id != category.id:
            continue
        person = _person(one, where, len(category.keypoints))
        if isinstance(person, str):
            faults.append(f"annotation {one.id}: {person}")
        else:
            people.append(person)
    names = {one.id: one.name for one in file.licenses or ()}
    told = collections.Counter(
        names[one.license] for one in file.images if one.license is not None and one.license in names
    )
    about = " ".join((file.info.description if file.info else "").split())[:200]
    return AnnotatedSet(
        path, tuple(category.keypoints), people, list(where.values()), sizes, faults, about, dict(told)
    )


def _person(one: _Annotation, where: dict[Id, Path], joints: int) -> AnnotatedPerson | str:
    """Return the person of an annotation, or what is wrong with it."""
    if one.image_id not in where:
        return f"picture {one.image_id} is not listed"
    values = np.array(one.keypoints or [0.0] * (3 * joints), np.float64)
    if len(values) != 3 * joints:
        return f"{len(values)} values of key points, not {3 * joints}"
    x, y, seen = values.reshape(-1, 3).T
    if not np.isfinite(values).all() or np.abs(values).max(initial=0.0) > 1e6:
        return "key points that are not finite"
    if not np.isin(seen, (0, 1, 2)).all():
        return f"visibility {seen.max():g}, not 0, 1 or 2"
    if not one.bbox and (seen > 0).any():
        one.bbox = list(around(values.reshape(-1, 3)[seen > 0, :2]))
    if len(one.bbox) != 4 or not np.isfinite(one.bbox).all() or min(one.bbox[2:]) < 0:
        return f"box {one.bbox}, not x, y, width, height"
    box = (one.bbox[0], one.bbox[1], one.bbox[2], one.bbox[3])
    points = np.stack([x, y], axis=1).astype(np.float32)
    area = one.area if one.area > 0 else FILLED * box[2] * box[3]
    return AnnotatedPerson(
        where[one.image_id], points, seen.astype(np.uint8), box, area, crowd=bool(one.iscrowd)
    )


def msgspec_file(path: Path, kind: type[T], what: str) -> T:
    """Return a JSON file as ``kind``.

    Raises:
        DataError: it is not there, too large, no JSON, or not of that kind.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path.name} is larger than {MAX_BYTES >> 20} MiB", mend="Get it again")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}", mend=f"Name a file of {what}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        wrong = isinstance(error, msgspec.ValidationError)
        said = "are not in it" if wrong else "can't be read: it is damaged or cut off"
        raise DataError(f"{path.name}: {what} {said} ({error})", mend="Get the file again, whole") from None
