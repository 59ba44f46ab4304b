"""IMU rows to specific force, angular rate and orientation, in one set of units.

    rows (R, C) as announced -> InertialReader -> (R, 12) float32

This is the one place where a calibration is applied, live and offline: what the stream carries as properties
(``drivers.imu.calibration``) corrects each triad first; where the sensor was aligned to its bone, all that is
said of the sensor's frame below is then true of the bone's.

The 12 columns are specific force / 9.80665 (3; sensor frame, gravity in: a sensor at rest reads one,
upwards), angular rate in rad/s (3; sensor frame) and orientation (6): the first two columns of the
rotation matrix sensor -> world (z up, heading arbitrary), after Zhou et al., "On the Continuity of
Rotation Representations in Neural Networks", CVPR 2019.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import StreamInfo
from drivers.errors import ConfigError
from drivers.imu.calibration import ImuCalibration
from fusion.inertial.orientation import OrientationFilter, six_d
from fusion.inertial.turning import TurnRate

STANDARD_GRAVITY: float = 9.80665
"""m/s², CGPM 1901."""

WIDTH: int = 12

_FORCE = ("specific_force_x", "specific_force_y", "specific_force_z")
_RATE = ("angular_rate_x", "angular_rate_y", "angular_rate_z")
_FIELD = ("magnetic_field_x", "magnetic_field_y", "magnetic_field_z")
_QUATERNION = ("orientation_x", "orientation_y", "orientation_z", "orientation_w")

_SCALE: dict[str, float] = {
    "m/s^2": 1.0,
    "m/s²": 1.0,
    "g": STANDARD_GRAVITY,
    "mg": STANDARD_GRAVITY / 1000.0,
    "rad/s": 1.0,
    "deg/s": np.pi / 180.0,
    "uT": 1.0,
    "1": 1.0,
}
"""Factor from a unit to m/s², rad/s, uT or 1."""


class InertialReader:
    """Turns the rows of one IMU stream into the 12 inertial columns, row by row and causally.

    The orientation is the device's own where it sends one, otherwise that of a VQF filter that sees
    each row once, in order. A device that sends an orientation and no angular rate gets the rate of its
    turning. The result does not depend on how rows are cut into batches.

    Raises:
        ConfigError: the stream has no specific force, or neither angular rate nor orientation, an unknown
            unit, or a calibration that can't be used.
    """

    def __init__(self, info: StreamInfo) -> None:
        self.info = info
        self.calibration = ImuCalibration.of(info)
        self._force = self._columns(_FORCE)
        self._rate = self._columns(_RATE)
        self._quaternion = self._columns(_QUATERNION)
        if self._force is None or (self._rate is None and self._quaternion is None):
            raise ConfigError(
                f"{info.name}: an IMU must send specific force and angular rate or orientation, its channels "
                f"are {', '.join(info.channels) or 'unnamed'}",
                mend="Name the columns specific_force_x ... angular_rate_z in the rig",
            )
        self._field = self._columns(_FIELD)
        self._filter: OrientationFilter | None = None
        if self._quaternion is None:
            self._filter = OrientationFilter(info.rate_hz, regular=info.regular)
        self._turning = TurnRate(info.rate_hz, regular=info.regular) if self._rate is None else None

    def _columns(self, names: tuple[str, ...]) -> tuple[list[int], NDArray[np.float64]] | None:
        channels = list(self.info.channels)
        if not all(name in channels for name in names):
            return None
        index = [channels.index(name) for name in names]
        units = [self.info.units[i] if i < len(self.info.units) else "1" for i in index]
        unknown = [unit for unit in units if unit not in _SCALE]
        if unknown:
            raise ConfigError(
                f"{self.info.name}: unit '{unknown[0]}' of {names[0]} is unknown",
                mend=f"Use one of: {', '.join(_SCALE)}",
            )
        return index, np.array([_SCALE[unit] for unit in units])

    def __call__(
        self, rows: NDArray[Any], times: NDArray[np.int64], seq: NDArray[np.uint64]
    ) -> NDArray[np.float32]:
        """Return the inertial columns (R, 12) of rows (R, C) with session times and row numbers (R,)."""
        force, rate, field = self.triads(rows, times, seq)
        if self._quaternion is not None:
            xyzw = np.asarray(rows[:, self._quaternion[0]], np.float64)
        else:
            assert self._filter is not None
            xyzw = self._filter(force, rate, times, seq, field)
        orientation = six_d(xyzw)
        bone = self.calibration.alignment
        if bone is not None:
            turn = bone.as_matrix()
            force, rate = force @ turn.T, rate @ turn.T
            orientation = _turned(orientation, turn)
        return np.concatenate([force / STANDARD_GRAVITY, rate, orientation], axis=1).astype(np.float32)

    def triads(
        self,
        rows: NDArray[Any],
        times: NDArray[np.int64] | None = None,
        seq: NDArray[np.uint64] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
        """Return specific force (m/s²), angular rate (rad/s) and magnetic field (uT) of rows (R, C).

        Each (R, 3) in the sensor's own frame, its errors corrected where they are known.

        Raises:
            ConfigError: the sensor tells no angular rate, and without ``times`` and ``seq`` (R,) of the rows
                that of its turning is not known either.
        """
        assert self._force is not None
        rows, known = np.asarray(rows, np.float64), self.calibration
        force = rows[:, self._force[0]] * self._force[1]
        rate = self._angular_rate(rows, times, seq)
        field = rows[:, self._field[0]] * self._field[1] if self._field is not None else None
        if known.specific_force is not None:
            force = known.specific_force(force)
        if known.angular_rate is not None and self._rate is not None:
            rate = known.angular_rate(rate)
        if known.magnetic_field is not None and field is not None:
            field = known.magnetic_field(field)
        return force, rate, field

    def _angular_rate(
        self, rows: NDArray[np.float64], times: NDArray[np.int64] | None, seq: NDArray[np.uint64] | None
    ) -> NDArray[np.float64]:
        if self._rate is not None:
            return rows[:, self._rate[0]] * self._rate[1]
        assert self._turning is not None
        assert self._quaternion is not None
        if times is None or seq is None:
            raise ConfigError(
                f"{self.info.name}: this sensor tells no angular rate, only how it is turned",
                mend="Use a protocol or a mode of it that sends the gyroscope's rate",
            )
        return self._turning(rows[:, self._quaternion[0]], times, seq)


def _turned(orientation: NDArray[np.float64], turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the 6-D orientations (R, 6) of frames that are turned (3, 3) against those given."""
    x, y = orientation[:, :3], orientation[:, 3:]
    sensor = np.stack([x, y, np.cross(x, y)], axis=-1)
    return (sensor @ turn.T)[..., :2].swapaxes(1, 2).reshape(-1, 6)
