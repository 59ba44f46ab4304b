"""Impacts found in one stream: when, and how clearly."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CLOSEST_S = 0.12
"""Two impacts nearer than this are one, s: nobody claps faster than eight times a second."""


@dataclasses.dataclass(frozen=True)
class Events:
    """Impacts in order of time.

    Attributes:
        time: (E,) s, finite and increasing.
        strength: (E,) how far each stands out; larger is clearer, comparable within one stream only.
    """

    time: Array
    strength: Array

    def __len__(self) -> int:
        return len(self.time)

    def strongest(self, count: int) -> Events:
        """Return the ``count`` that stand out most, still in order of time."""
        if count >= len(self):
            return self
        keep = np.sort(np.argsort(-self.strength, kind="stable")[:count])
        return Events(self.time[keep], self.strength[keep])

    @classmethod
    def none(cls) -> Events:
        """Return no events."""
        return cls(np.zeros(0), np.zeros(0))

    @classmethod
    def joined(cls, parts: list[Events]) -> Events:
        """Return the events of parts, in order of time; of two that are one, the stronger."""
        if not parts:
            return cls.none()
        time = np.concatenate([part.time for part in parts])
        strength = np.concatenate([part.strength for part in parts])
        kept = apart(time, strength, CLOSEST_S)
        return cls(time[kept], strength[kept])


def apart(time: Array, strength: Array, closest_s: float) -> NDArray[np.intp]:
    """Return which (K,) events to keep, in order of time, so that none are nearer than ``closest_s``.

    The stronger of two wins.
    """
    kept: list[int] = []
    for one in np.argsort(-strength, kind="stable"):
        if all(abs(time[one] - time[other]) >= closest_s for other in kept):
            kept.append(int(one))
    return np.array(sorted(kept, key=lambda one: time[one]), np.intp)
