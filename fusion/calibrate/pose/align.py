"""From the steps that a wearer followed to the alignment of each sensor, and what was not done well.

::

    trace + windows of the steps -> evidence -> rotation sensor -> bone, its predicted error, problems
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from fusion.calibrate.pose.evidence import ONE_AXIS, SMALL, STILL_DEG_S, Evidence, evidence_of
from fusion.calibrate.pose.problems import Problem, swapped_legs
from fusion.calibrate.pose.solve import Solution, solve
from fusion.calibrate.pose.steps import ARMS, STEP, Expectation, expectations, part_of, side_of
from fusion.calibrate.rest import stillest
from fusion.calibrate.trace import ImuTrace

Windows = Mapping[str, tuple[float, float]]
"""Start and stop of each step, s of session time."""

AGAIN_DEG = {"trunk": 9.0, "leg": 9.0, "upper_arm": 16.0, "forearm": 20.0, "hand": 25.0}
"""A pose that is taken again differs by less, unless the sensor slipped."""
DRIFT_DEG = 20.0
"""The axis of a movement's two halves differs by less, unless the sensor slipped meanwhile."""
SCORE = 3.0
"""A direction that is off by more standard deviations contradicts the others."""
ERROR_DEG = {"hand": 9.0}
OTHER_ERROR_DEG = 6.5
"""A predicted error above this is no good alignment; hands are less firm."""
SAME_AXIS = 3.2
"""Two movements about one axis of a bone differ by fewer standard deviations, unless the sensor slipped."""
ASIDE_DEG = 2.0
"""A segment turns by about as much about other axes while it moves, whatever the size of the movement."""
MISSING = 0.3
"""Of the turn that a step should make: less is no such movement at all."""


@dataclasses.dataclass(frozen=True)
class Aligned:
    """What was found of one sensor.

    Attributes:
        stream: its name.
        worn_on: place on the body.
        rotation: sensor -> bone, or None where the steps do not fix it.
        error_deg: predicted error, root of the summed variances about the three axes, degrees.
        sigma_deg: (3,) about x, y, z of the bone, degrees.
        evidence: what it rests on.
        problems: what was not done well; empty of a good alignment.
        other_deg: how far it turned while the other leg was to move; 0 of other places.
    """

    stream: str
    worn_on: str
    rotation: Rotation | None
    error_deg: float
    sigma_deg: tuple[float, ...]
    evidence: tuple[Evidence, ...]
    problems: tuple[Problem, ...]
    other_deg: float = 0.0

    @property
    def good(self) -> bool:
        """Whether it can be used."""
        return self.rotation is not None and not self.problems


def align(traces: Mapping[str, ImuTrace], windows: Windows) -> dict[str, Aligned]:
    """Return the alignment of each sensor, by stream.

    Args:
        traces: by stream; those worn nowhere are left out. Corrected for the sensors' own errors where known.
        windows: of the steps that were done; names are those of :data:`steps.STEP`.
    """
    worn = {name: trace for name, trace in traces.items() if expectations_at(trace.worn_on)}
    found = {name: _align(trace, windows) for name, trace in worn.items()}
    for name, problem in swapped_legs({one.worn_on: one for one in found.values()}):
        stream = next(stream for stream, one in found.items() if one.worn_on == name)
        found[stream] = dataclasses.replace(found[stream], problems=(problem, *found[stream].problems))
    return found


def expectations_at(place: str) -> tuple[Expectation, ...]:
    """Return what the steps show at a place; nothing where it is no place on the body."""
    return expectations(place) if place and place != "unspecified" else ()


def _align(trace: ImuTrace, windows: Windows) -> Aligned:
    place = trace.worn_on
    done = [one for one in expectations(place) if one.step in windows]
    pieces = {one.step: trace.between(*windows[one.step]) for one in done}
    bias = _bias(pieces)
    seen: list[Evidence] = []
    problems: list[Problem] = []
    for expected in done:
        evidence = evidence_of(pieces[expected.step], expected, bias)
        if evidence is None:
            problems.append(Problem("too_short", place, expected.step))
            continue
        problem = _judge(place, evidence)
        if problem is not None:
            problems.append(problem)
        if problem is None or problem.code not in ("movement_missing", "not_one_axis"):
            seen.append(evidence)
    problems += _slipped(place, seen)
    solution = solve(_weighed(seen))
    if solution is None:
        problems.append(Problem("not_enough", place))
        return Aligned(trace.name, place, None, np.inf, (np.inf,) * 3, tuple(seen), tuple(problems))
    problems += _contradictions(place, seen, solution)
    if solution.error_deg > ERROR_DEG.get(part_of(place), OTHER_ERROR_DEG) and not problems:
        problems.append(Problem("uncertain", place, degrees=solution.error_deg))
    x, y, z = solution.sigma_deg.tolist()
    found = Aligned(
        trace.name, place, solution.rotation, solution.error_deg, (x, y, z), tuple(seen), tuple(problems)
    )
    return dataclasses.replace(found, other_deg=_other_deg(trace, windows, bias))


def _other_deg(trace: ImuTrace, windows: Windows, bias: np.ndarray) -> float:
    """Return how far a leg turned, degrees, while the other one was to be lifted."""
    side = side_of(trace.worn_on)
    other = {"left": "right", "right": "left"}.get(side, "")
    own = next((one for one in expectations(trace.worn_on) if side and one.step.startswith(side)), None)
    step = own.step.replace(side, other) if own is not None else ""
    if own is None or step not in windows:
        return 0.0
    seen = evidence_of(trace.between(*windows[step]), dataclasses.replace(own, step=step), bias)
    return 0.0 if seen is None else seen.turn_deg


def _bias(pieces: Mapping[str, ImuTrace]) -> np.ndarray:
    """Return the gyroscope's bias (3,), rad/s: its mean in the stillest pose."""
    held = [rest for name, piece in pieces.items() if STEP[name].hold and (rest := stillest(piece, 1.5))]
    return min(held, key=lambda rest: rest.unrest_deg_s).rate if held else np.zeros(3)


def _judge(place: str, evidence: Evidence) -> Problem | None:
    step, expected = evidence.step, evidence.expected
    if STEP[step].hold:
        if evidence.still_deg_s > STILL_DEG_S:
            return Problem("pose_not_held", place, step, evidence.still_deg_s)
        return None
    if evidence.turn_deg < MISSING * expected.turn_deg:
        return Problem("movement_missing", place, step, evidence.turn_deg)
    if evidence.one_axis < ONE_AXIS:
        return Problem("not_one_axis", place, step, 100 * evidence.one_axis)
    if evidence.turn_deg < SMALL * expected.turn_deg:
        return Problem("movement_small", place, step, evidence.turn_deg)
    if evidence.drift_deg > DRIFT_DEG:
        return Problem("axis_moved", place, step, evidence.drift_deg)
    return None


def _slipped(place: str, seen: Sequence[Evidence]) -> list[Problem]:
    """Compare poses with the same poses at the end, and movements with others about the same axis."""
    by_step = {one.step: one for one in seen}
    part = part_of(place)
    limit = AGAIN_DEG[part] if part in ARMS else AGAIN_DEG["leg"]
    out = []
    for step, one in by_step.items():
        again = by_step.get(f"{step}_again")
        if again is not None:
            angle = float(np.degrees(np.arccos(np.clip(one.seen @ again.seen, -1, 1))))
            if angle > limit:
                out.append(Problem("slipped", place, step, angle))
    weighed = [one for one in _weighed(seen) if one.turn_deg]
    for one, other in itertools.combinations(weighed, 2):
        if abs(np.dot(one.expected.toward, other.expected.toward)) < 0.9:
            continue
        angle = float(np.degrees(np.arccos(min(1.0, abs(float(one.seen @ other.seen))))))
        if angle > SAME_AXIS * np.hypot(np.mean(one.expected.sigma_deg), np.mean(other.expected.sigma_deg)):
            out.append(Problem("axes_differ", place, other.step, angle))
    return out


def _weighed(seen: Sequence[Evidence]) -> list[Evidence]:
    """Return the evidence with poses that show the same counted once: people err the same way again.

    A segment also sways by itself, so that the axis of a smaller turn is less sure.
    """
    held = collections.Counter(one.expected.toward for one in seen if not one.turn_deg)
    out = []
    for one in seen:
        x, y, z = one.expected.sigma_deg
        if not one.turn_deg:
            x, y, z = (sigma * held[one.expected.toward] ** 0.5 for sigma in (x, y, z))
        else:
            apart = np.degrees(np.arctan(ASIDE_DEG / one.turn_deg))
            x, y, z = (float(np.hypot(sigma, apart)) for sigma in (x, y, z))
        out.append(dataclasses.replace(one, expected=dataclasses.replace(one.expected, sigma_deg=(x, y, z))))
    return out


def _contradictions(place: str, seen: Sequence[Evidence], solution: Solution) -> list[Problem]:
    worst = int(np.argmax(solution.score))
    if solution.score[worst] < SCORE:
        return []
    if side_of(place) and part_of(place) in ARMS:
        other = solve(_weighed(_mirrored(place, seen)))
        if other is not None and other.cost < 0.4 * solution.cost:
            return [Problem("swapped", place)]
    return [Problem("contradicts", place, seen[worst].step, float(solution.misfit_deg[worst]))]


def _mirrored(place: str, seen: Sequence[Evidence]) -> list[Evidence]:
    """Return the evidence as if it were the other side's."""
    side = side_of(place)
    other = place.replace(side, "right" if side == "left" else "left")
    of = {one.step: one for one in expectations(other)}
    return [dataclasses.replace(one, expected=of[one.step]) for one in seen if one.step in of]
