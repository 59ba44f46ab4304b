"""The 25 scenarios: what may happen to skeleton and inertial sensor of UTD-MHAD, each alone.

The suite is defined in docs/EVALUATION.md of github.com/Ashok-19/SafeSense: the clean data, and 24
corruptions in five categories (shift, frame loss, noise, missing, composite), whose means count equally. Its
frames are those of the skeleton, on which it puts the inertial samples as well: a shift by 4 frames is about
0.22 s of either; a frame that is lost takes the inertial samples around it along, and noise stays the same
between them.

Its noise is one standard deviation for all values of a modality, over g and deg/s alike: an accelerometer
that is off by 10 g or more. The twin scales it by channel.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from recordings.importers.utd_mhad import STANDARD_GRAVITY, Trial

CATEGORIES = ("shift", "frame loss", "noise", "missing", "composite")
SKELETON, INERTIAL = "skeleton", "inertial"


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One corruption.

    Attributes:
        name: of it.
        category: of :data:`CATEGORIES`, or ``clean``.
        of: modalities that it happens to.
        shift: frames by which it comes late; what comes before, or after the end, is missing.
        loss: share of the frames that are lost.
        noise: standard deviations of white noise.
        missing: all is lost.
    """

    name: str
    category: str
    of: tuple[str, ...] = ()
    shift: int = 0
    loss: float = 0.0
    noise: float = 0.0
    missing: bool = False


def scenarios() -> tuple[Scenario, ...]:
    """Return all 25, the clean one first."""
    out = [Scenario("clean", "clean")]
    for kind in (SKELETON, INERTIAL):
        out += [Scenario(f"{kind} {n:+d} frames", "shift", (kind,), shift=n) for n in (-4, -2, 2, 4)]
        out += [Scenario(f"{kind} {x:.0%} lost", "frame loss", (kind,), loss=x) for x in (0.1, 0.3, 0.5)]
        out += [Scenario(f"{kind} noise {x}", "noise", (kind,), noise=x) for x in (0.1, 0.3, 0.5)]
        out.append(Scenario(f"no {kind}", "missing", (kind,), missing=True))
    out.append(Scenario("neither", "missing", (SKELETON, INERTIAL), missing=True))
    worst = "inertial +4 frames, 30 % lost, noise 0.3"
    out.append(Scenario(worst, "composite", (INERTIAL,), shift=4, loss=0.3, noise=0.3))
    return tuple(out)


@dataclasses.dataclass(frozen=True)
class Scales:
    """Standard deviations of the training trials.

    Attributes:
        skeleton: (20, 3) m, of joints about their own pelvis.
        inertial: (6,) g and deg/s.
    """

    skeleton: NDArray[np.float64]
    inertial: NDArray[np.float64]

    @classmethod
    def of(cls, trials: list[Trial], by_channel: bool) -> Scales:
        """Find them: one for all values of a modality, or one for each channel."""
        joints = np.concatenate([t.joints - t.joints[:, _PELVIS : _PELVIS + 1] for t in trials])
        rows = np.concatenate([_raw(t) for t in trials])
        if by_channel:
            return cls(joints.std(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64))
        skeleton, inertial = joints.std(dtype=np.float64), rows.std(dtype=np.float64)
        return cls(np.full((20, 3), skeleton), np.full(6, inertial))


_PELVIS = 3
"""In the order of KINECT20, as trials have it."""


def _raw(trial: Trial) -> NDArray[np.float64]:
    """Return (N, 6) in the units of the data set: g and deg/s."""
    force = trial.specific_force.astype(np.float64) / STANDARD_GRAVITY
    return np.concatenate([force, np.degrees(trial.angular_rate.astype(np.float64))], axis=1)


@dataclasses.dataclass(frozen=True)
class Corrupted:
    """A trial after it happened.

    Attributes:
        trial: of the same length; rows that are not there hold anything.
        frames: (T,) bool, which skeleton frames are there.
        samples: (N,) bool, which inertial samples are there.
    """

    trial: Trial
    frames: NDArray[np.bool_]
    samples: NDArray[np.bool_]


def corrupt(trial: Trial, scenario: Scenario, scales: Scales, rng: np.random.Generator) -> Corrupted:
    """Let ``scenario`` happen to ``trial``."""
    count, rows = len(trial.joints), len(trial.specific_force)
    joints = trial.joints.astype(np.float64)
    raw = _raw(trial)
    frames, samples = np.ones(count, bool), np.ones(rows, bool)
    # The frame that each inertial sample belongs to: the one nearest in time.
    nearest = np.rint(np.arange(rows) * (count - 1) / (rows - 1)).astype(int)
    if SKELETON in scenario.of:
        joints, frames = _late(joints, scenario.shift)
        frames &= _kept(frames, scenario, rng)
        joints = joints + rng.normal(size=joints.shape) * scales.skeleton * scenario.noise
    if INERTIAL in scenario.of:
        late = round(scenario.shift * (rows - 1) / (count - 1))
        raw, samples = _late(raw, late)
        there = np.zeros(count, bool)
        there[nearest[samples]] = True
        samples &= _kept(there, scenario, rng)[nearest]
        noise = rng.normal(size=(count, 6)) * scales.inertial * scenario.noise
        raw = raw + noise[nearest]
    changed = dataclasses.replace(
        trial,
        joints=joints.astype(np.float32),
        specific_force=(raw[:, :3] * STANDARD_GRAVITY).astype(np.float32),
        angular_rate=np.radians(raw[:, 3:]).astype(np.float32),
    )
    return Corrupted(changed, frames, samples)


def _late(values: NDArray[np.float64], by: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return rows that come ``by`` rows later, none twice, and which of them are there."""
    at = np.arange(len(values)) - by
    there = (at >= 0) & (at < len(values))
    return values[at.clip(0, len(values) - 1)], there


def _kept(there: NDArray[np.bool_], scenario: Scenario, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which frames stay, of those that are ``there``."""
    kept = there.copy()
    at = np.flatnonzero(there)
    lost = len(at) if scenario.missing else round(len(at) * scenario.loss)
    kept[rng.choice(at, size=lost, replace=False)] = False
    return kept
