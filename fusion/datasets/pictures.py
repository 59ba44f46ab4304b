"""COCO and MPII: annotations counted, their pictures looked for, headers and ends of files compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from drivers.errors import DataError
from fusion.datasets.report import SetReport, some
from recordings.importers.annotated import HIDDEN, SEEN, AnnotatedSet
from recordings.importers.coco import read_coco
from recordings.importers.mpii import read_mpii

_HEAD = 1 << 16
"""Bytes of a file that tell which set it is of."""
_ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89PNG": b"IEND\xaeB\x60\x82"}
_PICTURES = (".jpg", ".jpeg", ".png")


def coco(folder: Path, deep: bool) -> list[SetReport]:
    """Look for files in COCO's format that name key points."""
    reports = []
    for path in _files(folder, (".json",), ("annotations", "")):
        head = _head(path)
        if not head.lstrip().startswith(b"{") or not (b'"images"' in head or b'"annotations"' in head):
            continue
        if path.name.startswith(("instances_", "captions_", "image_info_", "stuff_", "panoptic_")):
            continue  # of COCO, and of other things than key points
        reports += _report(path, read_coco, deep)
    if not reports:
        splits = [name for name in ("train2017", "val2017") if (folder / name).is_dir()]
        if splits:
            wanted = [f"annotations/person_keypoints_{name}.json" for name in splits]
            facts = {"pictures": f"in {', '.join(splits)}"}
            reports.append(SetReport(folder, facts, missing=some("annotation files absent", wanted)))
    return reports


def mpii(folder: Path, deep: bool) -> list[SetReport]:
    """Look for MPII's annotations, its own or as JSON."""
    reports = []
    for path in _files(folder, (".json", ".mat"), ("annotations", "annot", "")):
        head = _head(path)
        if path.suffix == ".mat":
            if not path.name.startswith("mpii_human_pose"):
                continue
        elif not head.lstrip().startswith(b"[") or b'"joints_vis"' not in head:
            continue
        reports += _report(path, read_mpii, deep)
    return reports


def _files(folder: Path, endings: tuple[str, ...], below: tuple[str, ...]) -> list[Path]:
    if folder.is_file():
        return [folder] if folder.suffix in endings else []
    places = [folder / name for name in below]
    found = [path for place in places if place.is_dir() for path in sorted(place.iterdir())]
    return [path for path in found if path.suffix in endings and path.is_file()]


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""


def _report(path: Path, read: Callable[[Path], AnnotatedSet], deep: bool) -> list[SetReport]:
    try:
        found = read(path)
    except DataError as error:
        if "no key points" in error.what:
            return []  # COCO's format, and another purpose
        return [SetReport(path, {}, broken=[error.what])]
    absent = found.absent
    gone = set(absent)
    persons = [person for person in found.people if not person.crowd]
    visible = np.array([person.visibility for person in persons] or np.zeros((0, len(found.joints))))
    facts = {
        "pictures": f"{len(found.pictures) - len(absent)} of {len(found.pictures)} that are named",
        "people": f"{len(persons)}, of them {sum(person.known > 0 for person in persons)} with key points",
        "joints": f"{len(found.joints)}; {(visible == SEEN).sum()} seen, {(visible == HIDDEN).sum()} hidden",
        "crowds": str(len(found.people) - len(persons)),
    }
    if found.about:
        facts = {"about": found.about, **facts}
    if found.licences:
        facts["pictures by licence"] = ", ".join(f"{count} {name}" for name, count in found.licences.items())
    foreign = read is read_coco and not re.search(
        r"\bcoco\b|^person_keypoints_", f"{found.about}\n{path.name}", re.I | re.M
    )
    licence = "its makers' own: the file is in COCO's format and not of COCO" if foreign else ""
    report = SetReport(
        path, facts, licence=licence, missing=some("pictures absent", [p.name for p in absent])
    )
    report.broken.extend(some("annotations that are wrong", found.faults))
    there = [picture for picture in found.pictures if picture not in gone]
    damaged, resized = _damaged(there, found.sizes, deep)
    report.broken.extend(some("pictures damaged or cut off", damaged))
    report.broken.extend(some("pictures of another size than the annotations tell", resized))
    outside = [
        f"{p.picture.name} ({name})"
        for p in persons
        if p.picture in found.sizes
        for name in _outside(p.points[p.visibility > 0], found.sizes[p.picture])
    ]
    report.notes.extend(some("people with key points outside their picture", outside))
    annotated = {person.picture for person in persons if person.known}
    bare = [picture.name for picture in found.pictures if picture not in annotated]
    report.notes.extend(some("pictures of nobody with key points", bare))
    folders = {picture.parent for picture in there[:1000]}
    named = set(found.pictures)
    for folder in sorted(folders):
        own = [p for p in folder.iterdir() if p.suffix.lower() in _PICTURES]
        stray = sorted(p.name for p in own if p not in named)
        report.notes.extend(some(f"pictures in {folder.name} that the file does not name", stray))
    return [report]


def _outside(points: np.ndarray, size: tuple[int, int]) -> list[str]:
    beyond = (points < -1.0).any() or (points > np.array(size) + 1.0).any() if len(points) else False
    return [f"{size[0]} x {size[1]}"] if beyond else []


def _damaged(
    pictures: list[Path], sizes: dict[Path, tuple[int, int]], deep: bool
) -> tuple[list[str], list[str]]:
    """Return names of pictures that are cut off or no pictures, and of those of another size than told."""
    import PIL.Image

    damaged, resized = [], []
    for path in pictures:
        try:
            if not _ends_well(path):
                raise OSError("cut off")
            with PIL.Image.open(path, formats=("JPEG", "PNG")) as opened:
                size = opened.size
                if deep:
                    opened.load()
        except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
            damaged.append(path.name)
            continue
        if path in sizes and sizes[path] != size:
            resized.append(path.name)
    return damaged, resized


def _ends_well(path: Path) -> bool:
    """Return whether a JPEG or PNG has its end; some cameras pad it."""
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 4096))
        end = file.read()
    return all(mark in end for begin, mark in _ENDS.items() if start.startswith(begin))
