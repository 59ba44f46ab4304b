"""Virtual inertial sensors: what sensors worn on a moving body measure.

::

    joints, segment frames -> ideal(): specific force R^T (a - g), angular rate, orientation
                           -> parts.spoilt(): what a consumer part makes of it
                           -> ticks: means over the samples of each tick, presence, age

Frames, which are those of ``fusion.inertial``: force and rate are given in the sensor's own frame, which a
calibration brought near that of the segment it is worn on (x forward, y left, z up along the segment in
upright stance); what is left is the mounting error. Orientations turn that frame into a *levelled* world: z
up, x horizontal from the scene towards the camera, so that a wearer who stands upright and faces the camera
has the identity everywhere. A real sensor knows where up is, but where the camera is only as well as its
heading was
set: by the angle of its *heading error* about z, which differs from sensor to sensor and wanders.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from drivers.joints import BODY20
from drivers.places import PLACES
from drivers.simulator.kinematics import MOUNTS
from fusion.features.spec import MAX_AGE_S, FeatureSpec
from fusion.inertial.features import STANDARD_GRAVITY, WIDTH
from fusion.virtual.parts import ImuRanges, Parts
from fusion.virtual.smooth import derivatives, sampled

UNSPECIFIED = PLACES.index("unspecified")
_JOINTS = [BODY20.index(MOUNTS[place][0]) for place in PLACES]
OFFSETS = torch.tensor([MOUNTS[place][1] for place in PLACES])
"""(16, 3) m in the segment's frame: where the sensor at each place sits, from the joint it is near."""


class Ideal(NamedTuple):
    """What faultless sensors measure.

    Attributes:
        force: (N, T, P, 3) specific force, m/s², sensor frame, gravity in.
        rate: (N, T, P, 3) angular rate, rad/s, sensor frame.
        orientation: (N, T, P, 3, 3) sensor to world.
    """

    force: Tensor
    rate: Tensor
    orientation: Tensor


def ideal(
    joints: Tensor,
    orientations: Tensor,
    rate_hz: float,
    offsets: Tensor | None = None,
    mounting: Tensor | None = None,
) -> Ideal:
    """Return what faultless sensors at all 16 places measure.

    Args:
        joints: (N, T, 20, 3) m, world frame, z up.
        orientations: (N, T, 16, 3, 3) segment to world, in the order of PLACES.
        rate_hz: frames per second; 60 or more, since motion is differentiated over 0.18 s.
        offsets: (N, 16, 3) m from the joint of each place, segment frame; default :data:`OFFSETS`.
        mounting: (N, 16, 3, 3) sensor to segment; default identity.
    """
    offsets = OFFSETS.to(joints).expand(len(joints), -1, -1) if offsets is None else offsets
    place = joints[:, :, _JOINTS] + (orientations @ offsets[:, None, :, :, None])[..., 0]
    _, _, force = derivatives(place, rate_hz)
    force = force.clone()
    force[..., 2] += STANDARD_GRAVITY
    _, change, _ = derivatives(orientations, rate_hz)
    skew = orientations.transpose(-1, -2) @ change
    skew = 0.5 * (skew - skew.transpose(-1, -2))
    rate = torch.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], dim=-1)
    turn = orientations
    if mounting is not None:
        turn = orientations @ mounting[:, None]
        rate = (mounting[:, None].transpose(-1, -2) @ rate[..., None])[..., 0]
    return Ideal((turn.transpose(-1, -2) @ force[..., None])[..., 0], rate, turn)


class Felt(NamedTuple):
    """Inertial features of T ticks, and the truth behind them.

    Attributes:
        inertial: (N, T, 16, 12), inertial_present: (N, T, 16), inertial_age: (N, T, 16): see
            :data:`fusion.features.spec.SHAPES`.
        heading: (N, T, 16) deg in [-180, 180): heading error of each sensor's orientation, counter-clockwise
            from above: the orientation told is Rz(heading) @ the true one in the levelled world.
        worn: (N, 16) whether a sensor is worn in the slot.
    """

    inertial: Tensor
    inertial_present: Tensor
    inertial_age: Tensor
    heading: Tensor
    worn: Tensor


class VirtualImus:
    """Random sensors on each window of a motion.

    Args:
        ranges: what the sensors are like.
        rate_hz: ticks per second, those of the motion.
    """

    def __init__(self, ranges: ImuRanges | None = None, rate_hz: float = 60.0) -> None:
        self.ranges = ranges or ImuRanges()
        self.rate_hz = rate_hz

    def __call__(
        self,
        joints: Tensor,
        orientations: Tensor,
        impacts: Tensor,
        facing: Tensor,
        generator: torch.Generator,
        lead: int = 0,
    ) -> Felt:
        """Return what the sensors say.

        Args:
            joints: (N, lead + T, 20, 3) m, world frame, z up.
            orientations: (N, lead + T, 16, 3, 3) segment to world.
            impacts: (N, lead + T, 3) strengths, see :mod:`fusion.virtual.impacts`.
            facing: (N,) rad: azimuth in the world of the direction towards the camera.
            generator: of all that is random.
            lead: ticks before the window, so that samples that come late exist.
        """
        batch, total = joints.shape[:2]
        parts = Parts(self.ranges, batch, total, self.rate_hz, generator)
        true = ideal(joints, orientations, self.rate_hz, parts.offsets(OFFSETS), parts.mounting)
        source = parts.source[:, None, :, None].expand(-1, total, -1, 3)
        force, rate = true.force.gather(2, source), true.rate.gather(2, source)
        force = force + parts.shock(impacts)
        index = source[..., None].expand(-1, -1, -1, -1, 3)
        turn = true.orientation.gather(2, index)
        force, rate, turn = parts.wobbling(force, rate, turn)
        heading = parts.heading()
        told = parts.told(turn, facing, heading)
        return self._ticks(parts, force, rate, told, heading, lead)

    def _ticks(
        self, parts: Parts, force: Tensor, rate: Tensor, told: Tensor, heading: Tensor, lead: int
    ) -> Felt:
        """Sample, spoil and average as the features do."""
        middle, newest, count, updated = parts.samples()
        total = force.shape[1]
        middle, shown = middle + parts.lag, newest + parts.lag
        force = parts.spoilt_force(_per_place(force, middle), count) / STANDARD_GRAVITY
        rate = parts.spoilt_rate(_per_place(rate, middle), count)
        axes = _per_place(told[..., :2].transpose(-1, -2).flatten(-2), shown)  # x axis, then y axis
        values = torch.cat([force, rate, axes], dim=-1)
        # A tick without a new sample holds the one before.
        held = updated.clamp(min=0)[..., None].expand(-1, -1, -1, WIDTH)
        values = values.gather(1, held)
        tick = torch.arange(total, dtype=newest.dtype)[None, :, None]
        age = (tick - newest.gather(1, updated.clamp(min=0))) / self.rate_hz
        fresh = (updated >= 0) & parts.worn[:, None] & (age <= FeatureSpec().inertial_hold_s)
        age = torch.where((updated >= 0) & parts.worn[:, None], age.clamp(0.0, MAX_AGE_S), MAX_AGE_S)
        return Felt(
            (values * fresh[..., None])[:, lead:],
            fresh.float()[:, lead:],
            age[:, lead:].float(),
            heading.rad2deg()[:, lead:],
            parts.worn,
        )


def _per_place(values: Tensor, frames: Tensor) -> Tensor:
    """Return values (N, T, P, C) at fractional frames (N, T, P), interpolated for each place by itself."""
    batch, total, places = frames.shape
    series = values.transpose(1, 2).reshape(batch * places, total, -1)
    at = frames.transpose(1, 2).reshape(batch * places, total)
    return sampled(series, at).reshape(batch, places, total, -1).transpose(1, 2)
