"""A sensor that somebody lays on the desk and turns, about as exactly as a hand does.

Stands in for :class:`drivers.simulator.body.Body` wherever only ``inertial`` and ``impacts`` are asked
for. World frame z up; at first the sensor lies flat, its axes along the world's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from drivers.simulator.body import GRAVITY, Inertial
from drivers.simulator.kinematics import smoothstep
from drivers.simulator.rotations import rotation_vector
from drivers.simulator.script import Impact

Array = NDArray[np.float64]

_DIFFERENCE_S = 1e-3


@dataclasses.dataclass(frozen=True)
class Hand:
    """How exact the hand is.

    Attributes:
        turn_deg: (low, high) of what is meant to be 90 degrees.
        askew_deg: of the axis of a turn, one standard deviation.
        back_deg: by how much the way back misses, one standard deviation; the desk makes it level again.
        shake_deg: while the sensor is held.
        rest_s, move_s: (low, high), s.
    """

    turn_deg: tuple[float, float] = (70.0, 110.0)
    askew_deg: float = 5.0
    back_deg: float = 3.0
    shake_deg: float = 1.0
    rest_s: tuple[float, float] = (2.0, 3.0)
    move_s: tuple[float, float] = (0.8, 1.6)


class Turned:
    """A sensor that is turned about given axes of its own, and back after each turn if the axes say so.

    Args:
        turns: (n, 3) axis of each quarter turn, right-handed, in the sensor's frame as it lies before the
        turn. seed: of everything random.
        hand: how exact.
        start_s: at rest until then, at least.
        sides: whether the sensor is laid on the desk on each side that a turn brings near to it, else only
            with z up; elsewhere it is held.
    """

    def __init__(
        self,
        turns: ArrayLike,
        seed: int = 0,
        hand: Hand | None = None,
        *,
        start_s: float = 2.0,
        sides: bool = False,
    ) -> None:
        rng = np.random.default_rng((seed, 21))
        hand = hand or Hand()
        axes = np.atleast_2d(np.asarray(turns, float))
        tilt = rng.normal(0, np.radians(0.5), 2)
        self.poses = [Rotation.from_rotvec([*tilt, rng.uniform(-np.pi, np.pi)])]
        self.moves: list[tuple[float, float]] = []
        now, before = start_s, 0.0
        for index, axis in enumerate(axes):
            undone = index > 0 and np.allclose(axis, -axes[index - 1])
            angle = before + rng.normal(0, hand.back_deg) if undone else rng.uniform(*hand.turn_deg)
            before = 0.0 if undone else angle
            aim = axis + rng.normal(0, np.radians(hand.askew_deg), 3)
            pose = self.poses[-1] * Rotation.from_rotvec(np.radians(angle) * aim / np.linalg.norm(aim))
            if sides or pose.as_matrix()[2, 2] > np.cos(np.radians(30)):
                pose = _levelled(pose)
            self.poses.append(pose)
            seconds = rng.uniform(*hand.move_s)
            self.moves.append((now, now + seconds))
            now += seconds + rng.uniform(*hand.rest_s)
        self.stop = now
        """When all is over, s."""
        self._shake = np.radians(hand.shake_deg) * rng.normal(0, 0.5, (3, 3))
        self._rates = 2 * np.pi * rng.uniform([0.3, 1.0, 6.0], [0.8, 3.0, 10.0], (3, 3))
        self._phase = rng.uniform(0, 2 * np.pi, (3, 3))

    @property
    def rests(self) -> list[tuple[float, float]]:
        """Start and stop of each rest, s."""
        edges = [0.0, *(time for move in self.moves for time in move), self.stop]
        return list(zip(edges[::2], edges[1::2], strict=True))

    def impacts(self, start: float, stop: float) -> list[Impact]:
        """Return no impacts."""
        return []

    def orientation(self, times: Array) -> Rotation:
        """Return the rotations (T,) sensor -> world."""
        turn, held = np.zeros((len(times), 3)), np.zeros(len(times))
        out = self.poses[0].as_quat() * np.ones((len(times), 1))
        until = [*(start for start, _ in self.moves[1:]), np.inf]
        for index, (start, stop) in enumerate(self.moves):
            step = (self.poses[index].inv() * self.poses[index + 1]).as_rotvec()
            u = smoothstep((times - start) / (stop - start))
            after = (times >= start) & (times < until[index])
            out[after] = (self.poses[index] * Rotation.from_rotvec(u[after, None] * step)).as_quat()
            flat = [
                np.abs(pose.as_matrix()[2]).max() > np.cos(np.radians(2)) for pose in self.poses[index:][:2]
            ]
            held[after] = (1 - u[after]) * (not flat[0]) + u[after] * (not flat[1])
            held[after] += 4 * u[after] * (1 - u[after])
        for axis in range(3):
            wave = np.sin(np.outer(times, self._rates[axis]) + self._phase[axis]) * [1.0, 0.5, 0.15]
            turn[:, axis] = wave @ self._shake[axis]
        return Rotation.from_quat(out) * Rotation.from_rotvec(held[:, None] * turn)

    def inertial(self, times: ArrayLike, places: Sequence[str] = ("",)) -> Inertial:
        """Return what an ideal sensor measures at ``times`` (T,) s; see :class:`Body`."""
        times = np.atleast_1d(np.asarray(times, float))
        h = _DIFFERENCE_S
        before, now, after = (self.orientation(times + d) for d in (-h, 0.0, h))
        matrix = now.as_matrix()
        turn = np.swapaxes(before.as_matrix(), -1, -2) @ after.as_matrix()
        rate = rotation_vector(turn) / (2 * h)
        # Turned about its edge, some 2 cm away: centripetal acceleration.
        force = now.inv().apply([0.0, 0.0, GRAVITY]) + 0.02 * rate**2
        shape = (len(times), len(places), 3)
        return Inertial(
            np.broadcast_to(force[:, None], shape).copy(),
            np.broadcast_to(rate[:, None], shape).copy(),
            np.broadcast_to(matrix[:, None], (*shape, 3)).copy(),
        )


def _levelled(pose: Rotation) -> Rotation:
    """Return the pose, laid on the side that is nearest to the ground."""
    up = pose.inv().apply([0.0, 0.0, 1.0])
    side = np.where(np.abs(up) == np.abs(up).max(), np.sign(up), 0.0)
    return pose * Rotation.align_vectors(up[None], side[None])[0]
