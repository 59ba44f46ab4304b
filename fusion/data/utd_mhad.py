"""UTD-MHAD as batches: skeleton as visual key points, one inertial sensor of unspecified place -> action.

    data.root or CHORUS_DATA -> recordings.importers.utd_mhad -> this -> FusionNet

The joints are projected with the data set's own camera and normalised by a box, as from a vision front end;
their depth is given. At each tick of the grid the newest skeleton frame is used with its age, and the mean of
the inertial samples since the last tick.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drivers.places import PLACES
from fusion.data.augment import (
    AugmentConfig,
    blend_bodies,
    blend_sensors,
    blend_shares,
    change_body,
    change_sensor,
    cover,
    drown_sensor,
    lose_joints,
    lose_rows,
    scatter_joints,
)
from fusion.data.batches import Batch, empty_features, person_boxes, project, unknown_targets
from fusion.data.subjects import BySubjects
from fusion.features.spec import MAX_AGE_S, FeatureSpec
from fusion.inertial.orientation import OrientationFilter, six_d
from fusion.skeletons import BODY20, KINECT20
from fusion.virtual.parts import uniform
from recordings.importers.utd_mhad import (
    ACTIONS,
    DEPTH_FOCAL_PX,
    DEPTH_SIZE_PX,
    INERTIAL_RATE_HZ,
    STANDARD_GRAVITY,
    Trial,
    trials,
    worn_on,
)

KINECT_ORDER = [KINECT20.index(name) for name in BODY20]
"""Where each joint of BODY20 stands among those of a Kinect."""
NOISE_PX = 1.0
"""Spread told for each key point; a Kinect v1 joint is about this sharp in its 320 x 240 picture."""


class Seen(NamedTuple):
    """What a camera finds of the joints of a trial, in the order of BODY20.

    Attributes:
        joints: (F, 20, 3) float32 m, camera frame.
        sd_px: (F, 20) float32, standard deviation of their places in the picture, px; 0 where not found.
    """

    joints: NDArray[np.float32]
    sd_px: NDArray[np.float32]


class UtdTrials:
    """Trials as padded tensors on their own clocks.

    Attributes:
        joints: (N, F, 20, 3) m, camera frame; BODY20 order.
        frames: (N,) frames of each.
        inertial: (N, S, 12) as in the features.
        samples: (N,) inertial samples of each.
        action: (N,) 0 .. 26.
        place: (N,) of the inertial sensor, in PLACES.
        newest_frame: (N, F) the last frame that is there, itself included; -1 where none was yet.
        newest_sample: (N, S) likewise.
        seen: (N, F, 20, 3) m, the joints as a camera finds them; the skeleton's own by default.
        seen_px: (N, F, 20) standard deviation of their places in the picture, px; 0 where not found.

    Args:
        items: the trials.
        frames: of each, which skeleton frames are there; all by default.
        samples: of each, which inertial samples are there; all by default.
        seen: of each, what a camera finds; by default the skeleton, sharp.
        told: say where the sensor is worn. It gives groups of actions away: for poses only.
    """

    def __init__(
        self,
        items: list[Trial],
        frames: list[np.ndarray] | None = None,
        samples: list[np.ndarray] | None = None,
        seen: list[Seen] | None = None,
        told: bool = False,
    ) -> None:
        frames = frames or [np.ones(len(t.joints), bool) for t in items]
        samples = samples or [np.ones(len(t.specific_force), bool) for t in items]
        self.joints = _pad([torch.from_numpy(t.joints[:, KINECT_ORDER]) for t in items])
        self.frames = torch.tensor([len(t.joints) for t in items])
        self.seen = _pad([torch.from_numpy(s.joints) for s in seen]) if seen else self.joints
        sharp = torch.full(self.joints.shape[:3], NOISE_PX)
        self.seen_px = _pad([torch.from_numpy(s.sd_px) for s in seen]) if seen else sharp
        felt = zip(items, samples, strict=True)
        self.inertial = _pad([torch.from_numpy(_inertial(t, there)) for t, there in felt])
        self.newest_frame = _pad([_newest(there) for there in frames])
        self.newest_sample = _pad([_newest(there) for there in samples])
        self.samples = torch.tensor([len(t.specific_force) for t in items])
        self.action = torch.tensor([t.action - 1 for t in items])
        places = [worn_on(t.action) if told else t.worn_on for t in items]
        self.place = torch.tensor([PLACES.index(place) for place in places])

    def __len__(self) -> int:
        return len(self.action)


def _pad(items: list[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(items, batch_first=True)


def _newest(there: np.ndarray) -> Tensor:
    """Return the last row that is there at each row, -1 before the first."""
    return torch.from_numpy(np.maximum.accumulate(np.where(there, np.arange(len(there)), -1)))


def _inertial(trial: Trial, there: np.ndarray) -> np.ndarray:
    """Return (N, 12); rows that are not there are zeros, and the filter of orientation does not see them."""
    seq = np.flatnonzero(there)
    out = np.zeros((len(there), 12), np.float32)
    if not len(seq):
        return out
    force = trial.specific_force[seq].astype(np.float64, order="C")
    rate = trial.angular_rate[seq].astype(np.float64, order="C")
    times = np.rint(trial.inertial_time[seq] * 1e9).astype(np.int64)
    turned = OrientationFilter(INERTIAL_RATE_HZ, regular=True)(force, rate, times, seq.astype(np.uint64))
    out[seq] = np.concatenate([force / STANDARD_GRAVITY, rate, six_d(turned)], axis=1)
    return out


class UtdBatches:
    """Indices -> a batch; with ``augment`` a new variation at each call.

    Args:
        data: the trials.
        rate_hz: ticks per second.
        augment: how trials are varied; None: not at all.
        seed: of the variations.
        from_m: a camera that knows how far away the person is shows each picture as if the pelvis were in
            its middle, so many metres away: what is large in it is large. None: as it was taken.
    """

    def __init__(
        self,
        data: UtdTrials,
        rate_hz: float,
        augment: AugmentConfig | None,
        seed: int = 0,
        from_m: float | None = None,
    ) -> None:
        self.data = data
        self.rate_hz = rate_hz
        self.augment = augment
        self.ahead = None if from_m is None else torch.tensor([0.0, 0.0, from_m])
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, index: list[int]) -> Batch:
        """Return the batch of trials ``index``."""
        data, augment, g = self.data, self.augment, self.generator
        at = torch.tensor(index)
        other = self._partners(at) if augment else at
        duration = (data.samples[at] - 1) / INERTIAL_RATE_HZ
        phase, speed, valid = self._tempo(duration)
        size = len(at), valid.shape[1]
        # Visual: the newest frame that is there, held.
        length = duration[:, None] / speed
        frame = (phase * (data.frames[at] - 1)[:, None]).clamp(min=0.0)
        newest = data.newest_frame[at[:, None], (frame + 1e-4).floor().long()]
        age = (frame - newest).clamp(min=0.0) / (data.frames[at] - 1)[:, None] * length
        seen = ((newest >= 0) & (age <= FeatureSpec().vision_hold_s)).float()
        shown = at[:, None], newest.clamp(min=0)
        clean, joints, sd_px = data.joints[shown], data.seen[shown], data.seen_px[shown]
        # Inertial: the mean of the samples since the last tick, or the newest before, held.
        sample = phase * (data.samples[other] - 1)[:, None]
        if augment:
            sample = sample + uniform((size[0], 1), augment.lag_s, g) * INERTIAL_RATE_HZ
            sample = torch.minimum(sample.clamp(min=0.0), (data.samples[other] - 1)[:, None].float())
        inertial, felt, late = self._felt(other, sample, length)
        inertial[..., 3:6] *= speed[..., None]
        present = seen[..., None] * (sd_px > 0.0)
        if augment:
            if augment.blend:
                joints, inertial = self._blended(at, phase, speed, joints, inertial)
            joints = change_body(joints, augment, g)
            clean = joints
            joints = scatter_joints(joints, augment, g)
            inertial = change_sensor(inertial, augment, g)
            inertial = drown_sensor(inertial, augment, g)
            felt = felt * lose_rows(*size, augment.lost, g)
            lost = lose_joints(*size, augment.joint_loss, g)
            rows = lose_rows(*size, augment.lost, g)
            rows *= cover(*size, self.rate_hz, augment.covered, g)
            present = present * lost * rows[..., None]
        inertial = inertial * felt[..., None]
        visual = joints, sd_px, present, age
        return self._batch(visual, clean, inertial, (felt, late), valid, at)

    def _felt(self, trials: Tensor, sample: Tensor, length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the inertial stream (B, T, 12), whether it is there (B, T) and by how much it is late, s.

        Of trials (B,) of ``length`` (B, 1) s, when samples (B, T) are reached.
        """
        data, rows = self.data, trials[:, None]
        last = (sample + 1e-4).floor().long()
        final = data.newest_sample[rows, last]
        count = max(1, round(INERTIAL_RATE_HZ / self.rate_hz))
        back = (last[..., None] - torch.arange(count)).clamp(min=0)
        there = (data.newest_sample[rows[..., None], back] == back).float()[..., None]
        taken = data.inertial[rows[..., None], back]
        held = data.inertial[rows, final.clamp(min=0)]
        total = there.sum(dim=2)
        inertial = torch.where(total > 0, (taken * there).sum(dim=2) / total.clamp(min=1.0), held)
        late = (last - final).float() / (data.samples[trials] - 1)[:, None] * length
        late = torch.where(total[..., 0] > 0, 0.0, late)
        return inertial, ((final >= 0) & (late <= FeatureSpec().inertial_hold_s)).float(), late

    def _blended(
        self, at: Tensor, phase: Tensor, speed: Tensor, joints: Tensor, inertial: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the streams between those of trials ``at`` and of others, which do the same."""
        assert self.augment is not None
        data, seen_of, felt_of = self.data, self._same(at), self._same(at)
        shares = [blend_shares(len(at), self.augment.blend, self.generator) for _ in range(2)]
        frame = (phase * (data.frames[seen_of] - 1)[:, None] + 1e-4).floor().long()
        joints = blend_bodies(joints, data.joints[seen_of[:, None], frame], shares[0])
        length = (data.samples[felt_of] - 1)[:, None]
        theirs = self._felt(felt_of, phase * length, length / INERTIAL_RATE_HZ)[0]
        theirs[..., 3:6] *= speed[..., None]
        return joints, blend_sensors(inertial, theirs, shares[1])

    def _batch(
        self,
        visual: tuple[Tensor, Tensor, Tensor, Tensor],
        clean: Tensor,
        inertial: Tensor,
        felt: tuple[Tensor, Tensor],
        valid: Tensor,
        at: Tensor,
    ) -> Batch:
        action, place = self.data.action[at], self.data.place[at]
        (batch, ticks), (joints, sd_px, present, age) = valid.shape, visual
        width, height = DEPTH_SIZE_PX
        if self.ahead is not None:
            joints, clean = (each - each[:, :, :1] + self.ahead for each in (joints, clean))
        pixels = project(joints, DEPTH_FOCAL_PX, (width / 2, height / 2))
        boxes = person_boxes(pixels, self.rate_hz)
        centre, size = boxes[:, :, None, :2], boxes[:, :, None, 2:]
        features = empty_features(batch, ticks, self.rate_hz)
        vision = features["vision"]
        vision[..., :2] = (pixels - centre) / size
        vision[..., 2] = 1.0
        vision[..., 3] = vision[..., 5] = (sd_px / size[..., 0]) ** 2
        vision[..., 6] = 1.0
        vision[..., 7] = joints[..., 2] - joints[..., :1, 2]
        vision[..., 8] = 1.0
        features["vision_present"] = present * valid[..., None]
        features["vision_age"] = age.clamp(max=MAX_AGE_S)
        offset = torch.tensor([width / 2, height / 2, 0.0])
        features["box"] = (boxes - offset) / width
        slot = torch.arange(batch), slice(None), place
        features["inertial"][slot] = inertial
        features["inertial_present"][slot] = valid * felt[0]
        features["inertial_age"][slot] = felt[1] * felt[0]
        targets = unknown_targets(batch, ticks)
        targets["joints3d"] = clean - clean[:, :, :1]
        targets["joints3d_known"] = valid[..., None].expand(-1, -1, len(BODY20))
        truth = project(clean, DEPTH_FOCAL_PX, (width / 2, height / 2))
        targets["joints2d"] = (truth - centre) / size
        targets["joints2d_known"] = targets["joints3d_known"]
        targets["action"] = torch.where(valid > 0.5, action[:, None], -1)
        return {"features": features, "targets": targets, "valid": valid, "segment": action}

    def _partners(self, at: Tensor) -> Tensor:
        """Another trial of the same action for each, or the same, from which the inertial stream is taken."""
        assert self.augment is not None
        swap = torch.rand(len(at), generator=self.generator) < self.augment.swap
        return torch.where(swap, self._same(at), at)

    def _same(self, at: Tensor) -> Tensor:
        """Return a trial of the same action for each, drawn from all of them."""
        same = self.data.action[at][:, None] == self.data.action[None, :]
        return torch.multinomial(same.float(), 1, generator=self.generator)[:, 0]

    def _tempo(self, duration: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return phase (B, T; 0..1 of the trial), speed (B, 1) and valid (B, T) of each tick."""
        batch = len(duration)
        speed, start, stop = torch.ones(batch, 1), torch.zeros(batch, 1), torch.ones(batch, 1)
        wobble = torch.zeros(batch, 1)
        if self.augment:
            g = self.generator
            speed = torch.exp(uniform((batch, 1), self.augment.tempo, g))
            wobble = uniform((batch, 1), self.augment.tempo / 2.0, g)
            start = torch.rand(batch, 1, generator=g) * self.augment.crop
            stop = 1.0 - torch.rand(batch, 1, generator=g) * self.augment.crop
        ticks = (duration[:, None] * (stop - start) / speed * self.rate_hz).floor().long() + 1
        tick = torch.arange(int(ticks.max()))[None]
        valid = (tick < ticks).float()
        phase = (tick * speed / self.rate_hz / duration[:, None] / (stop - start)).clamp(max=1.0)
        phase = phase + wobble * torch.sin(torch.pi * phase) / torch.pi
        return (start + phase * (stop - start)).clamp(0.0, 1.0), speed, valid


class UtdMhadData(BySubjects):
    """UTD-MHAD by subjects.

    Args:
        root: folder or archive of the data set; by default the environment variable CHORUS_DATA.
        train_subjects: subjects to learn from.
        val_subjects: subjects to validate on while training; none by default.
        test_subjects: subjects for the final test.
        rate_hz: ticks per second of the grid.
        batch_size: trials in a batch.
        augment: how training trials are varied.
        seed: of the variations and the order.
    """

    def __init__(
        self,
        root: str | None = None,
        train_subjects: tuple[int, ...] = (1, 3, 5, 7),
        val_subjects: tuple[int, ...] = (),
        test_subjects: tuple[int, ...] = (2, 4, 6, 8),
        rate_hz: float = INERTIAL_RATE_HZ / 3.0,
        batch_size: int = 32,
        augment: AugmentConfig | None = None,
        seed: int = 0,
    ) -> None:
        subjects = {"train": train_subjects, "val": val_subjects, "test": test_subjects}
        super().__init__(subjects, rate_hz, batch_size, augment, seed)
        self.root, self.action_names = root, ACTIONS

    def read(self, subjects: tuple[int, ...]) -> UtdTrials:
        """Read the trials of some subjects."""
        return UtdTrials(list(trials(self.root, subjects)))

    def batches(self, data: UtdTrials, augment: AugmentConfig | None) -> UtdBatches:
        """Return what makes batches of trials."""
        return UtdBatches(data, self.rate_hz, augment, self.seed)
