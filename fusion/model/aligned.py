"""What sensors tell, seen from where the wearer faces: the same movement looks alike whichever way one turns.

A rotation guessed for pelvis and chest gives the heading of the wearer; orientations, specific force and
angular rate of the sensors and the lifted key points are turned by it, so that a network need not learn each
posture anew for every direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from drivers.places import PLACES
from drivers.simulator.anatomy import BodyShape
from fusion.model.encoders import masked
from fusion.model.geometry import from_six_d, heading_between, turn_back
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
_UPRIGHT = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])


class Worn(NamedTuple):
    """What inertial sensors tell, 0 where missing.

    Attributes:
        told: (..., 16, 6) orientation, sensor to levelled world, first two columns.
        force: (..., 16, 3) specific force in g, sensor frame.
        rate: (..., 16, 3) angular rate in rad/s, sensor frame.
        present: (..., 16).
    """

    told: Tensor
    force: Tensor
    rate: Tensor
    present: Tensor


def worn(features: Mapping[str, Tensor]) -> Worn:
    """Return the inertial sensors among the features."""
    present = features["inertial_present"]
    force, rate, told = masked(features["inertial"], present).float().split([3, 3, 6], dim=-1)
    age = torch.where(present > 0.5, features["inertial_age"].float(), torch.zeros_like(present))
    return Worn(carried_on(told, rate, age.clamp(0.0, AHEAD_S)), force, rate, present)


def carried_on(told: Tensor, rate: Tensor, seconds: Tensor) -> Tensor:
    """Return orientations (..., 6) after so many seconds (...) at a rate (..., 3), rad/s, sensor frame.

    Samples are as old as it happens when a tick comes; without this the pose trembles with their age.
    """
    angle = rate.clamp(-FASTEST, FASTEST) * seconds[..., None]
    size = angle.square().sum(dim=-1, keepdim=True)
    axes = torch.stack([told[..., :3], told[..., 3:]], dim=-2)  # x and y of the sensor in the world
    x, y = F.normalize(axes[..., 0, :], dim=-1, eps=1e-6), axes[..., 1, :]
    y = F.normalize(y - (x * y).sum(dim=-1, keepdim=True) * x, dim=-1, eps=1e-6)
    z = torch.linalg.cross(x, y)
    # Rodrigues' formula by its series: angles are below one radian.
    sine = 1.0 - size / 6.0 + size.square() / 120.0
    cosine = 0.5 - size / 24.0 + size.square() / 720.0
    a, b, c = angle.split(1, dim=-1)
    new_x = (1.0 - cosine * (b * b + c * c)) * x + (sine * c + cosine * a * b) * y
    new_x = new_x + (cosine * a * c - sine * b) * z
    new_y = (cosine * a * b - sine * c) * x + (1.0 - cosine * (a * a + c * c)) * y
    new_y = new_y + (cosine * b * c + sine * a) * z
    return torch.cat([new_x, new_y], dim=-1)


def facing(rough: Tensor) -> Tensor:
    """Return the heading (..., 2), cosine and sine, of a wearer whose segments are turned by (..., 16, 6).

    That of the turn about the vertical that is nearest to the turns of pelvis and chest: it is defined for
    every posture but upside down.
    """
    trunk = rough[..., _TRUNK, :]
    seen = heading_between(trunk, _UPRIGHT.to(trunk).expand_as(trunk)).sum(dim=-2)
    return nn.functional.normalize(seen, dim=-1, eps=1e-3)


def felt(sensors: Worn, turned: Tensor, heading: Tensor) -> Tensor:
    """Return (..., 16, 12): orientation, acceleration and angular rate of each sensor, from where one faces.

    Args:
        sensors: what they tell.
        turned: (..., 16, 6) orientations without heading error.
        heading: (..., 2) of :func:`facing`.

    Returns:
        First two columns of the orientation; specific force less gravity, in g; a quarter of the angular
        rate in rad/s. Zeros where there is no sensor.
    """
    six_d = turn_back(turned, heading[..., None, :])
    axes = from_six_d(six_d)
    force = (axes * sensors.force.clamp(-16.0, 16.0)[..., None, :]).sum(dim=-1)
    free = torch.cat([force[..., :2], force[..., 2:] - 1.0], dim=-1)
    rate = 0.25 * (axes * sensors.rate[..., None, :]).sum(dim=-1)
    return masked(torch.cat([six_d, free, rate], dim=-1), sensors.present)


def lifted(held: Held, heading: Tensor) -> Tensor:
    """Return (..., 20, 8), what the newest key points tell of the body before anything is learned.

    Place from the pelvis, roughly in metres (a person's box is taken for 1.9 m, the camera for level);
    direction from the joint it hangs on; both from where one faces, ``heading`` (..., 2); whether depth is
    known; freshness. Zeros where a joint was never measured.
    """
    measured = (held.age < NEVER_S)[..., None]
    depth = held.value[..., 2:3] * held.value[..., 3:4].clamp(max=1.0)
    flat = _BOX_M * (held.value[..., :2] - held.value[..., :1, :2])
    place = torch.cat([-depth, flat[..., :1], -flat[..., 1:]], dim=-1)  # x towards the camera, z up
    place = turn_back(place, heading[..., None, :])
    bone = place - place[..., _PARENTS, :]
    bone = nn.functional.normalize(bone, dim=-1) * measured[..., _PARENTS, :]
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


def turned_to(heading: Tensor, values: Tensor) -> Tensor:
    """Return vectors or first columns (..., 3 n), seen from where one faces, in the levelled world."""
    back = torch.stack([heading[..., 0], -heading[..., 1]], dim=-1)
    return turn_back(values, back)
