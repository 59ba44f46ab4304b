"""Motions of random virtual bodies with what ideal sensors measure of them."""

from __future__ import annotations

import numpy as np
import torch

from drivers.places import PLACES
from drivers.simulator.anatomy import BodyShape
from drivers.simulator.body import GRAVITY, Body
from drivers.simulator.sound import Sound
from fusion.audio.logmel import features_at
from fusion.skeletons import BODY20

_SOUND_HZ = 16000


class Clips:
    """Motions of random bodies at the ticks of the grid, with what ideal sensors measure.

    Attributes:
        joints: (N, T, 20, 3) m, world frame, z up.
        inertial: (N, T, 16, 12) as in the features.
        contact: (N, T, 2).
        action: (N, T) int64.
        sound: (N, T, 33).
    """

    def __init__(self, count: int, seconds: float, rate_hz: float, seed: int) -> None:
        ticks = int(seconds * rate_hz)
        self.joints = torch.empty(count, ticks, len(BODY20), 3)
        self.inertial = torch.empty(count, ticks, len(PLACES), 12)
        self.contact = torch.empty(count, ticks, 2)
        self.action = torch.empty(count, ticks, dtype=torch.int64)
        self.sound = torch.empty(count, ticks, 33)
        for number in range(count):
            rng = np.random.default_rng((seed, number))
            body = Body(
                seed=int(rng.integers(1 << 31)),
                shape=BodyShape.random(rng),
                sway=float(rng.uniform(0.3, 1.5)),
            )
            self._fill(number, body, np.arange(ticks) / rate_hz + 1.0, rate_hz)

    def _fill(self, number: int, body: Body, times: np.ndarray, rate_hz: float) -> None:
        pose = body.pose(times)
        self.joints[number] = torch.from_numpy(pose.joints)
        self.contact[number] = torch.from_numpy(pose.contacts.astype(np.float32))
        self.action[number] = torch.from_numpy(body.actions(times))
        # The mean over a tick is, for so smooth a motion, the value in its middle.
        felt = body.inertial(times - 0.5 / rate_hz)
        axes = pose.orientations
        columns = (felt.specific_force / GRAVITY, felt.angular_rate, axes[..., 0], axes[..., 1])
        self.inertial[number] = torch.from_numpy(np.concatenate(columns, axis=-1))
        begin = times[0] - 0.1
        instants = begin + np.arange(int((times[-1] - begin) * _SOUND_HZ) + 1) / _SOUND_HZ
        ends = ((times - begin) * _SOUND_HZ).astype(np.int64)
        self.sound[number] = torch.from_numpy(features_at(Sound(body)(instants), _SOUND_HZ, ends))

    def __len__(self) -> int:
        return len(self.action)
