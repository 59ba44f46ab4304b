"""When feet touch the ground and leave it, from the network's probability, causally.

The moment is where the probability crosses one half, between ticks; it is told once the foot has stayed in
its new state for :data:`SETTLED_S`, so that a flicker is no step. That is the delay of all that follows.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SETTLED_S = 0.1
"""A foot has come to stand, or has left, when it stays so for this long, s. In walking a swing takes 0.3 s
or more and a stance 0.5 s; in running both come near to 0.2 s."""
_SURE = 0.6
"""The probability must come at least so near to one side of a half to count as more than noise."""
_GAP_S = 0.5
MOVED_M = 0.06
"""A foot that comes to the ground has moved by so much since it left it, m, seen from the other foot: one
that was only believed to be off the ground has not."""

SIDES = ("left", "right")


@dataclasses.dataclass(frozen=True)
class Contact:
    """A foot came to the ground or left it.

    Attributes:
        time: session time, ns, of the moment itself.
        told: session time of the pose that settled it; ``told - time`` is the delay.
        side: ``left`` or ``right``.
        on: whether it came to the ground.
        moved: whether the foot moved between leaving the ground and coming to it; a step, not a doubt.
    """

    time: int
    told: int
    side: str
    on: bool
    moved: bool = True


@dataclasses.dataclass
class _Foot:
    on: bool | None = None
    crossed: int = 0  # when the probability came to the other side
    logit: float = 0.0
    furthest: float = 0.5  # the surest probability since it crossed
    low: NDArray[np.float64] | None = None  # smallest and largest place while off the ground
    high: NDArray[np.float64] | None = None

    def at(self, place: NDArray[np.float64]) -> None:
        """Note where it is while it is off the ground, or on its way off."""
        self.low = place if self.low is None else np.minimum(self.low, place)
        self.high = place if self.high is None else np.maximum(self.high, place)

    def moved(self) -> bool:
        """Return whether it moved; begins anew."""
        far = True
        if self.low is not None and self.high is not None:
            far = float(np.linalg.norm(self.high - self.low)) >= MOVED_M
        self.low = self.high = None
        return far


class FootContacts:
    """Takes probabilities in order of time."""

    def __init__(self) -> None:
        self._feet = (_Foot(), _Foot())
        self._time: int | None = None

    @property
    def standing(self) -> tuple[bool | None, bool | None]:
        """Left and right foot: on the ground, not, or not known yet."""
        return self._feet[0].on, self._feet[1].on

    def update(
        self,
        time: int,
        probability: Sequence[float] | NDArray[np.floating[Any]],
        feet: NDArray[np.floating[Any]] | None = None,
    ) -> list[Contact]:
        """Return what has settled.

        Args:
            time: session time of the pose, ns.
            probability: that the left and the right foot stand; NaN where it is not known.
            feet: (2, 3) m, left and right ankle, in any axes that do not turn quickly.
        """
        if self._time is not None and time - self._time > _GAP_S * 1e9:
            self._feet = (_Foot(), _Foot())
        out = []
        for number, (foot, side, p) in enumerate(zip(self._feet, SIDES, probability, strict=True)):
            if feet is not None and not (foot.on and p > 0.5):
                foot.at(np.asarray(feet[number] - feet[1 - number], np.float64))
            if not math.isnan(p):
                out += self._foot(foot, side, time, min(max(float(p), 1e-6), 1 - 1e-6))
        self._time = time
        return sorted(out, key=lambda contact: contact.time)

    def _foot(self, foot: _Foot, side: str, time: int, p: float) -> list[Contact]:
        logit = math.log(p / (1 - p))
        before, foot.logit = foot.logit, logit
        if foot.on is None:
            foot.on = p > 0.5
            return []
        if (p > 0.5) == foot.on:
            foot.crossed = 0
            if foot.on:
                foot.low = foot.high = None  # it had not left
            return []
        if not foot.crossed:
            last = self._time if self._time is not None else time
            share = before / (before - logit) if before != logit else 1.0
            foot.crossed = last + round(min(max(share, 0.0), 1.0) * (time - last))
            foot.furthest = 0.5
        foot.furthest = max(foot.furthest, p if p > 0.5 else 1 - p)
        if time - foot.crossed < SETTLED_S * 1e9 or foot.furthest < _SURE:
            return []
        foot.on = not foot.on
        contact = Contact(foot.crossed, time, side, foot.on, not foot.on or foot.moved())
        foot.crossed = 0
        return [contact]
