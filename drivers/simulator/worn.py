"""What a consumer part measures that is strapped to a body: mounted askew, noisy, on skin that moves."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drivers.simulator.body import GRAVITY, Inertial

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Part:
    """Errors of an inertial part; the defaults are those of cheap MEMS as their data sheets give them.

    Attributes:
        gyro_noise: deg/s per root Hz.
        gyro_bias: (low, high) deg/s on each axis, of either sign.
        gyro_scale: one standard deviation of the scale factors and of the cross-axis terms.
        accel_noise: mg per root Hz.
        accel_bias: (low, high) mg on each axis, of either sign.
        accel_scale: as ``gyro_scale``.
    """

    gyro_noise: float = 0.01
    gyro_bias: tuple[float, float] = (0.5, 1.0)
    gyro_scale: float = 0.005
    accel_noise: float = 0.3
    accel_bias: tuple[float, float] = (20.0, 40.0)
    accel_scale: float = 0.005


@dataclasses.dataclass(frozen=True)
class Errors:
    """One sensor's own errors, drawn from what its :class:`Part` allows: measured = matrix @ true + bias."""

    force_bias: Array
    force_matrix: Array
    rate_bias: Array
    rate_matrix: Array
    force_density: float
    rate_density: float

    @classmethod
    def drawn(cls, part: Part, rng: np.random.Generator) -> Errors:
        """Draw one."""

        def bias(low: float, high: float) -> Array:
            return rng.uniform(low, high, 3) * rng.choice([-1.0, 1.0], 3)

        return cls(
            bias(*part.accel_bias) * 1e-3 * GRAVITY,
            np.eye(3) + rng.normal(0, part.accel_scale, (3, 3)),
            np.radians(bias(*part.gyro_bias)),
            np.eye(3) + rng.normal(0, part.gyro_scale, (3, 3)),
            part.accel_noise * 1e-3 * GRAVITY,
            np.radians(part.gyro_noise),
        )

    def measured(
        self, force: Array, rate: Array, rate_hz: float, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Return what it reads of true specific force and angular rate (N, 3) in its own frame."""
        root = np.sqrt(rate_hz / 2)
        return (
            force @ self.force_matrix.T
            + self.force_bias
            + rng.normal(0, self.force_density * root, force.shape),
            rate @ self.rate_matrix.T + self.rate_bias + rng.normal(0, self.rate_density * root, rate.shape),
        )


@dataclasses.dataclass(frozen=True)
class Mount:
    """How a sensor sits on a segment.

    Attributes:
        rotation: sensor -> bone.
        wobble_deg: of soft tissue, at 3 to 7 Hz while the segment turns.
        creep: share of a turn that the skin does not follow, about random axes.
        slip_s, slip: from that time on, s, the sensor sits turned by as much: new sensor -> old sensor.
    """

    rotation: Rotation
    wobble_deg: float = 1.5
    creep: float = 0.02
    slip_s: float = np.inf
    slip: Rotation = dataclasses.field(default_factory=Rotation.identity)

    def at_end(self) -> Rotation:
        """Return sensor -> bone as it is in the end."""
        return self.rotation * self.slip if np.isfinite(self.slip_s) else self.rotation


def sensed(
    ideal: Inertial, place: int, mount: Mount, times: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return true specific force (m/s²) and angular rate (rad/s), (N, 3) in the frame of a worn sensor.

    Args:
        ideal: of sensors along the bones at ``times`` (N,) s.
        place: index of the place in it.
    """
    force, rate = ideal.specific_force[:, place], ideal.angular_rate[:, place]
    lively = np.minimum(np.linalg.norm(rate, axis=1), 2.0) / 2.0
    turn = np.zeros_like(rate)
    for axis in range(3):
        hz, phase = rng.uniform(3, 7), rng.uniform(0, 2 * np.pi)
        turn[:, axis] = lively * np.sin(2 * np.pi * hz * times + phase)
    turn = np.radians(mount.wobble_deg) * turn
    turn += mount.creep * (np.cumsum(rate, axis=0) * np.median(np.diff(times))) @ rng.normal(0, 0.6, (3, 3))
    to_sensor = mount.rotation.inv()
    force, rate = to_sensor.apply(force), to_sensor.apply(rate)
    turn = to_sensor.apply(turn)
    rate = rate + np.gradient(turn, times, axis=0)
    force = Rotation.from_rotvec(-turn).apply(force)
    after = times >= mount.slip_s
    if after.any():
        force[after], rate[after] = mount.slip.inv().apply(force[after]), mount.slip.inv().apply(rate[after])
    return force, rate
