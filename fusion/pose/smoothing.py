"""Key points without jitter: causally while they come, or without lag once all are there."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fusion.geometry.smooth import smoothed
from fusion.pose.frame import Frame, Joints, Seen

Method = Literal["auto", "none", "one-euro", "butterworth"]

CUTOFF_HZ = 6.0
"""Of the Butterworth low-pass, usual for gait: Winter, "Biomechanics and Motor Control of Human Movement"."""
MIN_CUTOFF_HZ, SPEED_HZ, DERIVATIVE_HZ = 1.5, 8.0, 1.0
"""Of the One-Euro filter: what passes at rest, how much more at one body's size a second; of the speed."""
FORGET_S = 0.5
"""Who was away for longer begins anew."""
LEAP = 0.5
"""A box whose middle moves by so much of its longer side from one picture to the next is somebody else's."""


class OneEuro:
    """The filter of Casiez, Roussel and Vogel, "1 € Filter", CHI 2012: slow where slow, quick where quick.

    One for each person. Speeds are counted in body sizes, so that near and far people are filtered alike.
    """

    def __init__(self) -> None:
        self._time: float | None = None

    def __call__(self, time_s: float, values: NDArray[np.floating], size: float) -> NDArray[np.float64]:
        """Return values (J, D) of a time filtered with all before them; what is NaN begins anew.

        Args:
            time_s: rising, s.
            values: in any unit.
            size: of the body, in that unit.
        """
        new = np.asarray(values, np.float64)
        if self._time is None or not 0 < time_s - self._time <= FORGET_S:
            self._time, self._value, self._speed = time_s, new, np.zeros_like(new)
            return new
        step = time_s - self._time
        old = np.where(np.isfinite(self._value), self._value, new)
        speed = np.nan_to_num((new - old) / step)
        self._speed = self._speed + _share(DERIVATIVE_HZ, step) * (speed - self._speed)
        cutoff = MIN_CUTOFF_HZ + SPEED_HZ * np.linalg.norm(self._speed, axis=1, keepdims=True) / max(
            size, 1e-6
        )
        self._value = old + _share(cutoff, step) * (new - old)
        self._time = time_s
        return self._value


def _share(cutoff_hz: NDArray[np.float64] | float, step_s: float) -> NDArray[np.float64] | float:
    """Return the weight of the newest value in a low-pass of first order."""
    return 1.0 / (1.0 + 1.0 / (2 * math.pi * cutoff_hz * step_s))


class Live:
    """One-Euro over everybody, picture by picture."""

    def __init__(self) -> None:
        self._filters: dict[int, tuple[OneEuro, OneEuro]] = {}
        self._last: dict[int, Seen] = {}

    def __call__(self, frame: Frame) -> Frame:
        """Return a picture with its people filtered."""
        if frame.time is None:
            return frame
        people = []
        for seen in frame.people:
            if leapt(self._last.get(seen.number), seen):
                self._filters.pop(seen.number, None)
            self._last[seen.number] = seen
            points, world = self._filters.setdefault(seen.number, (OneEuro(), OneEuro()))
            time_s = frame.time * 1e-9
            moved = points(time_s, seen.keypoints, max(seen.box[2:]))
            there = None if seen.world is None else world(time_s, seen.world, 1.7)
            people.append(_with(seen, moved, there))
        return dataclasses.replace(frame, people=tuple(people))


def leapt(before: Seen | None, now: Seen) -> bool:
    """Whether somebody else is followed now: a single person's number goes over to who is still in view."""
    if before is None:
        return False
    (ax, ay, aw, ah), (bx, by, bw, bh) = before.box, now.box
    far = math.hypot(ax + aw / 2 - bx - bw / 2, ay + ah / 2 - by - bh / 2)
    return far > LEAP * max(aw, ah, bw, bh)


def zero_phase(frames: Sequence[Frame], cutoff_hz: float = CUTOFF_HZ) -> list[Frame]:
    """Return the pictures of a film with everybody's paths through a Butterworth low-pass, there and back.

    Nobody is put into a picture where nobody was found; short gaps are bridged for the filter alone.

    Args:
        frames: in the order of time, each with one.
        cutoff_hz: of the low-pass.
    """
    people: list[list[Seen]] = [list(frame.people) for frame in frames]
    paths: list[list[tuple[int, int]]] = []
    newest: dict[int, list[tuple[int, int]]] = {}
    for row, seen in enumerate(people):
        for column, one in enumerate(seen):
            path = newest.get(one.number)
            if path is None or leapt(people[path[-1][0]][path[-1][1]], one):
                path = newest[one.number] = []
                paths.append(path)
            path.append((row, column))
    for path in paths:
        first, last = path[0][0], path[-1][0]
        times = np.array([frame.time for frame in frames[first : last + 1]], np.int64)
        ones = [people[row][column] for row, column in path]
        rows = np.array([row - first for row, _ in path])
        points = _filtered(times, rows, np.stack([one.keypoints for one in ones]), cutoff_hz)
        worlds = [one.world for one in ones if one.world is not None]
        world = _filtered(times, rows, np.stack(worlds), cutoff_hz) if len(worlds) == len(ones) else None
        for at, (row, column) in enumerate(path):
            people[row][column] = _with(ones[at], points[at], None if world is None else world[at])
    return [dataclasses.replace(f, people=tuple(p)) for f, p in zip(frames, people, strict=True)]


def _filtered(
    times: NDArray[np.int64], rows: NDArray[np.intp], values: Joints, cutoff_hz: float
) -> NDArray[np.float64]:
    """Return (N, J, D) values, each at one of the times (T,), filtered."""
    whole = np.full((len(times), *values.shape[1:]), np.nan)
    whole[rows] = values
    out = smoothed(times, whole, cutoff_hz, floor=None)[rows]
    return np.where(np.isfinite(values), out, np.nan)


def _with(seen: Seen, keypoints: NDArray[np.floating], world: NDArray[np.floating] | None) -> Seen:
    moved = None if world is None else world.astype(np.float32)
    return dataclasses.replace(seen, keypoints=keypoints.astype(np.float32), world=moved)
