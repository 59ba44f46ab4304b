"""Windows of virtual bodies: the simulator's motions, seen, felt and heard by random sensors.

    drivers.simulator.body -> clips (motion, ideal sensors) -> a random camera, sensors and faults per batch

The clips are made once; each batch then draws windows of them anew: another camera, frame rate, noise of key
points, hidden joints, blackouts, a random set of inertial sensors with misfit, bias and heading of their own,
a random loudness. Everything follows the features contract. Nothing but the simulator is behind it.
"""

from __future__ import annotations

import dataclasses

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from drivers.simulator.actions import ACTIONS
from fusion.data.augment import random_rotations, rotation_vectors_to_matrices, uniform
from fusion.data.batches import Batch, empty_features, person_boxes, unknown_targets
from fusion.data.clips import Clips
from fusion.features.spec import MAX_AGE_S, FeatureSpec
from fusion.skeletons import BODY20

_HIDDEN = (
    ("left_hand", "right_hand"),
    ("left_foot", "right_foot"),
    ("spine",),
    ("left_wrist", "left_hand"),
    ("right_wrist", "right_hand"),
    ("left_ankle", "left_foot", "right_ankle", "right_foot"),
)
"""Joints that a front end may not know, or that furniture hides, together."""


@dataclasses.dataclass(frozen=True)
class SensorRanges:
    """What the random sensors are like. Probabilities are per window.

    Attributes:
        frame_rates: of cameras, Hz.
        noise: largest standard deviation of key points, box sizes; drawn on a log scale from a
            twentieth of it.
        bias: standard deviation of a constant offset of each key point, box sizes.
        depth_known: probability that the front end gives depth.
        depth_noise_m: standard deviation of depth, half constant.
        delay_s: largest age of the newest frame beyond its frame period, small ones more often.
        blackout: probability of a stretch without frames, up to 2 s.
        hidden: probability that one group of joints is hidden throughout.
        flicker: probability that a joint is missed in a frame.
        sensors: largest number of inertial sensors; none to so many are worn.
        sensor_deg: misfit of a sensor.
        force_noise: standard deviation, g.
        rate_noise: standard deviation, rad/s; a constant bias has the same.
        silent: probability that there is no microphone.
    """

    frame_rates: tuple[float, ...] = (15.0, 25.0, 30.0, 30.0, 50.0, 60.0)
    noise: float = 0.02
    bias: float = 0.008
    depth_known: float = 0.5
    depth_noise_m: float = 0.06
    delay_s: float = 0.3
    blackout: float = 0.3
    hidden: float = 0.3
    flicker: float = 0.02
    sensors: int = 6
    sensor_deg: float = 20.0
    force_noise: float = 0.03
    rate_noise: float = 0.03
    silent: float = 0.4


class SimulatedBatches:
    """Numbers of clips -> a batch of windows at random places, by random sensors.

    Args:
        clips: to cut from.
        ticks: length of a window.
        rate_hz: ticks per second.
        ranges: of the sensors.
        seed: of everything random.
        fixed: the same numbers give the same batch each time.
    """

    def __init__(
        self, clips: Clips, ticks: int, rate_hz: float, ranges: SensorRanges, seed: int, fixed: bool = False
    ) -> None:
        self.clips = clips
        self.seed, self.fixed = seed, fixed
        self.ticks = ticks
        self.rate_hz = rate_hz
        self.ranges = ranges
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, index: list[int]) -> Batch:
        """Return a window of each clip of ``index``."""
        if self.fixed:
            self.generator.manual_seed(self.seed + index[0])
        g, clips, batch, ticks = self.generator, self.clips, len(index), self.ticks
        room = clips.joints.shape[1] - ticks + 1
        start = torch.randint(room, (batch, 1), generator=g)
        at, tick = torch.tensor(index)[:, None], start + torch.arange(ticks)
        features, targets = empty_features(batch, ticks, self.rate_hz), unknown_targets(batch, ticks)
        self._see(clips.joints[at, tick], features, targets)
        self._feel(clips.inertial[at, tick], features)
        self._hear(clips.sound[at, tick], features)
        targets["contact"] = clips.contact[at, tick]
        targets["contact_known"] = torch.ones(batch, ticks)
        targets["action"] = clips.action[at, tick]
        none = torch.full((batch,), -1, dtype=torch.int64)
        return {"features": features, "targets": targets, "valid": torch.ones(batch, ticks), "segment": none}

    def _see(self, world: Tensor, features: dict[str, Tensor], targets: dict[str, Tensor]) -> None:
        g, ranges = self.generator, self.ranges
        batch, ticks = world.shape[:2]
        joints, focal = self._camera(world)
        pixels = (
            joints[..., :2] / joints[..., 2:].clamp(min=0.3) * focal
        )  # in picture widths, from the centre
        size = (pixels.amax(dim=2) - pixels.amin(dim=2)).amax(dim=-1)[..., None, None]
        # Key points as a front end finds them.
        sd = ranges.noise * torch.exp(-3.0 * torch.rand(batch, 1, 1, 1, generator=g))
        sd = sd * torch.exp(0.3 * torch.randn(batch, 1, len(BODY20), 1, generator=g))
        bias = ranges.bias * torch.randn(batch, 1, len(BODY20), 2, generator=g)
        measured = pixels + size * (sd * torch.randn(pixels.shape, generator=g) + bias)
        boxes = person_boxes(measured, self.rate_hz)
        depth = joints[..., 2] - joints[..., :1, 2]
        noise = torch.randn(depth.shape, generator=g) + torch.randn(batch, 1, len(BODY20), generator=g)
        depth = depth + 0.5 * ranges.depth_noise_m * noise
        depth = depth - depth[..., :1]
        depth_known = (torch.rand(batch, 1, 1, generator=g) < ranges.depth_known).float().expand_as(depth)
        present = torch.rand(batch, ticks, len(BODY20), generator=g) >= ranges.flicker
        present &= ~self._hidden(batch)[:, None]
        newest, age = self._frames(batch, ticks)
        seen = newest >= 0
        row, newest = torch.arange(batch)[:, None], newest.clamp(min=0)
        box = boxes[row, newest]
        centre, side = box[:, :, None, :2], box[:, :, None, 2:]
        sd_told = (sd * size / side).expand(batch, ticks, len(BODY20), 1)[..., 0]
        sd_told = sd_told * torch.exp(uniform((batch, 1, 1), 0.7, g))
        vision = features["vision"]
        vision[..., :2] = (measured[row, newest] - centre) / side
        vision[..., 2] = 0.4 + 0.6 * torch.rand(batch, 1, len(BODY20), generator=g)
        vision[..., 3] = vision[..., 5] = sd_told**2
        vision[..., 6] = 0.6 + 0.4 * torch.rand(batch, 1, len(BODY20), generator=g)
        vision[..., 7], vision[..., 8] = (depth * depth_known)[row, newest], depth_known[row, newest]
        fresh = seen & (age <= FeatureSpec().vision_hold_s)
        features["vision_present"] = (present[row, newest] & fresh[..., None]).float()
        vision *= features["vision_present"][..., None]
        features["vision_age"] = torch.where(seen, age.clamp(max=MAX_AGE_S), MAX_AGE_S)
        features["box"] = box * seen[..., None]
        targets["joints3d"] = joints - joints[:, :, :1]
        targets["joints3d_known"] = torch.ones(batch, ticks, len(BODY20))
        targets["joints2d"] = (pixels - centre) / side
        targets["joints2d_known"] = seen[..., None].expand(-1, -1, len(BODY20)).float()

    def _camera(self, world: Tensor) -> tuple[Tensor, Tensor]:
        """Return joints in camera axes and the focal length in picture widths of a random camera each."""
        g, batch = self.generator, len(world)
        azimuth = uniform((batch,), torch.pi, g)
        distance = 2.2 + 3.3 * torch.rand(batch, generator=g)
        height = 0.5 + 1.5 * torch.rand(batch, generator=g)
        flat = torch.stack([azimuth.cos(), azimuth.sin()], dim=-1)
        middle = world[:, :, 0].mean(dim=1)
        position = torch.cat([middle[:, :2] + flat * distance[:, None], height[:, None]], dim=-1)
        target = middle + uniform((batch, 3), 0.25, g)
        forward = torch.nn.functional.normalize(target - position, dim=-1)
        up = torch.tensor([0.0, 0.0, 1.0]).expand_as(forward)
        right = torch.nn.functional.normalize(torch.linalg.cross(forward, up), dim=-1)
        rotation = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)
        roll = torch.zeros(batch, 3)
        roll[:, 2] = uniform((batch,), 0.1, g)
        rotation = rotation_vectors_to_matrices(roll) @ rotation
        joints = torch.einsum("bcd,btjd->btjc", rotation, world - position[:, None, None])
        focal = 0.7 + 0.7 * torch.rand(batch, 1, 1, 1, generator=g)
        return joints, focal

    def _frames(self, batch: int, ticks: int) -> tuple[Tensor, Tensor]:
        """Return the tick (B, T) that the newest frame shows, -1 before the first, and its age, s."""
        g, ranges = self.generator, self.ranges
        rates = torch.tensor(ranges.frame_rates)
        rate = rates[torch.randint(len(rates), (batch, 1), generator=g)]
        time = torch.arange(ticks) / self.rate_hz
        delay = ranges.delay_s * torch.rand(batch, 1, generator=g) ** 2
        phase = torch.rand(batch, 1, generator=g)
        captured = ((time - delay) * rate + phase).floor() - phase
        captured = captured / rate
        dark = torch.rand(batch, 1, generator=g) < ranges.blackout
        begin = torch.rand(batch, 1, generator=g) * time[-1]
        length = 0.2 + 1.8 * torch.rand(batch, 1, generator=g)
        dark = dark & (captured >= begin) & (captured < begin + length)
        captured = torch.where(dark, torch.full_like(captured, -1.0), captured).cummax(dim=1).values
        tick = torch.where(captured >= 0, (captured * self.rate_hz).round().clamp(max=ticks - 1), -1).long()
        return tick, (time - captured).clamp(min=0.0)

    def _hidden(self, batch: int) -> Tensor:
        """Return (B, 20), true where a joint is hidden throughout."""
        g = self.generator
        groups = torch.zeros(len(_HIDDEN) + 1, len(BODY20), dtype=torch.bool)
        for number, names in enumerate(_HIDDEN):
            groups[number, [BODY20.index(name) for name in names]] = True
        chosen = torch.randint(len(_HIDDEN), (batch,), generator=g)
        none = torch.rand(batch, generator=g) >= self.ranges.hidden
        return groups[torch.where(none, len(_HIDDEN), chosen)]

    def _feel(self, ideal: Tensor, features: dict[str, Tensor]) -> None:
        g, ranges = self.generator, self.ranges
        batch, ticks, places = ideal.shape[:3]
        count = torch.randint(ranges.sensors + 1, (batch, 1), generator=g)
        worn = torch.rand(batch, places, generator=g).argsort(dim=1).argsort(dim=1) < count
        fit = random_rotations(batch * places, ranges.sensor_deg, g).unflatten(0, (batch, 1, places))
        # Magnetic sensors share a heading, others have one each.
        own = (torch.rand(batch, 1, generator=g) < 0.5) * uniform((batch, places), torch.pi, g)
        turn = torch.zeros(batch, places, 3)
        turn[..., 2] = own + uniform((batch, 1), torch.pi, g)
        world = rotation_vectors_to_matrices(turn)[:, None]
        force, rate, x_axis, y_axis = ideal.split([3, 3, 3, 3], dim=-1)
        force = (fit @ force[..., None])[..., 0]
        force = force + ranges.force_noise * torch.randn(force.shape, generator=g)
        rate = (fit @ rate[..., None])[..., 0] + ranges.rate_noise * (
            torch.randn(rate.shape, generator=g) + torch.randn(batch, 1, places, 3, generator=g)
        )
        axes = torch.stack([x_axis, y_axis, torch.linalg.cross(x_axis, y_axis)], dim=-1)
        axes = world @ axes @ fit.transpose(-1, -2)
        features["inertial"] = (
            torch.cat([force, rate, axes[..., 0], axes[..., 1]], dim=-1) * worn[:, None, :, None]
        )
        features["inertial_present"] = worn[:, None].expand(-1, ticks, -1).float()
        age = 0.01 * torch.rand(batch, ticks, places, generator=g)
        features["inertial_age"] = torch.where(worn[:, None], age, MAX_AGE_S)

    def _hear(self, ideal: Tensor, features: dict[str, Tensor]) -> None:
        g, batch, ticks = self.generator, *ideal.shape[:2]
        loud = uniform((batch, 1, 1), 0.6, g)  # +-12 dB
        bands = (ideal[..., :32] + loud).clamp(min=-2.0)
        bands = bands + 0.03 * torch.randn(bands.shape, generator=g)
        there = (torch.rand(batch, 1, generator=g) >= self.ranges.silent).float().expand(-1, ticks)
        features["audio"] = torch.cat([bands, ideal[..., 32:]], dim=-1) * there[..., None]
        features["audio_present"] = there.clone()
        age = 0.02 * torch.rand(batch, ticks, generator=g)
        features["audio_age"] = torch.where(there > 0.5, age, MAX_AGE_S)


class SimulatedData(pl.LightningDataModule):
    """The simulator's motions as a data module.

    Args:
        train_clips: bodies to learn from.
        val_clips: other bodies to validate on.
        seconds: length of a clip.
        window_s: length of a window.
        rate_hz: ticks per second.
        batch_size: windows in a batch.
        windows_per_clip: windows drawn from each clip in an epoch.
        ranges: of the sensors.
        fixed: the same windows and sensors in each epoch, to see whether a network can learn them at all.
        seed: of everything random.
    """

    def __init__(
        self,
        train_clips: int = 200,
        val_clips: int = 24,
        seconds: float = 24.0,
        window_s: float = 3.0,
        rate_hz: float = 60.0,
        batch_size: int = 20,
        windows_per_clip: int = 4,
        ranges: SensorRanges | None = None,
        fixed: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.counts = {"train": train_clips, "val": val_clips}
        self.seconds, self.window_s, self.rate_hz = seconds, window_s, rate_hz
        self.batch_size, self.windows_per_clip = batch_size, windows_per_clip
        self.ranges = ranges or SensorRanges()
        self.fixed, self.seed = fixed, seed
        self.action_names = ACTIONS
        self._clips: dict[str, Clips] = {}

    def setup(self, stage: str) -> None:
        """Let the bodies move."""
        for number, part in enumerate(("train", "val")):
            if part not in self._clips and (part == "val" or stage == "fit"):
                self._clips[part] = Clips(
                    self.counts[part], self.seconds, self.rate_hz, self.seed + 1000 * number
                )

    def train_dataloader(self) -> DataLoader:
        """New windows by new sensors at each pass."""
        return self._loader("train", self.windows_per_clip, self.seed)

    def val_dataloader(self) -> DataLoader:
        """The same windows at each call."""
        return self._loader("val", 4, self.seed + 7)

    def test_dataloader(self) -> DataLoader:
        """As for validation."""
        return self.val_dataloader()

    def _loader(self, part: str, repeats: int, seed: int) -> DataLoader:
        clips = self._clips[part]
        ticks = int(self.window_s * self.rate_hz)
        return DataLoader(
            list(range(len(clips))) * repeats,  # type: ignore[arg-type]
            batch_size=self.batch_size,
            shuffle=part == "train" and not self.fixed,
            collate_fn=SimulatedBatches(
                clips, ticks, self.rate_hz, self.ranges, seed, self.fixed or part == "val"
            ),
            generator=torch.Generator().manual_seed(seed),
        )
