"""Other bodies for a motion: random statures and proportions, with feet kept on the ground.

The turns of all segments stay as they are; bones get other lengths, the pelvis' way is scaled with the
legs, and then the body is put where its standing feet stay: a foot at rest before is at rest afterwards.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from drivers.simulator.anatomy import BodyShape
from fusion.segments import JOINT
from fusion.skeletons import BODY20
from fusion.virtual.motion import LEG_OF_STATURE, Motions, Skeleton, stature_of

_SETTLE_S = 0.3  # averaged over so long, twice


@dataclasses.dataclass(frozen=True)
class BodyRanges:
    """What random bodies are like.

    Attributes:
        stature_m: lowest and highest; adults from the 1st percentile of women to the 99th of men, and some
        more. bone: standard deviation of each bone's relative length beyond stature, cut at twice that.
        Measured
            segment lengths vary by 4 to 6 % beyond stature (Drillis and Contini 1966).
        width: the same of shoulders' and hips' widths, and of feet.
        blend: how far proportions may go from the clip's own body to those of the mean adult, 0 to 1.
    """

    stature_m: tuple[float, float] = (1.5, 2.0)
    bone: float = 0.05
    width: float = 0.08
    blend: float = 1.0


def _names(*parts: str) -> list[int]:
    return [n for name, n in JOINT.items() if name.partition("_")[2] in parts or name in parts]


_GROUPS: tuple[tuple[str, list[int]], ...] = (
    ("bone", _names("spine")),
    ("bone", _names("neck", "shoulder")),  # along the trunk; the width of shoulders comes on top
    ("bone", _names("head")),
    ("bone", _names("elbow")),
    ("bone", _names("wrist")),
    ("bone", _names("hand")),
    ("bone", _names("knee")),
    ("bone", _names("ankle")),
    ("width", _names("foot")),
    ("width", _names("hip")),
)
"""Offsets that change together: both sides alike."""

_SHOULDERS = _names("shoulder")


def random_bodies(like: Tensor, ranges: BodyRanges, generator: torch.Generator) -> Tensor:
    """Return random bodies (N, 20, 3) m.

    Args:
        like: (N, 20, 3) m, bodies from whose proportions they start.
        ranges: what they are like.
        generator: of the random numbers.
    """
    count = len(like)
    low, high = ranges.stature_m
    mean = Skeleton.of_shape(BodyShape()).offsets.to(like)
    mean = mean / stature_of(mean)
    own = like / stature_of(like)[:, None, None]
    share = ranges.blend * torch.rand(count, 1, 1, generator=generator)
    body = own + share * (mean - own)
    factor = torch.ones(count, len(BODY20), 3)
    for kind, rows in _GROUPS:
        factor[:, rows] *= 1.0 + _cut(count, getattr(ranges, kind), generator)[:, None, None]
    factor[:, _SHOULDERS, 1] *= 1.0 + _cut(count, ranges.width, generator)[:, None]
    body = body * factor
    stature = low + (high - low) * torch.rand(count, generator=generator)
    return body * (stature / stature_of(body))[:, None, None]


def _cut(count: int, spread: float, generator: torch.Generator) -> Tensor:
    return spread * torch.randn(count, generator=generator).clamp(-2.0, 2.0)


def exchange(motions: Motions, offsets: Tensor) -> Motions:
    """Return the motions of other bodies (N, 20, 3) m, on the same ground, their standing feet still."""
    leg = stature_of(offsets) * LEG_OF_STATURE, stature_of(motions.offsets) * LEG_OF_STATURE
    scale = (leg[0] / leg[1])[:, None, None]
    trunk = _trunk(offsets) / _trunk(motions.offsets)
    start = motions.root[:, :1] * torch.tensor([1.0, 1.0, 0.0])
    root = start + scale * (motions.root - start)
    changed = dataclasses.replace(
        motions, offsets=offsets, root=root, girdle=motions.girdle * trunk[:, None, None, None]
    )
    wanted = start[:, :, None, None] + scale[..., None, None] * (motions.soles() - start[:, :, None, None])
    return plant(changed, wanted)


def _trunk(offsets: Tensor) -> Tensor:
    return offsets[:, [JOINT["spine"], JOINT["neck"]]].norm(dim=-1).sum(dim=-1)


def plant(motions: Motions, soles: Tensor) -> Motions:
    """Return the motions moved, row by row, so that feet which stand are where ``soles`` (N, T, 2, 2, 3) m
    are.

    The body hangs on each foot as much as that foot stands, smoothed so that none takes or gives up
    the weight at once; in the air it hangs on both.
    """
    off = (soles - motions.soles()).mean(dim=3)  # (N, T, 2, 3)
    weight = _smooth(motions.contacts, round(_SETTLE_S * motions.rate_hz)).square() + 1e-4
    weight = weight / weight.sum(dim=2, keepdim=True)
    return dataclasses.replace(motions, root=motions.root + (weight[..., None] * off).sum(dim=2))


def _smooth(values: Tensor, rows: int) -> Tensor:
    """Return (N, T, C) values averaged over about ``rows`` rows, twice, so that no step is left."""
    half = max(1, rows // 2)
    out = values.transpose(1, 2)
    for _ in (0, 1):
        padded = torch.nn.functional.pad(out, (half, half), mode="replicate")
        out = torch.nn.functional.avg_pool1d(padded, 2 * half + 1, stride=1)
    return out.transpose(1, 2)
