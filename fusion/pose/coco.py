"""COCO key points: a list of results as ``pycocotools`` and its kin load them, and the pictures they are of.

https://cocodataset.org/#format-results: one entry a person, ``keypoints`` x, y and a third value for each of
the 17 joints. That value is the joint's score here, as other tools have it; evaluation does not read it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from fusion.pose.frame import Frame
from fusion.pose.writer import Image, Writer
from fusion.skeletons import COCO17, bones

RESULTS, IMAGES = "coco_results.json", "coco_images.json"
CATEGORY: dict[str, Any] = {
    "id": 1,
    "name": "person",
    "supercategory": "person",
    "keypoints": list(COCO17),
    "skeleton": [[a + 1, b + 1] for a, b in bones(COCO17)],
}


class _List:
    """A list in a JSON file, an entry a line, that can be ended whatever happened."""

    def __init__(self, path: Path, head: str, tail: str) -> None:
        self._path, self._head, self._tail = path, head, tail
        self._file: TextIO = path.open("x", encoding="utf-8")
        self._file.write(head)
        self.count, self._full = 0, False

    def add(self, entry: dict[str, Any]) -> None:
        try:
            self._file.write(("," if self.count else "") + "\n" + json.dumps(entry))
        except OSError:
            self._full = True
            raise
        self.count += 1

    def close(self) -> None:
        try:
            with self._file:
                if not self._full:
                    self._file.write(self._tail)
        except OSError:
            self._full = True
            raise
        finally:
            if self._full:  # an entry that may be half written makes room for the end
                with self._path.open("r+b") as file:
                    last = file.read().rfind(b",\n")
                    file.truncate(last if last > 0 else len(self._head))
                    file.seek(0, os.SEEK_END)
                    file.write(self._tail.encode())


class CocoResults(Writer):
    """Writes ``coco_results.json`` and ``coco_images.json``; the latter has the form of COCO's annotations.

    The number of a picture whose name is a number is that number, as in COCO itself; otherwise they are
    counted from 1.

    Args:
        folder: for both files.
        source: joints of the front end.
    """

    name = "coco"

    def __init__(self, folder: Path, source: tuple[str, ...]) -> None:
        self._source = source
        self._results = _List(folder / RESULTS, "[", "\n]\n")
        about = '{"categories": ' + json.dumps([CATEGORY]) + ', "annotations": [], "images": ['
        self._images = _List(folder / IMAGES, about, "\n]}\n")
        self._numbers: set[int] = set()

    def take(self, frame: Frame, image: Image | None) -> None:
        """Write a picture and an entry for each person in it."""
        number = self._number(frame)
        width, height = frame.size
        about = {"id": number, "file_name": _file_name(frame), "width": width, "height": height}
        if frame.time is not None:
            about |= {"time_s": round(frame.time * 1e-9, 6), "frame": frame.number, "video": frame.file}
        self._images.add(about)
        for seen in frame.people:
            one = seen.carried(self._source, COCO17)
            if not (one.score > 0).any():
                continue
            rows = np.column_stack([np.nan_to_num(one.keypoints), one.score])
            entry = {
                "image_id": number,
                "category_id": 1,
                "keypoints": [round(float(value), 3) for value in rows.ravel()],
                "score": round(float(one.score[one.score > 0].mean()), 4),
                "person": one.number,
            }
            self._results.add(entry)

    def close(self) -> None:
        """End both files in good form."""
        try:
            self._results.close()
        finally:
            self._images.close()

    def _number(self, frame: Frame) -> int:
        stem = Path(frame.file).stem
        number = int(stem) if frame.time is None and stem.isdecimal() else self._images.count + 1
        while number in self._numbers:
            number += 1
        self._numbers.add(number)
        return number


def _file_name(frame: Frame) -> str:
    return frame.file if frame.time is None else f"{frame.name}.jpg"
