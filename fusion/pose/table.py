"""The table: a line for each picture, person and joint; units are in the header."""

from __future__ import annotations

import csv
import math
import os
import time
from pathlib import Path

import numpy as np

from fusion.pose.frame import Frame
from fusion.pose.writer import Image, Writer

HEADER = ("file", "frame", "time_s", "person", "joint", "x_px", "y_px", "x_m", "y_m", "z_m", "score")
_LINE = 8192
"""Bytes: no line is as long."""
_FLUSH_S = 1.0
"""What was written is on the disk after so long, whatever happens."""


class Table(Writer):
    """A CSV file in long form.

    Args:
        path: file to create.
        source: joints of the front end.
        skeleton: joints that are written.
    """

    name = "csv"

    def __init__(self, path: Path, source: tuple[str, ...], skeleton: tuple[str, ...]) -> None:
        self._source, self._skeleton = source, skeleton
        self._path = path
        self._file = path.open("x", newline="", encoding="utf-8")
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(HEADER)
        self._flushed = time.monotonic()

    def take(self, frame: Frame, image: Image | None) -> None:
        """Write a line for each joint; what is not known is left empty."""
        at = "" if frame.time is None else f"{frame.time * 1e-9:.6f}"
        for seen in frame.people:
            one = seen.carried(self._source, self._skeleton)
            places = one.keypoints.tolist()
            world = [[math.nan] * 3] * len(places) if one.world is None else one.world.tolist()
            for joint, place, metres, score in zip(
                self._skeleton, places, world, one.score.tolist(), strict=True
            ):
                px = ("", "") if place[0] != place[0] else (f"{place[0]:.2f}", f"{place[1]:.2f}")
                m = ("", "", "") if metres[0] != metres[0] else [f"{v:.4f}" for v in metres]
                self._rows.writerow(
                    (frame.file, frame.number, at, one.number, joint, *px, *m, f"{score:.3f}")
                )
        if time.monotonic() - self._flushed > _FLUSH_S:
            self._file.flush()
            self._flushed = time.monotonic()

    def close(self) -> None:
        """Write what is left; on a full disk the last line is a whole one all the same."""
        try:
            self._file.close()
        finally:
            with self._path.open("r+b") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _LINE))
                tail = file.read()
                if not tail.endswith(b"\n"):
                    file.truncate(file.tell() - len(tail) + tail.rfind(b"\n") + 1)


def known(source: tuple[str, ...], skeleton: tuple[str, ...]) -> np.ndarray:
    """Return (J,) bool: which joints of a set another set tells."""
    from fusion.skeletons import mapping

    return np.asarray(mapping(source, skeleton).known)
