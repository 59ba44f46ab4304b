"""What hides a joint from a camera: the body itself, as capsules around its bones, and furniture."""

from __future__ import annotations

import torch
from torch import Tensor

from fusion.skeletons import BODY20

_BOTH = ("left", "right")
_CAPSULES: tuple[tuple[str, str, float], ...] = (
    *((f"{s}_shoulder", f"{s}_elbow", 0.048) for s in _BOTH),
    *((f"{s}_elbow", f"{s}_wrist", 0.038) for s in _BOTH),
    *((f"{s}_wrist", f"{s}_hand", 0.036) for s in _BOTH),
    *((f"{s}_hip", f"{s}_knee", 0.072) for s in _BOTH),
    *((f"{s}_knee", f"{s}_ankle", 0.050) for s in _BOTH),
    *((f"{s}_ankle", f"{s}_foot", 0.040) for s in _BOTH),
    *((f"{s}_shoulder", f"{s}_hip", 0.090) for s in _BOTH),
    ("pelvis", "neck", 0.110),
    ("neck", "head", 0.080),
)
"""Two joints and the radius in m of the flesh around the line between them."""

_EDGE_M = 0.02
"""Over so much the edge of a limb goes from hiding to not hiding: flesh is no exact capsule."""

_FROM = torch.tensor([BODY20.index(a) for a, _, _ in _CAPSULES])
_TO = torch.tensor([BODY20.index(b) for _, b, _ in _CAPSULES])
_RADIUS = torch.tensor([radius for _, _, radius in _CAPSULES])


def _own() -> Tensor:
    """Return (20, K), true where a joint belongs to the capsule and is not hidden by it."""
    own = torch.zeros(len(BODY20), len(_CAPSULES), dtype=torch.bool)
    for number, (a, b, _) in enumerate(_CAPSULES):
        own[[BODY20.index(a), BODY20.index(b)], number] = True
        if (a, b) == ("pelvis", "neck"):
            own[BODY20.index("spine"), number] = True
    return own


_OWN = _own()


def self_occlusion(seen: Tensor) -> Tensor:
    """Return how far each joint (N, T, 20) is hidden by other parts of the body: 0 free, 1 hidden.

    Args:
        seen: (N, T, 20, 3) m in camera axes; the camera is at the origin.
    """
    axis = seen[:, :, _TO] - seen[:, :, _FROM]  # (N, T, K, 3)
    start = seen[:, :, _FROM]
    # Closest points of the line of sight s * joint, 0 < s < 1, and the bone start + u * axis, 0 <= u <= 1:
    # all from the scalar products of joints, bones and starts.
    jj = seen.square().sum(dim=-1)[..., None]  # (N, T, 20, 1)
    aa = axis.square().sum(dim=-1)[:, :, None].clamp(min=1e-6)  # (N, T, 1, K)
    ja = seen @ axis.transpose(-1, -2)  # (N, T, 20, K)
    js = seen @ start.transpose(-1, -2)
    sa = (start * axis).sum(dim=-1)[:, :, None]
    ss = start.square().sum(dim=-1)[:, :, None]
    u = ((js * ja - sa * jj) / (jj * aa - ja.square()).clamp(min=1e-9)).clamp(0.0, 1.0)
    s = ((js + u * ja) / jj).clamp(0.0, 1.0)
    u = ((s * ja - sa) / aa).clamp(0.0, 1.0)
    distance = s * s * jj + ss + u * u * aa - 2 * s * js - 2 * s * u * ja + 2 * u * sa
    distance = distance.clamp(min=0.0).sqrt()
    before = (1.0 - s) * jj.sqrt()  # how far in front of the joint it is, m
    hides = torch.sigmoid((_RADIUS - distance) * (4.0 / _EDGE_M)) * torch.sigmoid(
        (before - _RADIUS) * (4.0 / _EDGE_M)
    )
    return hides.masked_fill(_OWN, 0.0).amax(dim=-1)


def furniture(places: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """Return (N, T, 20), 1 where an upright rectangle in front of the person hides a joint.

    A table or a box from below, as a rule; a door frame or another person from the side now and then. It
    stands still in the picture, around a place where the person was.

    Args:
        places: (N, T, 20, 2) in any unit.
        probability: that there is one at all.
        generator: of all that is random.
    """
    g, batch = generator, len(places)
    low, high = places.amin(dim=(1, 2)), places.amax(dim=(1, 2))
    size = high - low
    side = torch.rand(batch, generator=g) < 0.3
    cover = 0.15 + 0.45 * torch.rand(batch, generator=g)
    top = torch.where(side, low[:, 1] - 1.0, high[:, 1] - cover * size[:, 1])
    width = torch.where(
        side, 0.25 + 0.25 * torch.rand(batch, generator=g), 0.5 + torch.rand(batch, generator=g)
    )
    centre = low[:, 0] + torch.rand(batch, generator=g) * size[:, 0]
    there = torch.rand(batch, generator=g) < probability
    x, y = places[..., 0], places[..., 1]
    half = (0.5 * width * torch.maximum(size[:, 0], 0.3 * size[:, 1]))[:, None, None]
    inside = ((x - centre[:, None, None]).abs() < half) & (y > top[:, None, None])
    return (inside & there[:, None, None]).float()
