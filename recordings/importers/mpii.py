"""MPII Human Pose: its own annotations (.mat), and the JSON that pose networks are trained from.

M. Andriluka, L. Pishchulin, P. Gehler, B. Schiele, "2D Human Pose Estimation: New Benchmark and State of the
Art Analysis", CVPR 2014.
::

    ROOT/mpii_human_pose_v1_u12_1.mat   RELEASE.annolist(i).annorect(k).annopoints.point(j)
    ROOT/annotations/mpii_train.json    [{image, joints (16, 2), joints_vis (16), center, scale}, ...]
    ROOT/images/015601864.jpg

Points have x, y, id and is_visible. Both count pixels from 1, as MATLAB does; here they are counted from 0.
There are no boxes: they are drawn around the joints. Joints are :data:`drivers.joints.MPII16`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers.errors import DataError
from drivers.joints import MPII16
from recordings.importers.annotated import (
    FILLED,
    HIDDEN,
    SEEN,
    UNKNOWN,
    AnnotatedPerson,
    AnnotatedSet,
    around,
    leads_out,
    pictures_folder,
)
from recordings.importers.coco import msgspec_file

HEAD = 0.6
"""Of the diagonal of the head's box: the size of the head in PCKh (MPII's own evaluation)."""


class _Row(msgspec.Struct):
    image: str
    joints: list[list[float]]
    joints_vis: list[float]


def read_mpii(path: str | Path, pictures: str | Path | None = None) -> AnnotatedSet:
    """Read annotations (.mat or .json); single ones that are wrong are told in ``faults``.

    Args:
        path: the file.
        pictures: folder of its pictures; by default ``images`` beside it.

    Raises:
        DataError: it is not there, damaged, or holds something else.
    """
    path = Path(path).expanduser()
    return _read_mat(path, pictures) if path.suffix == ".mat" else _read_json(path, pictures)


def _read_json(path: Path, pictures: str | Path | None) -> AnnotatedSet:
    rows = msgspec_file(path, list[_Row], "MPII's joints")
    names = list(dict.fromkeys(row.image for row in rows))
    folder = pictures_folder(path, names, pictures)
    faults, people = [], []
    for number, row in enumerate(rows):
        joints = np.zeros((16, 2)) if any(len(xy) != 2 for xy in row.joints) else np.array(row.joints)
        if len(row.joints) != 16 or len(row.joints_vis) != 16 or joints.shape != (16, 2):
            faults.append(f"row {number} ({row.image}): not 16 joints of x and y")
            continue
        visibility = np.where(np.array(row.joints_vis) > 0, SEEN, UNKNOWN)
        _take(people, faults, f"row {number} ({row.image})", folder, row.image, joints - 1.0, visibility)
    return AnnotatedSet(path, MPII16, people, _places(folder, names), {}, faults)


def _read_mat(path: Path, pictures: str | Path | None) -> AnnotatedSet:
    release = _release(path)
    entries = np.atleast_1d(getattr(release, "annolist", np.empty(0)))
    names = [str(getattr(getattr(entry, "image", None), "name", "")) for entry in entries]
    if not any(names):
        raise DataError(f"{path.name} names no pictures", mend="Get mpii_human_pose_v1_u12_1.mat again")
    folder = pictures_folder(path, [name for name in names if name], pictures)
    faults: list[str] = []
    people: list[AnnotatedPerson] = []
    for entry, name in zip(entries, names, strict=True):
        for number, rect in enumerate(np.atleast_1d(getattr(entry, "annorect", np.empty(0)))):
            points = np.atleast_1d(getattr(getattr(rect, "annopoints", None), "point", np.empty(0)))
            if not len(points):
                continue  # of the test set, or only a head
            who = f"{name}, person {number + 1}"
            try:
                joints, visibility = _joints(points)
                corners = [float(getattr(rect, key)) for key in ("x1", "y1", "x2", "y2")]
            except (AttributeError, TypeError, ValueError, IndexError) as error:
                faults.append(f"{who}: {error}")
                continue
            head = HEAD * float(np.hypot(corners[2] - corners[0], corners[3] - corners[1]))
            _take(people, faults, who, folder, name, joints - 1.0, visibility, head)
    return AnnotatedSet(path, MPII16, people, _places(folder, names), {}, faults)


def _release(path: Path) -> Any:
    """Return the structure RELEASE. MATLAB files hold numbers and texts only: nothing in them is run."""
    from scipy.io import loadmat

    if not path.is_file():
        raise DataError(f"there is no {path}", mend="Name mpii_human_pose_v1_u12_1.mat")
    try:
        content = loadmat(path, struct_as_record=False, squeeze_me=True, variable_names=["RELEASE"])
        return content["RELEASE"]
    except Exception as error:  # of damaged bytes the reader raises whatever comes
        raise DataError(
            f"{path.name} is not MPII's annotations ({type(error).__name__}: {error})",
            mend="Get mpii_human_pose_v1_u12_1.mat again, whole",
        ) from None


def _joints(points: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    joints, visibility = np.zeros((16, 2)), np.full(16, UNKNOWN)
    for point in points:
        number = int(point.id)
        if not 0 <= number < 16:
            raise ValueError(f"joint {number}, not 0 .. 15")
        joints[number] = float(point.x), float(point.y)
        told = np.atleast_1d(getattr(point, "is_visible", np.empty(0)))
        # Empty for heads: they were annotated as boxes. It is a number, or the text of one.
        visibility[number] = HIDDEN if len(told) and str(told[0]).strip() in ("0", "0.0") else SEEN
    return joints, visibility


def _take(
    people: list[AnnotatedPerson],
    faults: list[str],
    who: str,
    folder: Path,
    name: str,
    joints: NDArray[np.float64],
    visibility: NDArray[np.int64],
    head_px: float = 0.0,
) -> None:
    known = visibility > UNKNOWN
    if not known.any():
        return
    if not np.isfinite(joints[known]).all() or np.abs(joints[known]).max() > 1e6:
        faults.append(f"{who}: joints that are not finite")
        return
    if leads_out(name):
        faults.append(f"{who}: the picture's name leads out of the set")
        return
    box = around(joints[known])
    points = np.where(known[:, None], joints, 0.0).astype(np.float32)
    area = FILLED * box[2] * box[3]
    people.append(AnnotatedPerson(folder / name, points, visibility.astype(np.uint8), box, area, head_px))


def _places(folder: Path, names: list[str]) -> list[Path]:
    return [folder / name for name in dict.fromkeys(names) if name and not leads_out(name)]
