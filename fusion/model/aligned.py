"""What sensors tell, seen from where the wearer faces: the same movement looks alike whichever way one turns.

A rotation guessed for pelvis and chest gives the heading of the wearer; orientations, specific force and
angular rate of the sensors and the lifted key points are turned by it, so that a network need not learn each
posture anew for every direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from drivers.places import PLACES
from drivers.simulator.anatomy import BodyShape
from fusion.model.encoders import masked
from fusion.model.geometry import about_vertical, from_six_d, heading_between, skew, times, unit
from fusion.model.heads import NEVER_S, Held
from fusion.segments import HANGS
from fusion.skeletons import BODY20
from fusion.virtual.motion import Skeleton

LEVELLED_TO_CAMERA = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
"""Axes of a camera that is level (x right, y down, z forward) in a world whose x points towards it, z up."""

AHEAD_S, FASTEST = 0.05, 20.0
"""Orientations are carried on by at most so many seconds, at most so many rad/s."""
OF_A_PLACE = 12
"""Channels of a place in :func:`felt`."""
OF_A_JOINT = 8
"""Channels of a joint in :func:`lifted`."""
OF_WEARER = 2 + 4 * len(BODY20)
"""Channels of :func:`of_wearer`."""
SKELETON = Skeleton.of_shape(BodyShape())
"""The body that nothing is known of."""
_STATURE_M = SKELETON.stature

_PARENTS = [BODY20.index(HANGS[name][1]) if name in HANGS else 0 for name in BODY20]
_TRUNK = [PLACES.index(place) for place in ("pelvis", "chest")]
_BOX_M = 1.9
_UPRIGHT = torch.eye(3)
_AT_REST = torch.tensor([0.0] * 8 + [1.0] + [0.0] * 3)
"""Columns, force and rate as in :func:`felt`: of the force, 1 g upwards is left out."""


class Worn(NamedTuple):
    """What inertial sensors tell, 0 where missing.

    Attributes:
        axes: (..., 16, 3, 3) orientation, sensor to levelled world.
        up: (..., 16, 1) how far the sensor's z axis points upwards, as it was told.
        force: (..., 16, 3) specific force in g, sensor frame.
        rate: (..., 16, 3) angular rate in rad/s, sensor frame.
        present: (..., 16).
    """

    axes: Tensor
    up: Tensor
    force: Tensor
    rate: Tensor
    present: Tensor


def worn(features: Mapping[str, Tensor]) -> Worn:
    """Return the inertial sensors among the features."""
    present = features["inertial_present"]
    force, rate, told = masked(features["inertial"], present).float().split([3, 3, 6], dim=-1)
    age = torch.where(present > 0.5, features["inertial_age"].float(), torch.zeros_like(present))
    axes = from_six_d(told)
    return Worn(carried_on(axes, rate, age.clamp(0.0, AHEAD_S)), axes[..., 2, 2:], force, rate, present)


def carried_on(axes: Tensor, rate: Tensor, seconds: Tensor) -> Tensor:
    """Return orientations (..., 3, 3) after so many seconds (...) at a rate (..., 3), rad/s, sensor frame.

    Samples are as old as it happens when a tick comes; without this the pose trembles with their age.
    Rodrigues' formula by its series: angles are below one radian.
    """
    angle = rate.clamp(-FASTEST, FASTEST) * seconds[..., None]
    turn = skew(angle)
    size = angle.square().sum(dim=-1)[..., None, None]
    sine = 1.0 + size * (size / 120.0 - 1.0 / 6.0)
    cosine = 0.5 + size * (size / 720.0 - 1.0 / 24.0)
    turned = times(axes, turn)
    return axes + sine * turned + cosine * times(turned, turn)


def facing(rough: Tensor) -> Tensor:
    """Return where somebody faces whose segments are turned by (..., 16, 3, 3): (..., 3, 3).

    The turn about the vertical that is nearest to the turns of pelvis and chest: it is defined for every
    posture but upside down.
    """
    trunk = rough[..., _TRUNK, :, :].sum(dim=-3)
    return about_vertical(unit(heading_between(trunk, _UPRIGHT.to(trunk)), 1e-3))


def felt(sensors: Worn, turned: Tensor, faces: Tensor) -> Tensor:
    """Return (..., 16, 12): orientation, acceleration and angular rate of each sensor, from where one faces.

    Args:
        sensors: what they tell.
        turned: (..., 16, 3, 3) orientations without heading error.
        faces: (..., 3, 3) of :func:`facing`.

    Returns:
        First two columns of the orientation; specific force less gravity, in g; a quarter of the angular
        rate in rad/s. Zeros where there is no sensor.
    """
    axes = times(faces.transpose(-1, -2)[..., None, :, :], turned)
    told = torch.stack([sensors.force.clamp(-16.0, 16.0), 0.25 * sensors.rate], dim=-1)
    columns = torch.cat([axes[..., :2], times(axes, told)], dim=-1).transpose(-1, -2).flatten(-2)
    return masked(columns - _AT_REST.to(columns), sensors.present)


def lifted(held: Held, faces: Tensor) -> Tensor:
    """Return (..., 20, 8), what the newest key points tell of the body before anything is learned.

    Place from the pelvis, roughly in metres (a person's box is taken for 1.9 m, the camera for level);
    direction from the joint it hangs on; both from where one faces, ``faces`` (..., 3, 3); whether depth is
    known; freshness. Zeros where a joint was never measured.
    """
    measured = (held.age < NEVER_S)[..., None]
    depth = held.value[..., 2:3] * held.value[..., 3:4].clamp(max=1.0)
    x, y = (_BOX_M * (held.value[..., :2] - held.value[..., :1, :2])).split(1, dim=-1)
    place = times(torch.cat([-depth, x, -y], dim=-1), faces)  # x towards the camera, z up
    bone = unit(place - place[..., _PARENTS, :]) * measured[..., _PARENTS, :]
    fresh = torch.exp(-held.age / 0.1)[..., None]
    return torch.cat([place, bone, held.value[..., 3:4], fresh], dim=-1) * measured


def of_wearer(features: Mapping[str, Tensor]) -> Tensor:
    """Return (..., C) what is told of the wearer's size: how it differs from the usual, and whether it is."""
    stature, bones = features["stature"].float()[..., None], features["bones"].float()
    usual = SKELETON.offsets.to(bones)
    tall, known = stature > 0.0, (bones != 0.0).any(dim=-1, keepdim=True)
    change = torch.where(known, 10.0 * (bones - usual), torch.zeros_like(bones))
    taller = torch.where(tall, 5.0 * (stature / _STATURE_M - 1.0), torch.zeros_like(stature))
    flags = [tall.to(bones.dtype), known[..., 0].to(bones.dtype)]
    return torch.cat([taller, *flags, change.flatten(-2)], dim=-1)
