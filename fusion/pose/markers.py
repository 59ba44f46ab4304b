"""TRC files: joints in 3D as markers, mm from the middle of the hips, for OpenSim and its kin."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fusion.geometry.trc import trc
from fusion.pose.frame import Frame, Joints
from fusion.pose.table import known
from fusion.pose.writer import Image, Writer
from fusion.vision.screenshots import or_nothing

_OPENSIM = np.array([1.0, -1.0, -1.0])
"""Camera axes (x right, y down, z forward) to y up and z towards who looks."""


class Trc(Writer):
    """Writes ``poses.trc``, or ``poses_person01.trc`` and so on, when all is known.

    Args:
        folder: for the files.
        source: joints of the front end.
        skeleton: joints that are written, without those that the front end's do not tell.
        people: how many are looked for.
    """

    name = "trc"

    def __init__(self, folder: Path, source: tuple[str, ...], skeleton: tuple[str, ...], people: int) -> None:
        self._folder, self._source, self._people = folder, source, people
        told = known(source, skeleton)
        self._skeleton = tuple(name for name, there in zip(skeleton, told, strict=True) if there)
        self._times: list[int] = []
        self._paths: dict[int, dict[int, Joints]] = {}

    def take(self, frame: Frame, image: Image | None) -> None:
        """Keep everybody's joints."""
        if frame.time is None:
            self.note = "trc: pictures that stand alone have no time (--fps makes a film of a folder)"
            return
        for seen in frame.people:
            world = seen.carried(self._source, self._skeleton).world
            if world is None:
                self.note = "trc: this front end tells no depth"
                return
            self._paths.setdefault(seen.number, {})[len(self._times)] = world
        self._times.append(frame.time)

    def close(self) -> None:
        """Write a file for each person, from their first to their last picture."""
        times = np.array(self._times, np.int64)
        for number, path in self._paths.items():
            first, last = min(path), max(path)
            places = np.full((last + 1 - first, len(self._skeleton), 3), np.nan)
            for row, world in path.items():
                places[row - first] = world * _OPENSIM
            name = "poses.trc" if self._people == 1 else f"poses_person{number:02d}.trc"
            path = self._folder / name
            with or_nothing(path), path.open("x", encoding="utf-8", newline="") as file:
                file.write(trc(name, self._skeleton, times[first : last + 1], places))
