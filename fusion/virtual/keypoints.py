"""What a pose network finds of joints that a virtual camera sees: places, heatmaps, scores, depth."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from fusion.skeletons import BODY20
from fusion.virtual.noise import BLAZEPOSE, COLUMNS, CONDITIONS, KeypointNoise
from fusion.virtual.smooth import stretches, wandering

JOINT = {name: index for index, name in enumerate(BODY20)}
_BEFORE = {
    "elbow": "shoulder",
    "wrist": "elbow",
    "hand": "wrist",
    "knee": "hip",
    "ankle": "knee",
    "foot": "ankle",
}
_HIPS, _SHOULDERS = (JOINT["left_hip"], JOINT["right_hip"]), (JOINT["left_shoulder"], JOINT["right_shoulder"])
MADE: tuple[str, ...] = ("pelvis", "spine", "neck")
"""Joints that networks such as BlazePose do not find but hips and shoulders stand in for."""
_LIMBS: list[list[int]] = [
    [JOINT[f"{side}_{joint}"] for joint in joints]
    for side in ("left", "right")
    for joints in (("elbow", "wrist", "hand"), ("knee", "ankle", "foot"))
]
_OUTSIDE = {"score": -7.0, "peak": -4.0, "variance": 1.2, "error": 1.2}
"""Effects of lying beyond the picture's border: the network guesses, and says so."""


@dataclasses.dataclass(frozen=True)
class Seeing:
    """What the network has to look at, frame by frame.

    Attributes:
        places: (N, F, 20, 2) true places, picture widths from the middle of the picture.
        depth: (N, F, 20) m from the pelvis, away from the camera positive.
        hidden: (N, F, 20) 0 free, 1 hidden.
        outside: (N, F, 20) bool, beyond the border.
        velocity: (N, F, 20, 2) of the places, widths/s.
        size: (N, F) longer side of the person's box, widths.
        dark: (N, F) stops beyond the third, halved.
        exposure_s: (N,) s.
        dt: (N, F) s since the frame before.
    """

    places: Tensor
    depth: Tensor
    hidden: Tensor
    outside: Tensor
    velocity: Tensor
    size: Tensor
    dark: Tensor
    exposure_s: Tensor
    dt: Tensor


@dataclasses.dataclass(frozen=True)
class Found:
    """What the network says.

    Attributes:
        places: (N, F, 20, 2) widths.
        variance: (N, F, 20, 3) var_x, cov_xy, var_y of the heatmaps, widths².
        score, peak: (N, F, 20) in [0, 1].
        depth: (N, F, 20) m from the pelvis.
    """

    places: Tensor
    variance: Tensor
    score: Tensor
    peak: Tensor
    depth: Tensor


class PoseNetwork:
    """A pose network as a statistical model.

    Args:
        noise: its parameters; default: fitted to BlazePose.
        more: factor of all errors of places, for evaluation.
    """

    def __init__(self, noise: KeypointNoise = BLAZEPOSE, more: float = 1.0) -> None:
        self.noise, self.more = noise, more
        joints = [noise.joints[name] for name in BODY20]
        self._means = torch.tensor([[getattr(j, column) for column in COLUMNS] for j in joints])  # (20, 4)
        self._depth = torch.tensor([j.depth_m for j in joints])
        self._effects = torch.tensor([[noise.effects[c][k] for k in CONDITIONS] for c in COLUMNS])  # (4, 4)
        self._outside = torch.tensor([_OUTSIDE[column] for column in COLUMNS])
        self._gross = torch.tensor([noise.gross[column] for column in COLUMNS])
        self._spread = torch.tensor([noise.spread[column] for column in COLUMNS[:3]])
        self._follows = torch.tensor([noise.follows[column] for column in COLUMNS[:3]])

    def __call__(self, seeing: Seeing, generator: torch.Generator, made: Tensor | None = None) -> Found:
        """Return what the network finds.

        Args:
            seeing: what there is to see.
            generator: of all that is random.
            made: (N,) bool: pelvis, spine and neck are made of hips and shoulders, as with BlazePose; others
                find them by themselves. Default: all.
        """
        noise, g, shape = self.noise, generator, seeing.hidden.shape
        blur = seeing.velocity * seeing.exposure_s[:, None, None, None]  # path during the exposure, widths
        size = seeing.size[..., None]
        speed = seeing.velocity.norm(dim=-1) / size
        dark = seeing.dark[..., None].expand(shape)
        conditions = torch.stack(
            [seeing.hidden, speed.clamp(max=6.0), blur.norm(dim=-1) / size, dark], dim=-1
        )
        shift = self._means + conditions @ self._effects.T + seeing.outside[..., None] * self._outside
        shift = shift + self._lost_limbs(shape, seeing.dt, g)[..., None] * self._gross
        own = wandering((*shape, 3), seeing.dt, noise.spread_s, g)
        common = wandering((*shape, 1), seeing.dt, noise.spread_s, g)
        sign = torch.tensor([1.0, 1.0, -1.0])  # sure: high score, high peak, small variance
        spread = self._spread * ((1 - noise.alike) ** 0.5 * own + noise.alike**0.5 * sign * common)
        told = shift[..., :3] + spread
        tail = noise.tail * wandering(shape, seeing.dt, noise.tail_s, g)
        # The Gaussian's mean of log scale is below that of the mixture's root mean square; medians are kept.
        scale = torch.exp((shift[..., 3] + spread @ self._follows + tail).clamp(max=-1.0))
        places = seeing.places + self.more * (size * scale)[..., None] * self._unit(shape, seeing.dt, g)
        round_ = (told[..., 2].clamp(-12.0, -2.0).exp() * size.square())[..., None]
        along = blur.square() / 12.0
        cross = blur[..., 0] * blur[..., 1] / 12.0
        variance = torch.cat([round_ + along[..., :1], cross[..., None], round_ + along[..., 1:]], dim=-1)
        wander = wandering(shape, seeing.dt, noise.depth_s, g)
        wide = self._depth * (1 + (noise.depth_hidden - 1) * seeing.hidden) * (1 + 0.15 * dark)
        depth = noise.depth_gain * seeing.depth + self.more * wide * wander
        found = Found(places, variance, told[..., 0].sigmoid(), told[..., 1].sigmoid(), depth)
        return _made(found, made)

    def _lost_limbs(self, shape: torch.Size, dt: Tensor, generator: torch.Generator) -> Tensor:
        """Return (N, F, 20), 1 where the joint is in a limb that the network lost."""
        lost = stretches((*shape[:2], len(_LIMBS)), dt, self.noise.gross_share, self.noise.gross_s, generator)
        out = torch.zeros(shape)
        for number, joints in enumerate(_LIMBS):
            out[..., joints] = lost[..., number, None].float()
        return out

    def _unit(self, shape: torch.Size, dt: Tensor, generator: torch.Generator) -> Tensor:
        """Return unit errors (N, F, 20, 2): wandering slowly and fast, shared along the limbs."""
        noise = self.noise
        slow = wandering((*shape, 2), dt, noise.error_s, generator)
        fast = wandering((*shape, 2), dt, noise.fast_s, generator)
        unit = (1 - noise.fast) ** 0.5 * slow + noise.fast**0.5 * fast
        for joint, before in _BEFORE.items():
            for side in ("left", "right"):
                name, one = f"{side}_{joint}", JOINT[f"{side}_{before}"]
                share = noise.limb[name]
                unit[:, :, JOINT[name]] = (
                    share * unit[:, :, one] + (1 - share**2) ** 0.5 * unit[:, :, JOINT[name]]
                )
        return unit


def _made(found: Found, made: Tensor | None) -> Found:
    """Put the middles of hips and shoulders for pelvis, spine and neck, as ``fusion.skeletons`` does."""
    places, variance = found.places.clone(), found.variance.clone()
    score, peak, depth = found.score.clone(), found.peak.clone(), found.depth.clone()
    which = torch.ones(len(places), dtype=torch.bool) if made is None else made
    for name, hips, shoulders in (("pelvis", 0.5, 0.0), ("spine", 0.3, 0.2), ("neck", 0.0, 0.5)):
        parts = [
            (j, w)
            for j, w in zip((*_HIPS, *_SHOULDERS), (hips, hips, shoulders, shoulders), strict=True)
            if w
        ]
        at = JOINT[name]
        for target, power in ((places, 1), (variance, 2), (depth, 1)):
            mixed = sum(target[:, :, joint] * weight**power for joint, weight in parts)
            shape = (-1, *[1] * (mixed.ndim - 1))  # type: ignore[union-attr]
            target[:, :, at] = torch.where(which.reshape(shape), mixed, target[:, :, at])  # type: ignore[arg-type]
        for target in (score, peak):
            least = torch.stack([target[:, :, joint] for joint, _ in parts]).amin(dim=0)
            target[:, :, at] = torch.where(which[:, None], least, target[:, :, at])
    return Found(places, variance, score, peak, depth - depth[:, :, :1])
