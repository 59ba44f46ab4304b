"""Key points of several cameras at the same moments.

::

    camera 1   | x     x     x     x          each camera's pictures at their own session times
    camera 2   |   x     x     x     x
    moments    | ^     ^     ^     ^          those of the first camera; the others in between, linearly
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.errors import DataError

GAP = 2.5
"""Pictures farther apart than so many periods are not read between."""


@dataclasses.dataclass(frozen=True)
class Track:
    """One person in one camera.

    Attributes:
        times: (F,) ns of session time, rising.
        pixels: (F, J, 2) px, NaN where nobody is seen.
        score: (F, J) in [0, 1].
        variance: (F, J, 3) px²: var_x, cov_xy, var_y.
    """

    times: NDArray[np.int64]
    pixels: NDArray[np.float64]
    score: NDArray[np.float64]
    variance: NDArray[np.float64]

    @property
    def period_ns(self) -> float:
        """Usual time from picture to picture."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 1e9

    def at(self, moments: NDArray[np.int64]) -> Track:
        """Return the track at other times (T,), linearly between its pictures."""
        after = np.clip(np.searchsorted(self.times, moments), 1, max(len(self.times) - 1, 1))
        after = np.minimum(after, len(self.times) - 1)
        before = np.maximum(after - 1, 0)
        span = (self.times[after] - self.times[before]).astype(np.float64)
        part = (moments - self.times[before]) / np.where(span > 0, span, 1.0)
        limit = GAP * self.period_ns
        # A picture that is nearly at the moment is taken as it is, at the ends too.
        part = np.where(np.abs(part) * span < 0.02 * self.period_ns, 0.0, part)
        part = np.where(np.abs(1 - part) * span < 0.02 * self.period_ns, 1.0, part)
        known = (span <= limit) & (part >= 0) & (part <= 1)
        return Track(
            moments,
            _between(self.pixels, before, after, part, known),
            np.nan_to_num(_between(self.score, before, after, part, known)),
            np.nan_to_num(_between(self.variance, before, after, part, known)),
        )


def _between(
    values: NDArray[np.float64],
    before: NDArray[np.intp],
    after: NDArray[np.intp],
    part: NDArray[np.float64],
    known: NDArray[np.bool_],
) -> NDArray[np.float64]:
    shape = (-1, *(1,) * (values.ndim - 1))
    share = part.reshape(shape)
    # A picture that has no share must not spoil the other with its NaN.
    early = np.where(share < 1, values[before] * (1 - share), 0.0)
    late = np.where(share > 0, values[after] * share, 0.0)
    return np.where(known.reshape(shape), early + late, np.nan)


def together(tracks: Mapping[str, Track]) -> tuple[NDArray[np.int64], list[Track]]:
    """Return the moments (T,) that at least two cameras share, and all tracks at them.

    Moments are those of the slowest camera, so that no picture is made up in between more than need be.

    Raises:
        DataError: no two cameras saw anything at the same time.
    """
    slowest = max(tracks.values(), key=lambda track: track.period_ns)
    spans: Sequence[tuple[int, int]] = [(int(t.times[0]), int(t.times[-1])) for t in tracks.values()]
    margin = round(slowest.period_ns / 2)
    shared = np.sum([(slowest.times >= a - margin) & (slowest.times <= b + margin) for a, b in spans], axis=0)
    moments = slowest.times[shared >= 2]
    if len(moments) < 2:
        raise DataError(
            "the cameras were never recorded at the same time",
            mend="Record them in one session; films of one event start together with the same start_s",
        )
    return moments, [track.at(moments) for track in tracks.values()]
