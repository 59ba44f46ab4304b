"""Steps, cadence and symmetry from foot contacts, causally.

A step is a foot that comes to the ground after it has been off it; its time is the moment of contact (initial
contact, "heel strike"). Steps that follow one another within :data:`PAUSE_S` and alternate are a bout of
walking. Terms are those of Perry, Gait Analysis: step time from one foot's contact to the other's, stride
time to the same foot's next, stance and swing while a foot stands and not.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.gait.contacts import Contact, FootContacts

PAUSE_S = 1.5
"""After so long without a step a bout of walking has ended, s."""
RECENT = 12
"""Step times that cadence and symmetry are the mean of, at most."""
_LEAST = 2


@dataclasses.dataclass(frozen=True)
class Step:
    """A foot has come to the ground.

    Attributes:
        time: session time of the contact, ns.
        told: session time of the pose that settled it, ns.
        side: ``left`` or ``right``.
        step_s: since the other foot's contact; NaN at the beginning of a bout.
        stride_s: since the same foot's last contact; NaN as above.
        number: in its bout, from 1.
    """

    time: int
    told: int
    side: str
    step_s: float
    stride_s: float
    number: int


@dataclasses.dataclass(frozen=True)
class Gait:
    """How one walks, over the last steps of the bout.

    Attributes:
        time: session time of the newest step, ns.
        steps: in all since the beginning of the session.
        bout: steps of this bout of walking.
        cadence: steps per minute; NaN before three steps.
        step_s: (left, right) mean time of the step that ends with this foot's contact, s; NaN before.
        stance_s: (left, right) mean time on the ground, s.
        swing_s: (left, right) mean time off the ground, s.
        step_symmetry, stance_symmetry: symmetry index, per cent: right minus left over their mean; 0 is alike
            (Robinson et al., J. Manipulative Physiol. Ther. 10, 1987).
        double_support: share of the stride with both feet on the ground.
    """

    time: int
    steps: int
    bout: int
    cadence: float
    step_s: tuple[float, float]
    stance_s: tuple[float, float]
    swing_s: tuple[float, float]
    step_symmetry: float
    stance_symmetry: float
    double_support: float


class GaitTracker:
    """Takes probabilities of contact in order of time.

    Attributes:
        contacts: the newest contacts, told and not too old.
        steps: how many there were.
    """

    def __init__(self) -> None:
        self._feet = FootContacts()
        self.steps = 0
        self._bout: list[Step] = []
        self._number = 0
        self._phases: dict[tuple[str, bool], collections.deque[float]] = {}
        self._last: dict[str, Contact] = {}
        self.newest: list[Contact] = []

    def update(
        self,
        time: int,
        probability: Sequence[float] | NDArray[np.floating[Any]],
        feet: NDArray[np.floating[Any]] | None = None,
    ) -> list[Step]:
        """Return the steps that have settled; ``newest`` are all contacts that have.

        Args:
            time: session time of the pose, ns.
            probability: that the left and the right foot stand; NaN where it is not known.
            feet: (2, 3) m, left and right ankle, from which it is seen whether a foot moved.
        """
        self.newest = self._feet.update(time, probability, feet)
        return [step for contact in self.newest if (step := self._take(contact)) is not None]

    @property
    def standing(self) -> tuple[bool | None, bool | None]:
        """Left and right foot: on the ground, not, or not known yet."""
        return self._feet.standing

    def walking(self, time: int) -> bool:
        """Return whether a bout of walking goes on."""
        return len(self._bout) > _LEAST and time - self._bout[-1].time < PAUSE_S * 1e9

    def gait(self) -> Gait | None:
        """Return how one walks, or walked last; None before the first step."""
        if not self._bout:
            return None
        newest = self._bout[-1]
        recent = self._bout[-RECENT - 1 :]
        pace = _pace([s.time / 1e9 for s in recent], [s.stride_s for s in recent])
        step = self._means([(s.side, s.step_s) for s in recent[1:]])
        stance, swing = (
            self._means([(side, value) for side in ("left", "right") for value in self._phase(side, on)])
            for on in (True, False)
        )
        stride = sum(step)
        double = (sum(stance) - stride) / stride if stride > 0 else math.nan
        return Gait(
            time=newest.time,
            steps=self.steps,
            bout=self._number,
            cadence=60.0 / pace,
            step_s=step,
            stance_s=stance,
            swing_s=swing,
            step_symmetry=_symmetry(step),
            stance_symmetry=_symmetry(stance),
            double_support=double,
        )

    def _take(self, contact: Contact) -> Step | None:
        before = self._last.get(contact.side)
        self._last[contact.side] = contact
        if before is not None and before.on != contact.on:
            lasted = (contact.time - before.time) / 1e9
            if lasted < PAUSE_S:
                self._phase(contact.side, before.on).append(lasted)
        if not contact.on or not contact.moved:
            return None
        if self._bout and contact.time - self._bout[-1].time > PAUSE_S * 1e9:
            self._bout, self._number, self._phases = [], 0, {}
        other = next((s for s in reversed(self._bout) if s.side != contact.side), None)
        same = next((s for s in reversed(self._bout) if s.side == contact.side), None)
        alternates = bool(self._bout) and self._bout[-1].side != contact.side
        self.steps += 1
        self._number += 1
        step = Step(
            time=contact.time,
            told=contact.told,
            side=contact.side,
            step_s=(contact.time - other.time) / 1e9 if other is not None and alternates else math.nan,
            stride_s=(contact.time - same.time) / 1e9 if same is not None else math.nan,
            number=self._number,
        )
        self._bout.append(step)
        del self._bout[: -4 * RECENT]
        return step

    def _phase(self, side: str, on: bool) -> collections.deque[float]:
        return self._phases.setdefault((side, on), collections.deque(maxlen=RECENT))

    @staticmethod
    def _means(values: Sequence[tuple[str, float]]) -> tuple[float, float]:
        """Return the means of the left and of the right; NaN where there is none."""
        both = []
        for side in ("left", "right"):
            mine = [value for of, value in values if of == side and not math.isnan(value)]
            both.append(float(np.mean(mine)) if mine else math.nan)
        return both[0], both[1]


def _pace(times: Sequence[float], strides: Sequence[float]) -> float:
    """Return the time of a step, s, NaN before three: the slope of a line through steps over their numbers.

    Numbers come from how many half strides lie between steps, so that one that was missed or told twice does
    not count: a left step of 0.4 s and a right one of 0.6 s are two steps, and so is a gap of 1.0 s.

    Args:
        times: of the steps, s.
        strides: from each step to the one before of the same foot, s; NaN where there is none.
    """
    known = [stride for stride in strides if not math.isnan(stride)]
    if len(times) <= _LEAST or not known:
        return math.nan
    half = 0.5 * float(np.median(known))
    at, numbers = [times[0]], [0]
    for time in times[1:]:
        passed = round((time - at[-1]) / half)
        if passed > 0:
            at.append(time)
            numbers.append(numbers[-1] + passed)
    if len(at) <= _LEAST:
        return math.nan
    return float(np.polyfit(numbers, np.array(at) - at[0], 1)[0])


def _symmetry(pair: tuple[float, float]) -> float:
    """Return the symmetry index of (left, right), per cent."""
    mean = 0.5 * (pair[0] + pair[1])
    return 100.0 * (pair[1] - pair[0]) / mean if mean > 0 else math.nan
