"""The person's box: where the body is in the picture, and how large, smoothed causally."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

CENTRE_S = 0.10
SIZE_S = 0.40
"""Time constants: the centre follows a walking person, the size does not breathe with each gesture."""

JUMP = 0.6
"""A centre that moves by so many sizes from frame to frame, or a size that changes by the factor
1 + 0.6, belongs to another person or a new sighting: the box starts anew."""

STALE_S = 1.0


def box_of(xy: NDArray[np.floating[Any]], present: NDArray[Any]) -> NDArray[np.float64]:
    """Return centre x, centre y and size (..., 3) of the box around the joints that are present.

    Args:
        xy: (..., J, 2), any unit; at least one joint present for each person.
        present: (..., J), true or non-zero where measured.

    Returns:
        In the unit of ``xy``. Size is the longer side, without margin: joints lie within +-0.5 of it.
    """
    mask = np.asarray(present, bool)[..., None]
    low = np.min(np.where(mask, xy, np.inf), axis=-2)
    high = np.max(np.where(mask, xy, -np.inf), axis=-2)
    size = np.max(high - low, axis=-1, keepdims=True)
    return np.concatenate([(low + high) / 2.0, size], axis=-1)


class BoxFilter:
    """First-order low pass of the box from frame to frame, in the unit it is given."""

    def __init__(self) -> None:
        self._box: NDArray[np.float64] | None = None
        self._time = 0

    def __call__(self, box: NDArray[np.float64], time: int) -> NDArray[np.float64]:
        """Return the smoothed box (3,) given the box (3,) of a frame taken at ``time`` ns."""
        box = np.array(box, np.float64)
        box[2] = max(box[2], 1e-6)
        if self._box is None or self._is_new(box, time):
            self._box = box
        else:
            dt = max(time - self._time, 0) / 1e9
            gain = np.array([1 - math.exp(-dt / tau) for tau in (CENTRE_S, CENTRE_S, SIZE_S)])
            self._box = self._box + gain * (box - self._box)
        self._time = time
        return self._box.copy()

    def follow(self, box: NDArray[np.float64], time: int) -> NDArray[np.float64]:
        """Go on from the box (3,) that another filter gave at ``time`` ns; return it."""
        self._box, self._time = np.array(box, np.float64), time
        return self._box.copy()

    def _is_new(self, box: NDArray[np.float64], time: int) -> bool:
        old = self._box
        assert old is not None
        moved = float(np.hypot(*(box[:2] - old[:2]))) / max(old[2], box[2])
        grown = max(box[2] / old[2], old[2] / box[2])
        return moved > JUMP or grown > 1 + JUMP or (time - self._time) > STALE_S * 1e9
