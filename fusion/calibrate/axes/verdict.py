"""What a check found, in words."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One thing that is wrong with how a sensor is read.

    Attributes:
        code: for programs, one of the keys of :data:`MENDS`.
        words: what is wrong.
    """

    code: str
    words: str

    @property
    def mend(self) -> str:
        """What to change."""
        return MENDS[self.code]

    def __str__(self) -> str:
        return f"{self.words}. {self.mend}"


MENDS: dict[str, str] = {
    "gravity_removed": "Switch 'linear acceleration' off in the sensor; specific force has gravity in",
    "force_unit": "Correct the unit of specific force in the rig, or the scale of the driver",
    "force_scale": "Correct the range that the driver assumes, or run chorus calibrate imu",
    "gravity_sign": "Negate the three axes: a sensor at rest reads +9.81 m/s² along the axis that points up",
    "force_axes": "Change the order or sign of these columns in the rig or the driver",
    "rate_unit": "Correct the unit of angular rate in the rig, or the scale of the driver",
    "rate_scale": "Correct the range that the driver assumes",
    "rate_axes": "Change the order or sign of these columns in the rig or the driver; turns are right-handed",
    "left_handed": "Change the sign of one axis, of both accelerometer and gyroscope",
    "axes_disagree": "Give gyroscope and accelerometer the same axes in the driver",
    "rate_dead": "Switch the gyroscope on, or correct its columns",
    "quaternion_order": "Correct the order of the orientation's columns: Chorus takes x, y, z, w",
    "quaternion_conjugated": "Conjugate it: Chorus takes sensor -> world",
    "quaternion_down": "Turn the world of the orientation: Chorus takes z up",
    "quaternion_other": "Correct the orientation's columns, or leave them out: Chorus then computes its own",
    "field_unit": "Correct the unit of the magnetic field in the rig, or the scale of the driver",
    "time_unit": "Correct the unit of the device's time stamps in the rig or the driver",
    "sample_rate": "Set 'rate_hz' to what the sensor sends, or set the sensor to it",
    "duplicated": "Set the sensor's output rate to its measuring rate; rows are sent again and again",
    "saturated": "Set a wider range in the sensor",
}
"""What to change, by code."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a check came to.

    Attributes:
        mistakes: all that is wrong; empty of a sound sensor.
        notes: what is worth knowing and is no mistake.
        unfinished: why not all could be checked, or empty.
    """

    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...] = ()
    unfinished: str = ""

    @property
    def sound(self) -> bool:
        """Whether all was checked and nothing is wrong."""
        return not self.mistakes and not self.unfinished
