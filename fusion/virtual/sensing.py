"""Bodies that move -> what cameras, inertial sensors and microphones tell of them, and the truth.

::

    Motions --+--> VirtualCameras ---+
              +--> VirtualImus ------+--> features (the contract of live and training), targets
              +--> VirtualMicrophones+
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from fusion.data.batches import Batch, empty_features, unknown_targets
from fusion.segments import SEGMENTS
from fusion.virtual.camera import CameraRanges, Seen, VirtualCameras
from fusion.virtual.impacts import impacts
from fusion.virtual.imu import Felt, VirtualImus
from fusion.virtual.kinematics import orientations
from fusion.virtual.microphone import MicrophoneRanges, VirtualMicrophones
from fusion.virtual.motion import Motions
from fusion.virtual.parts import ImuRanges, about_z
from fusion.virtual.several import SeveralRanges, several
from fusion.virtual.smooth import derivatives
from fusion.virtual.wearer import WearerRanges, told

LEAD_S = 0.5
"""Motion before a window that its sensors need: late frames and samples, and sound that still rings."""


@dataclasses.dataclass(frozen=True)
class SensorRanges:
    """What random sensors are like: cameras, inertial sensors, microphones; what is told of wearers; and how
    several cameras see one.
    """

    camera: CameraRanges = CameraRanges()  # noqa: RUF009  (frozen)
    imu: ImuRanges = ImuRanges()  # noqa: RUF009
    microphone: MicrophoneRanges = MicrophoneRanges()  # noqa: RUF009
    wearer: WearerRanges = WearerRanges()  # noqa: RUF009
    several: SeveralRanges = SeveralRanges()  # noqa: RUF009


class VirtualSensors:
    """Random sensors on windows of motion, as training batches.

    Args:
        ranges: what the sensors are like.
        rate_hz: ticks per second.

    Raises:
        ConfigError: the folder of recorded impacts holds no sound.
    """

    def __init__(self, ranges: SensorRanges | None = None, rate_hz: float = 60.0) -> None:
        self.ranges = ranges or SensorRanges()
        self.rate_hz = rate_hz
        self.cameras = VirtualCameras(self.ranges.camera, rate_hz)
        self.imus = VirtualImus(self.ranges.imu, rate_hz)
        self.microphones = VirtualMicrophones(self.ranges.microphone, rate_hz)

    @property
    def lead(self) -> int:
        """Ticks before the window that motions must have."""
        return round(LEAD_S * self.rate_hz)

    def __call__(self, motions: Motions, generator: torch.Generator) -> Batch:
        """Return a batch of the windows of N motions.

        Args:
            motions: N of ``lead`` + T rows at ``rate_hz``, T > 0.
            generator: of all that is random: the same generator gives the same batch.

        Raises:
            ValueError: the motions have another rate, or no more than ``lead`` rows.
        """
        lead, count = self.lead, motions.root.shape[1]
        if motions.rate_hz != self.rate_hz or count <= lead:
            raise ValueError(
                f"expected more than {lead} rows at {self.rate_hz:g} Hz, "
                f"received {count} at {motions.rate_hz:g}"
            )
        joints = motions.posed().joints
        frames = orientations(motions.rotations)
        seen, others = self._see(joints, frames, generator)
        struck = impacts(joints, motions.contacts, self.rate_hz)
        felt = self.imus(joints, frames, struck, seen.views.facing, generator, lead)
        heard = self.microphones(struck, generator, lead)
        batch, ticks = len(joints), count - lead
        features = empty_features(batch, ticks, self.rate_hz)
        features |= {name: getattr(seen, name) for name in ("vision", "vision_present", "vision_age", "box")}
        features |= {name: getattr(felt, name) for name in ("inertial", "inertial_present", "inertial_age")}
        features |= heard._asdict() | others
        stature, bones = told(motions.offsets, self.ranges.wearer, generator)
        features["stature"] = stature[:, None].expand(-1, ticks).clone()
        features["bones"] = bones[:, None].expand(-1, ticks, -1, -1).clone()
        targets = self._targets(motions, joints, seen, felt, lead)
        none = torch.full((batch,), -1, dtype=torch.int64)
        valid = torch.ones(batch, ticks)
        return {"features": features, "targets": targets, "valid": valid, "segment": none}

    def _see(
        self, joints: Tensor, frames: Tensor, generator: torch.Generator
    ) -> tuple[Seen, dict[str, Tensor]]:
        """Return what the camera sees, with the help of others in some batches, and what those see."""
        ranges, g = self.ranges.several, generator
        if ranges.batches <= 0.0 or float(torch.rand((), generator=g)) >= ranges.batches:
            return self.cameras(joints, frames, g, self.lead), {}
        count = int(torch.randint(ranges.least, ranges.most + 1, (), generator=g))
        seen = self.cameras(joints, frames, g, self.lead, count)
        return several(seen, count, ranges, self.rate_hz, g)

    def _targets(
        self, motions: Motions, joints: Tensor, seen: Seen, felt: Felt, lead: int
    ) -> dict[str, Tensor]:
        batch, ticks = seen.vision.shape[:2]
        known = torch.ones(batch, ticks)
        targets = unknown_targets(batch, ticks)
        turn = seen.views.rotation[:, None]
        _, speed, _ = derivatives(joints[:, :, 0], self.rate_hz)
        rotations = motions.rotations[:, lead:, : len(SEGMENTS)]
        return targets | {
            "joints3d": seen.joints3d,
            "joints3d_known": known[..., None].expand(-1, -1, joints.shape[2]).clone(),
            "joints2d": seen.joints2d,
            "joints2d_known": seen.joints2d_known,
            "rotations": turn[:, :, None] @ rotations,
            "rotations_known": known,
            "offsets": motions.offsets[:, None].expand(-1, ticks, -1, -1).clone(),
            "offsets_known": known.clone(),
            "root_velocity": (turn @ speed[:, lead:, :, None])[..., 0],
            "root_velocity_known": known.clone(),
            "view": (turn @ about_z(seen.views.facing)[:, None]).expand(-1, ticks, -1, -1).clone(),
            "view_known": known.clone(),
            "heading": felt.heading,
            "heading_known": felt.worn[:, None].float().expand(-1, ticks, -1).clone(),
            "contact": motions.contacts[:, lead:].float(),
            "contact_known": known.clone(),
            "action": motions.action[:, lead:].clone(),
        }
