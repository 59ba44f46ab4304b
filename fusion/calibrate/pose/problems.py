"""What goes wrong while somebody is aligned, in words, with what to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from fusion.calibrate.pose.steps import part_of, side_of

if TYPE_CHECKING:
    from fusion.calibrate.pose.align import Aligned


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that makes an alignment poor.

    Attributes:
        code: what, for programs: a key of :data:`WORDS`.
        place: of the sensor.
        step: in which step, or empty.
        degrees: how much, in what the words say.
    """

    code: str
    place: str
    step: str = ""
    degrees: float = 0.0

    def __str__(self) -> str:
        place = self.place.replace("_", " ")
        step = self.step.removesuffix("_again")
        name = {"n_pose": "standing pose", "t_pose": "T-pose"}.get(step, f"step '{step}'")
        if self.step.endswith("_again"):
            name = f"second {name}"
        cause = _cause(self.place, step)
        return WORDS[self.code].format(place=place, step=name, much=self.degrees, cause=cause)


WORDS: dict[str, str] = {
    "too_short": "{place}: too few samples in the {step}; check that the sensor is connected, and repeat",
    "pose_not_held": "{place}: the {step} was not held still ({much:.0f} deg/s); hold it to its end",
    "movement_missing": "{place}: the {step} moved it by {much:.0f} deg only; was it another limb or "
    "movement, or is the sensor worn elsewhere?",
    "movement_small": "{place}: the movement of the {step} was too small ({much:.0f} deg); make it larger",
    "not_one_axis": "{place}: the {step} turned it about several axes (only {much:.0f} % about one); "
    "move straight there and back",
    "axis_moved": "{place}: the axis moved by {much:.0f} deg during the {step}: the sensor slipped, or the "
    "movement changed; tighten the strap and repeat",
    "slipped": "{place}: the {step} at the end differs by {much:.0f} deg from the first: the sensor slipped, "
    "or the pose was another; tighten the strap and repeat",
    "axes_differ": "{place}: the {step} turned about an axis {much:.0f} deg off an earlier one: the "
    "sensor slipped, or the movement was another; tighten the strap and repeat",
    "swapped": "{place}: it moves as the other side does: the left and the right sensor are swapped, or "
    "'worn_on' in the rig is",
    "contradicts": "{place}: the {step} is {much:.0f} deg off what the others show: {cause}",
    "uncertain": "{place}: the predicted error is {much:.1f} deg; repeat with larger, straighter movements",
    "not_enough": "{place}: what was done does not fix it; do all steps",
}
"""Text by code."""


def _cause(place: str, step: str) -> str:
    """Return what most likely makes a step contradict the others."""
    if step == "t_pose" and part_of(place) in ("forearm", "hand"):
        return "keep the elbow straight and the palm down in the T-pose"
    if step == "t_pose":
        return "hold the arms level, straight out to the sides"
    if step == "n_pose":
        return "stand upright, arms hanging"
    return "it was another movement, or the sensor slipped; repeat"


def swapped_legs(found: Mapping[str, Aligned]) -> Iterator[tuple[str, Problem]]:
    """Yield the places whose sensor moved while the other leg was to move, and not with its own."""
    for place, one in found.items():
        side, part = side_of(place), part_of(place)
        if part not in ("thigh", "shin", "foot"):
            continue
        own = [problem.code for problem in one.problems if problem.step.startswith(f"{side}_")]
        if "movement_missing" in own and one.other_deg > STANDING_DEG[part]:
            yield place, Problem("swapped", place)


STANDING_DEG: dict[str, float] = {"thigh": 30.0, "shin": 30.0, "foot": 30.0}
"""The other leg's step turns a standing leg by less, degrees."""
