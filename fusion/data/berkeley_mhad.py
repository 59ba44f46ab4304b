"""Berkeley MHAD as batches: six worn accelerometers -> action.

    data.root or CHORUS_DATA -> recordings.importers.berkeley_mhad -> this -> FusionNet

The sensors sample evenly and their stamps tell of arrival by radio: each stream's start is the lower envelope
of what its stamps say. Two of the sensors are on the pelvis, for which there is one slot: the right hip's
tells no place. There is no angular rate: it is zero; where up is, is what the force says on average over
the last second, and the heading is what turning towards it leaves.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from drivers.errors import DataError
from drivers.places import PLACES
from fusion.data.augment import AugmentConfig, change_sensor, drown_sensor, lose_rows
from fusion.data.batches import Batch, empty_features, unknown_targets
from fusion.data.subjects import BySubjects
from fusion.virtual.parts import uniform
from recordings.importers.berkeley_mhad import (
    ACTIONS,
    ARCHIVE,
    RATE_HZ,
    STANDARD_GRAVITY,
    Trial,
    find_root,
    keys,
    read_trial,
)

WORN = ("left_forearm", "right_forearm", "pelvis", "unspecified", "left_shin", "right_shin")
"""The slot of each sensor of the data set, in its order."""
_SLOTS = [PLACES.index(place) for place in WORN]
_TILT_S = 1.0
"""Over which the force is averaged to tell up from movement; arms of these actions swing about once in it."""


def on_grid(trial: Trial, rate_hz: float) -> np.ndarray:
    """Return (T, 6, 3) float32 specific force in g, at ticks over the time that all sensors cover.

    Args:
        trial: as read.
        rate_hz: ticks per second.

    Raises:
        DataError: the sensors share less than half a second.
    """
    starts = []
    for arrival in trial.arrival:
        even = np.arange(len(arrival)) / RATE_HZ
        late = (arrival - trial.arrival[0][0]) / 1e9 - even
        starts.append(float(np.quantile(late, 0.02)))
    stops = [s + (len(f) - 1) / RATE_HZ for s, f in zip(starts, trial.specific_force, strict=True)]
    first, last = max(starts), min(stops)
    if last - first < 0.5:
        raise DataError(f"Berkeley MHAD: the sensors of {trial.key} share no time", mend="Leave it out")
    ticks = np.arange(first, last, 1.0 / rate_hz)
    out = np.empty((len(ticks), len(WORN), 3), np.float32)
    for sensor, (start, force) in enumerate(zip(starts, trial.specific_force, strict=True)):
        times = start + np.arange(len(force)) / RATE_HZ
        for axis in range(3):
            out[:, sensor, axis] = np.interp(ticks, times, force[:, axis] / STANDARD_GRAVITY)
    return out


def tilted(force: np.ndarray, rate_hz: float) -> np.ndarray:
    """Return (T, S, 6) float32 orientation, sensor to levelled world, first two columns, from force alone.

    Up is the leaky mean of the force so far; from tick to tick the sensor turns as little as that allows.

    Args:
        force: (T, S, 3).
        rate_hz: ticks per second.
    """
    up, fade = force[0].astype(np.float64), np.exp(-1.0 / (_TILT_S * rate_hz))
    turned = np.broadcast_to(np.eye(3), (*up.shape[:1], 3, 3))
    out = np.empty((len(force), len(up), 6), np.float32)
    for tick, newest in enumerate(force):
        up = fade * up + (1.0 - fade) * newest
        seen = np.einsum("sij,sj->si", turned, up / np.linalg.norm(up, axis=1, keepdims=True).clip(1e-6))
        # The smallest turn that takes what was up to (0, 0, 1).
        axis = np.stack([seen[:, 1], -seen[:, 0], np.zeros(len(seen))], axis=1)
        sine = np.linalg.norm(axis, axis=1, keepdims=True)
        axis = np.where(sine > 1e-9, axis / sine.clip(1e-9), [1.0, 0.0, 0.0])
        angle = np.arctan2(sine, seen[:, 2:])
        turned = Rotation.from_rotvec(axis * angle).as_matrix() @ turned
        out[tick] = turned[..., :2].swapaxes(1, 2).reshape(len(up), 6)
    return out


class BerkeleyTrials:
    """Trials as padded tensors.

    Attributes:
        force: (N, T, 6, 3) g, on the grid.
        orientation: (N, T, 6, 6) as :func:`tilted` says.
        samples: (N,) ticks of each.
        action: (N,) 0 .. 10.
    """

    def __init__(self, items: list[Trial], rate_hz: float) -> None:
        rows = [on_grid(trial, rate_hz) for trial in items]
        turns = [torch.from_numpy(tilted(row, rate_hz)) for row in rows]
        pad = torch.nn.utils.rnn.pad_sequence
        self.force = pad([torch.from_numpy(row) for row in rows], batch_first=True)
        self.orientation = pad(turns, batch_first=True)
        self.samples = torch.tensor([len(row) for row in rows])
        self.action = torch.tensor([trial.key.action - 1 for trial in items])

    def __len__(self) -> int:
        return len(self.action)


class BerkeleyBatches:
    """Indices -> a batch; with ``augment`` a new variation at each call: part, tempo, fits, faults.

    Args:
        data: the trials.
        rate_hz: ticks per second.
        augment: how trials are varied; ``crop``, ``tempo`` and what concerns sensors.
        most_s: longer trials are cut: at random places with ``augment``, else at the end.
        seed: of the variations.
    """

    def __init__(
        self,
        data: BerkeleyTrials,
        rate_hz: float,
        augment: AugmentConfig | None,
        most_s: float = 8.0,
        seed: int = 0,
    ) -> None:
        self.data, self.rate_hz, self.augment = data, rate_hz, augment
        self.most = round(most_s * rate_hz)
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, index: list[int]) -> Batch:
        """Return the batch of trials ``index``."""
        data, augment, g = self.data, self.augment, self.generator
        at = torch.tensor(index)
        count, length = len(at), data.samples[at].float()
        speed, start = torch.ones(count), torch.zeros(count)
        kept = length.clamp(max=float(self.most))
        if augment:
            speed = torch.exp(uniform((count,), augment.tempo, g))
            kept = torch.minimum(kept * (1.0 - augment.crop * torch.rand(count, generator=g)), length / speed)
            start = torch.rand(count, generator=g) * (length - kept * speed).clamp(min=0.0)
        ticks = kept.floor().long().clamp(min=2)
        tick = torch.arange(int(ticks.max()))[None]
        valid = (tick < ticks[:, None]).float()
        row = (start[:, None] + tick * speed[:, None]).round().long()
        row = torch.minimum(row, data.samples[at][:, None] - 1)
        force, turned = data.force[at[:, None], row], data.orientation[at[:, None], row]
        features = empty_features(count, tick.shape[1], self.rate_hz)
        for sensor, slot in enumerate(_SLOTS):
            zeros = torch.zeros(*valid.shape, 3)
            told = torch.cat([force[:, :, sensor], zeros, turned[:, :, sensor]], dim=-1)
            there = valid
            if augment:
                told = drown_sensor(change_sensor(told, augment, g), augment, g)
                told = torch.cat([told[..., :3], zeros, told[..., 6:]], dim=-1)
                there = valid * lose_rows(count, tick.shape[1], augment.lost, g)
            features["inertial"][:, :, slot] = told * there[..., None]
            features["inertial_present"][:, :, slot] = there
        targets = unknown_targets(count, tick.shape[1])
        action = data.action[at]
        targets["action"] = torch.where(valid > 0.5, action[:, None], -1)
        return {"features": features, "targets": targets, "valid": valid, "segment": action}


class BerkeleyMhadData(BySubjects):
    """Berkeley MHAD by subjects.

    Args:
        root: folder or archive of the data set; by default the environment variable CHORUS_DATA.
        train_subjects: subjects to learn from.
        test_subjects: subjects for the final test.
        rate_hz: ticks per second of the grid.
        batch_size: trials in a batch.
        augment: how training trials are varied.
        seed: of the variations and the order.
    """

    def __init__(
        self,
        root: str | None = None,
        train_subjects: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7),
        test_subjects: tuple[int, ...] = (8, 9, 10, 11, 12),
        rate_hz: float = 50.0 / 3.0,
        batch_size: int = 32,
        augment: AugmentConfig | None = None,
        seed: int = 0,
    ) -> None:
        subjects = {"train": train_subjects, "val": (), "test": test_subjects}
        super().__init__(subjects, rate_hz, batch_size, augment, seed)
        self.root, self.action_names = root, ACTIONS

    def read(self, subjects: tuple[int, ...]) -> BerkeleyTrials:
        """Read the trials of some subjects."""
        root = self.root or os.environ.get("CHORUS_DATA")
        if not root:
            raise DataError(
                "Berkeley MHAD: no folder is named",
                mend=f"Set CHORUS_DATA to the folder that holds {ARCHIVE}, or give --data.root=FOLDER",
            )
        folder = find_root(Path(root))
        found = [read_trial(folder, key) for key in keys(folder) if key.subject in subjects]
        if not found:
            raise DataError(f"Berkeley MHAD: no trials of subjects {subjects}", mend="They are 1 to 12")
        return BerkeleyTrials(found, self.rate_hz)

    def batches(self, data: BerkeleyTrials, augment: AugmentConfig | None) -> BerkeleyBatches:
        """Return what makes batches of trials."""
        return BerkeleyBatches(data, self.rate_hz, augment, seed=self.seed)
