"""Lay it on the desk and turn it: units, axes, signs, orientation and timing of an IMU.

The direction of gravity that the accelerometer reads at rest is compared with the angular rate integrated
from rest
to rest, and both with what the person was asked to do, over all 48 signed permutations of the axes. Of one
person's turns, by 60 to 120 degrees about axes held within some 20 degrees, each is told from the next,
which is 90 degrees away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusion.calibrate.axes import frames
from fusion.calibrate.axes.orientation import check_orientation
from fusion.calibrate.axes.script import SCRIPT, Played, played
from fusion.calibrate.axes.timing import check_timing, true_step_s
from fusion.calibrate.axes.verdict import Mistake, Verdict
from fusion.calibrate.trace import ImuTrace

Array = NDArray[np.float64]

GRAVITY = 9.80665
FIT_DEG = 30.0
"""Turns that fit no naming of the axes better than this were others than asked for."""
CLOSE = 0.12
"""A scale within this of 1 is right: biases of cheap accelerometers reach 0.05 g, and hands shake."""

_FORCE_UNITS: tuple[tuple[float, str], ...] = (
    (1 / GRAVITY, "in g, not m/s²"),
    (1000 / GRAVITY, "in mg, not m/s²"),
    (1000.0, "in mm/s², not m/s²"),
    (GRAVITY, "multiplied by 9.81 twice"),
    (100.0, "in cm/s², not m/s²"),
)
_RATE_UNITS: tuple[tuple[float, str], ...] = (
    (180 / np.pi, "in deg/s, not rad/s"),
    (np.pi / 180, "converted from deg/s to rad/s twice"),
    (1000.0, "in mrad/s, not rad/s"),
    (180_000 / np.pi, "in mdeg/s, not rad/s"),
    ((180 / np.pi) ** 2, "converted from rad/s to deg/s twice"),
)
_FIELD_UNITS: tuple[tuple[float, str], ...] = (
    (0.01, "in gauss, not uT"),
    (10.0, "in mG, not uT"),
    (1000.0, "in nT, not uT"),
    (1e-6, "in T, not uT"),
    (1e-3, "in mT, not uT"),
)
RESIDUE = 0.5
"""Below this, m/s², it is what a device leaves that takes gravity out: no unit makes gravity as small."""
FIELD_UT = (15.0, 120.0)
"""The Earth's field is 22 to 67 uT; iron nearby changes it."""
REMOVED = 0.3
"""Specific force at rest below this share of 9.81: gravity was taken out, or the unit is another."""


def check(trace: ImuTrace) -> Verdict:
    """Return what is wrong with a sensor that was turned as :data:`script.WORDS` say."""
    step_s = true_step_s(trace)
    mistakes = check_timing(trace, step_s)
    codes = {one.code for one in mistakes}
    if not np.abs(trace.rate).max(initial=0.0) > 1e-9:
        mistakes.append(Mistake("rate_dead", "the gyroscope reads nothing but zeros"))
        return Verdict(tuple(mistakes), unfinished="without a gyroscope no turn can be told")
    seen = played(trace, step_s)
    if seen is None:
        return Verdict(tuple(mistakes), unfinished="it was not turned, or never at rest between the turns")
    size = np.linalg.norm(seen.force, axis=1)
    removed = _removed(seen, size)
    if removed:
        mistakes.append(
            Mistake(
                "gravity_removed",
                f"gravity removed: at rest it reads {np.median(size):.2g} m/s² instead of 9.8",
            )
        )
    else:
        mistakes += _force_unit(size)
    notes: list[str] = []
    turns = len(seen.turns)
    if turns != len(SCRIPT.turn):
        notes.append(f"{turns} turns were seen instead of {len(SCRIPT.turn)}")
    mistakes += _axes(seen, removed, notes)
    if "saturated" not in codes:
        mistakes += _rate_unit(seen, removed)
    mistakes += _field_unit(trace)
    unfinished = "" if turns == len(SCRIPT.turn) else notes.pop()
    if not any(one.code.endswith(("axes", "disagree", "handed", "sign")) for one in mistakes):
        mistakes += check_orientation(trace, seen, removed=removed)
    return Verdict(tuple(mistakes), tuple(notes), unfinished)


def _removed(seen: Played, size: Array) -> bool:
    """Whether what is read at rest is no gravity: small, and not one vector that turns with the sensor."""
    if np.median(size) >= REMOVED * GRAVITY:
        return False
    if np.median(size) < RESIDUE:
        return True
    one_size = size.std() < 0.15 * max(size.mean(), 1e-12)
    turning = np.linalg.norm(_unit(seen.force).mean(axis=0)) < 0.85
    return not (one_size and turning)


def _force_unit(size: Array) -> list[Mistake]:
    scale = float(np.median(size)) / GRAVITY
    if abs(scale - 1) < CLOSE:
        return []
    for factor, words in _FORCE_UNITS:
        if abs(scale / factor - 1) < CLOSE:
            return [
                Mistake("force_unit", f"specific force is {words}: at rest it reads {np.median(size):.3g}")
            ]
    return [Mistake("force_scale", f"specific force at rest is {np.median(size):.3g} m/s² instead of 9.81")]


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _axes(seen: Played, removed: bool, notes: list[str]) -> list[Mistake]:
    """Compare rests and turns with the script, and both with each other."""
    if len(seen.turns) != len(SCRIPT.turn):
        return []
    rate, rate_misfit, _ = frames.best(_unit(seen.turns), SCRIPT.turn)
    if removed:
        words = frames.told(rate)
        return [Mistake("rate_axes", f"gyroscope: {words}")] if words and rate_misfit < FIT_DEG else []
    force, force_misfit, _ = frames.best(_unit(seen.force), SCRIPT.up)
    if max(rate_misfit, force_misfit) > FIT_DEG:
        return [_disagreement(seen)] if _disagrees(seen) else []
    same = np.array_equal(rate, force)
    if same and not frames.left_handed(force):
        if words := frames.told(force):
            notes.append(
                f"it lay another way than asked, or its axes are others than its print says: {words}"
            )
        return []
    if same:
        return [Mistake("left_handed", f"left-handed: {frames.told(force)}, in accelerometer and gyroscope")]
    # A person who turns the other way shows both mirrored, each in its own way; that is no mistake.
    if frames.left_handed(rate) != frames.left_handed(force) or not _agrees(seen):
        return _apart(force, rate)
    notes.append("some turns went the other way than asked; that does no harm")
    return []


def _apart(force: Array, rate: Array) -> list[Mistake]:
    """Name what is wrong where accelerometer and gyroscope have different axes."""
    if np.array_equal(force, -np.eye(3)):
        out = [
            Mistake(
                "gravity_sign",
                "gravity sign inverted: at rest it reads -9.81 m/s² upwards: no specific force",
            )
        ]
        force = np.eye(3)
    else:
        out = []
        if words := frames.told(force):
            handed = ", left-handed" if frames.left_handed(force) else ""
            out.append(Mistake("force_axes", f"accelerometer: {words}{handed}"))
    if words := frames.told(rate):
        handed = ", left-handed" if frames.left_handed(rate) else ""
        out.append(Mistake("rate_axes", f"gyroscope: {words}{handed}"))
    if not np.array_equal(force, rate):
        out.append(Mistake("axes_disagree", "gyroscope and accelerometer axes disagree"))
    return out


def _agrees(seen: Played) -> bool:
    """Whether gravity turns in the sensor's frame as the gyroscope says, without any naming of axes."""
    return _physics(seen, np.eye(3)) < FIT_DEG


def _disagrees(seen: Played) -> bool:
    return not _agrees(seen) and min(_physics(seen, matrix) for matrix in frames.ALL) < FIT_DEG


def _physics(seen: Played, matrix: Array) -> float:
    """Return the root mean square angle between gravity as read and as the turns predict, degrees.

    Turns are taken as 90 degrees about the axis that the gyroscope shows, if that is ``matrix`` times the
    truth.
    """
    from scipy.spatial.transform import Rotation

    up = _unit(seen.force)
    axis = _unit(seen.turns) @ matrix
    size = np.linalg.norm(seen.turns, axis=1)
    angle = np.pi / 2 * size / np.median(size)
    predicted = Rotation.from_rotvec(-axis * angle[:, None]).apply(up[:-1])
    cosine = np.einsum("ni,ni->n", predicted, up[1:])
    return float(np.degrees(np.sqrt(np.mean(np.arccos(np.clip(cosine, -1, 1)) ** 2))))


def _disagreement(seen: Played) -> Mistake:
    fits = [_physics(seen, matrix) for matrix in frames.ALL]
    matrix = frames.ALL[int(np.argmin(fits))]
    return Mistake(
        "axes_disagree",
        f"gyroscope and accelerometer axes disagree: to the accelerometer's, {frames.told(matrix)}",
    )


def _rate_unit(seen: Played, removed: bool) -> list[Mistake]:
    """Compare the gyroscope's turns with those of gravity; without gravity, with 90 degrees."""
    size = np.linalg.norm(seen.turns, axis=1)
    close = 0.35
    scale = float(np.median(size)) / (np.pi / 2)
    if not removed:
        up = _unit(seen.force)
        angle = np.arccos(np.clip(np.einsum("ni,ni->n", up[1:], up[:-1]), -1, 1))
        tilted = angle > np.radians(50)  # turns about the vertical show nothing
        if tilted.any():
            scale, close = float(np.median(size[tilted] / angle[tilted])), 0.15
    if abs(scale - 1) < close:
        return []
    for factor, words in _RATE_UNITS:
        if abs(scale / factor - 1) < close:
            return [
                Mistake("rate_unit", f"angular rate is {words}: a quarter turn reads {90 * scale:.3g} deg")
            ]
    return [Mistake("rate_scale", f"angular rate is {scale:.3g} times what it should be")]


def _field_unit(trace: ImuTrace) -> list[Mistake]:
    if trace.field is None:
        return []
    size = float(np.median(np.linalg.norm(trace.field, axis=1)))
    low, high = FIELD_UT
    if low <= size <= high or size == 0:
        return []
    for factor, words in _FIELD_UNITS:
        if low <= size / factor <= high:
            return [Mistake("field_unit", f"magnetic field is {words}: it reads {size:.3g}")]
    return [Mistake("field_unit", f"magnetic field reads {size:.3g} uT; the Earth's is 22 to 67")]
