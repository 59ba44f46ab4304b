"""The simulated body's joints, bones and sizes."""

from __future__ import annotations

import dataclasses

import numpy as np

from drivers.joints import BODY20

JOINTS = BODY20

JOINT: dict[str, int] = {name: index for index, name in enumerate(JOINTS)}

BONES: tuple[tuple[str, str], ...] = (
    ("pelvis", "spine"),
    ("spine", "neck"),
    ("neck", "head"),
    ("spine", "left_shoulder"),
    ("spine", "right_shoulder"),
    ("pelvis", "left_hip"),
    ("pelvis", "right_hip"),
    *(
        (f"{side}_{a}", f"{side}_{b}")
        for side in ("left", "right")
        for a, b in (
            ("shoulder", "elbow"),
            ("elbow", "wrist"),
            ("wrist", "hand"),
            ("hip", "knee"),
            ("knee", "ankle"),
            ("ankle", "foot"),
        )
    ),
)
"""Pairs of joints whose distance never changes."""


@dataclasses.dataclass(frozen=True)
class BodyShape:
    """Sizes of one body, all in m.

    The defaults are those of a body 1.75 m tall; the fractions of stature follow Drillis and
    Contini (1966) as given by Winter, Biomechanics and Motor Control of Human Movement, fig. 4.1.
    """

    pelvis_to_spine: float = 0.175
    spine_to_neck: float = 0.325
    neck_to_head: float = 0.175
    spine_to_shoulder: float = 0.300  # the component along the trunk
    shoulder_half_width: float = 0.190
    upper_arm: float = 0.3255
    forearm: float = 0.2555
    hand: float = 0.095  # wrist to the middle of the hand
    hip_half_width: float = 0.092
    thigh: float = 0.42875
    shin: float = 0.4305
    ankle_height: float = 0.068
    foot: float = 0.150  # ankle to the ball of the foot, along the ground

    @property
    def arm(self) -> float:
        """Shoulder to wrist, stretched, m."""
        return self.upper_arm + self.forearm

    @property
    def leg(self) -> float:
        """Hip to ankle, stretched, m."""
        return self.thigh + self.shin

    @property
    def stature(self) -> float:
        """Height of the top of the head in upright stance, m."""
        above_hips = self.pelvis_to_spine + self.spine_to_neck + self.neck_to_head
        return self.ankle_height + self.leg + above_hips + 0.082 * self.neck_to_head / 0.175

    @classmethod
    def scaled(cls, stature: float) -> BodyShape:
        """Return the default proportions at another ``stature`` in m."""
        factor = stature / cls().stature
        return cls(**{f.name: float(f.default) * factor for f in dataclasses.fields(cls)})  # type: ignore[arg-type]

    @classmethod
    def random(cls, rng: np.random.Generator) -> BodyShape:
        """Return a random adult: stature 1.5 to 2 m, each proportion within about 10 %."""
        base = cls.scaled(float(rng.uniform(1.5, 2.0)))
        spread = np.clip(rng.normal(1.0, 0.05, len(dataclasses.fields(cls))), 0.88, 1.12)
        fields = zip(dataclasses.fields(cls), spread, strict=True)
        return cls(**{f.name: getattr(base, f.name) * float(s) for f, s in fields})
