"""From segment rotations, bone lengths and the pelvis' place to joints: linear, batched, differentiable.

A body is 15 rigid segments, each with a frame: x forward, y left, z up along the segment when the body stands
upright and looks along world x with its arms hanging, thumbs forward. Rotations map such a frame to the world
(z up). Every joint hangs on one segment by an offset that never changes, so the joints are a linear function
of the rotations, and bone lengths are exact by construction. Two joints are defined by others, for every
source alike: ``neck`` lies midway between the shoulders, ``spine`` at 40 % of the line from pelvis to neck.

The shoulder girdle is the one part of a body that is no chain of rigid segments: shoulders slide over the
ribs, and a real spine bends in more than one place. What that comes to is ``girdle``: how far the base of the
neck, the left and the right shoulder are off their place in the chest, in the chest's frame. Zeros are a body
without it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from drivers.joints import BODY20
from fusion.segments import BEGINS, GIRDLE, HANGS, JOINT, OFFSET_SEGMENTS, SEGMENT, SEGMENTS, SPINE_FRACTION


class Posed(NamedTuple):
    """Where a body is.

    Attributes:
        joints: (..., 20, 3) m in the world, in the order of BODY20.
        origins: (..., 15, 3) m in the world: where each segment begins, at its end nearer to the pelvis. A
            point at p in a segment's frame lies at ``origins + rotations @ p``.
    """

    joints: Tensor
    origins: Tensor


def _sums() -> Tensor:
    """Return (35, 20): how joints and origins add up from the turned offsets."""
    rows: dict[str, Tensor] = {"pelvis": torch.zeros(len(BODY20))}

    def chain(name: str) -> Tensor:
        if name not in rows:
            rows[name] = chain(HANGS[name][1]) + torch.nn.functional.one_hot(
                torch.tensor(JOINT[name]), len(BODY20)
            )
        return rows[name]

    joints = torch.stack([chain(name) for name in BODY20])
    origins = torch.stack([chain(BEGINS[name]) for name in SEGMENTS])
    joints[JOINT["neck"]] = 0.5 * (joints[JOINT["left_shoulder"]] + joints[JOINT["right_shoulder"]])
    joints[JOINT["spine"]] = SPINE_FRACTION * joints[JOINT["neck"]]
    return torch.cat([joints, origins])


_SUMS = _sums()
_SLID = torch.eye(len(BODY20))[:, [JOINT[name] for name in GIRDLE]]


def forward(rotations: Tensor, offsets: Tensor, root: Tensor, girdle: Tensor | None = None) -> Posed:
    """Return where the joints of posed bodies are.

    Args:
        rotations: (..., 15, 3, 3) segment to world, in the order of :data:`SEGMENTS`.
        offsets: (..., 20, 3) m, see :data:`HANGS`; broadcasts against the rotations' leading axes: a skeleton
            (20, 3) for all, or (N, 1, 20, 3) for rotations (N, T, 15, 3, 3).
        root: (..., 3) m, the pelvis in the world.
        girdle: (..., 3, 3) m, see the module; none by default.
    """
    local = offsets if girdle is None else offsets + _SLID.to(girdle) @ girdle
    turned = (rotations[..., list(OFFSET_SEGMENTS), :, :] @ local[..., None])[..., 0]
    points = _SUMS.to(turned) @ turned + root[..., None, :]
    return Posed(points[..., : len(BODY20), :], points[..., len(BODY20) :, :])


def orientations(rotations: Tensor) -> Tensor:
    """Return (..., 16, 3, 3), a frame per place of PLACES; ``unspecified`` is the right forearm's."""
    return rotations[..., [*range(len(SEGMENTS)), SEGMENT["right_forearm"]], :, :]


_HEEL_BEHIND = 0.029  # of stature, behind the ankle
_TOES_ABOVE = 0.010  # of stature, from the sole to the middle of the toes


def soles(posed: Posed, rotations: Tensor, offsets: Tensor, stature: Tensor | float) -> Tensor:
    """Return (..., 2, 2, 3): under the heel and the toes of the left and the right foot, m in the world.

    The sole is the plane 0.010 of stature below the toes' middle in which a flat foot stands; the heel ends
    0.029 of stature behind the ankle (a foot is 0.152 of stature long; Winter, Biomechanics and Motor Control
    of Human Movement, fig. 4.1).

    Args:
        posed: the body.
        rotations: (..., 15, 3, 3) as given to :func:`forward`.
        offsets: (..., 20, 3) m as given to :func:`forward`.
        stature: m; broadcasts against the leading axes.
    """
    size = torch.as_tensor(stature).to(offsets)
    out = []
    for side in ("left", "right"):
        turn = rotations[..., SEGMENT[f"{side}_foot"], :, :]
        toes = offsets[..., JOINT[f"{side}_foot"], :]
        below = toes[..., 2] - _TOES_ABOVE * size
        heel = torch.stack([-_HEEL_BEHIND * size + 0.0 * below, 0.0 * below, below], dim=-1)
        sole = torch.stack([toes[..., 0], toes[..., 1], below], dim=-1)
        ankle = posed.joints[..., JOINT[f"{side}_ankle"], :]
        points = [ankle + (turn @ local[..., None])[..., 0] for local in (heel, sole)]
        out.append(torch.stack(points, dim=-2))
    return torch.stack(out, dim=-3)
