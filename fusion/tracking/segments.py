"""From each pose's probabilities of actions to segments with beginning and end, causally.

An action begins when its smoothed probability leads the others clearly, and ends when another leads: the
hysteresis keeps a label that wavers from becoming many segments. The moment is where the unsmoothed
probabilities changed places.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMOOTH_S = 0.25
"""Time constant of the low-pass over probabilities, s; it is most of the delay."""
BEGINS, ENDS = 0.55, 0.35
"""An action goes on from the first smoothed probability to the second, or until another reaches the first."""
SHORTEST_S = 0.4
_GAP_S = 0.5


@dataclasses.dataclass(frozen=True)
class Segment:
    """A stretch of one action.

    Attributes:
        action: its name.
        start, stop: session time, ns; of one that goes on, ``stop`` is the newest pose.
        confidence: mean probability over it.
    """

    action: str
    start: int
    stop: int
    confidence: float


class ActionSegments:
    """Takes probabilities in order of time.

    Args:
        actions: names, in the order of the probabilities.

    Attributes:
        current: the segment that goes on, or None.
    """

    def __init__(self, actions: Sequence[str]) -> None:
        self.actions = tuple(actions)
        self.current: Segment | None = None
        self._smooth: NDArray[np.float64] | None = None
        self._time: int | None = None
        self._sum, self._count = 0.0, 0
        self._led: tuple[int, int] | None = None  # action that leads, since when
        self._lead, self._before = (0.0, 0), (0.0, 0)  # its sum and count since, and the segment's until then

    def update(self, time: int, probability: NDArray[np.floating[Any]]) -> list[Segment]:
        """Return the segments that ended.

        Args:
            time: session time, ns.
            probability: (A,) of the actions.
        """
        if len(probability) != len(self.actions) or not len(probability):
            return []
        p = np.asarray(probability, np.float64)
        out: list[Segment] = []
        if self._smooth is None or self._time is None or time - self._time > _GAP_S * 1e9:
            out = self.close()
            self._smooth = p.copy()
        else:
            gain = 1.0 - math.exp(-(time - self._time) / 1e9 / SMOOTH_S)
            self._smooth = self._smooth + gain * (p - self._smooth)
        self._time = time
        leads = int(p.argmax())
        if self._led is None or self._led[0] != leads:
            self._led, self._lead, self._before = (leads, time), (0.0, 0), (self._sum, self._count)
        self._lead = (self._lead[0] + float(p[leads]), self._lead[1] + 1)
        best = int(self._smooth.argmax())
        if self.current is not None:
            mine = self.actions.index(self.current.action)
            if self._smooth[mine] < ENDS or (best != mine and self._smooth[best] >= BEGINS):
                gone = self._led[0] != mine
                out += self._end(self._led[1] if gone else time, self._before if gone else None)
            else:
                self._sum, self._count = self._sum + float(p[mine]), self._count + 1
                self.current = dataclasses.replace(
                    self.current, stop=time, confidence=self._sum / self._count
                )
        if self.current is None and self._smooth[best] >= BEGINS:
            start = self._led[1] if self._led[0] == best else time
            self._sum, self._count = self._lead if self._led[0] == best else (float(p[best]), 1)
            self.current = Segment(self.actions[best], start, time, self._sum / self._count)
        return out

    def close(self) -> list[Segment]:
        """Return the segment that went on until now."""
        return self._end(self._time or 0) if self.current is not None else []

    def _end(self, time: int, until: tuple[float, int] | None = None) -> list[Segment]:
        assert self.current is not None
        ended, self.current = self.current, None
        if until is not None and until[1]:
            ended = dataclasses.replace(ended, confidence=until[0] / until[1])
        stop = max(time, ended.start)
        if stop - ended.start < SHORTEST_S * 1e9:
            return []
        return [dataclasses.replace(ended, stop=stop)]
