"""Features of one tick -> one token per modality; what is missing is a learned token, never zeros.

All encoders work tick by tick on arrays (..., feature axes) and know nothing of time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fusion.skeletons import BODY20

AGES_S = (0.02, 0.1, 0.5)
"""Time constants of the age code: a frame period, a late frame, a loss. s."""


def age_code(age: Tensor) -> Tensor:
    """Return (..., 3): how fresh a sample of ``age`` s (...) is on three time scales, 1 = new."""
    scales = age.new_tensor(AGES_S)
    return torch.exp(-age.clamp(0.0, 2.0)[..., None] / scales)


TRUNK = tuple(
    BODY20.index(name)
    for name in ("pelvis", "spine", "neck", "left_shoulder", "right_shoulder", "left_hip", "right_hip")
)


def about_trunk(points: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Free key points of their box, which moves and grows as the arms do.

    Args:
        points: (..., 20, 2), box-normalised, 0 where not present.
        present: (..., 20).

    Returns:
        Points (..., 20, 2) from the trunk's centre in units of twice its spread; (..., 3) centre and spread.
        Without at least three joints of the trunk the box is kept: centre 0, spread 0.16.
    """
    trunk = points[..., TRUNK, :]
    weight = (present[..., TRUNK] > 0.5).to(points.dtype)[..., None]
    count = weight.sum(dim=-2, keepdim=True)
    enough = count >= 3
    share = weight / count.clamp(min=1.0)
    centre = (trunk * share).sum(dim=-2, keepdim=True)
    square = ((trunk - centre).square() * share).sum(dim=(-1, -2), keepdim=True)
    spread = torch.where(enough, (square + 1e-6).sqrt().clamp(min=0.04), torch.full_like(square, 0.16))
    centre = torch.where(enough, centre, torch.zeros_like(centre))
    return 0.5 * (points - centre) / spread, torch.cat([centre, spread], dim=-1).squeeze(-2)


def masked(x: Tensor, present: Tensor) -> Tensor:
    """Return x (..., N, C) with rows that are not ``present`` (..., N) set to zero, NaN included."""
    return torch.where(present[..., None] > 0.5, x, torch.zeros_like(x))


class LockedDropout(nn.Module):
    """Dropout that drops a channel for the whole window (Gal and Ghahramani, 2016): cheap, and no flicker."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Drop channels of x (B, T, ..., C); does nothing outside training."""
        if not self.training or self.probability == 0.0:
            return x
        keep = 1.0 - self.probability
        shape = (x.shape[0], *[1] * (x.ndim - 2), x.shape[-1])
        return x * (torch.rand(shape, device=x.device) < keep) / keep


class SlotEncoder(nn.Module):
    """Slots that may be empty (joints, places on the body) -> one token.

    A shared layer with an embedding for the slot sees each slot; an empty slot is its own learned vector;
    all slots together are then mapped to the token.

    Args:
        slots: number of slots N.
        channels: values C of a slot.
        extra: further values E of the whole modality.
        inner: channels of a slot's embedding.
        width: channels of the token.
    """

    def __init__(self, slots: int, channels: int, extra: int, inner: int, width: int, dropout: float) -> None:
        super().__init__()
        self.value = nn.Linear(channels, inner)
        self.slot = nn.Parameter(torch.randn(slots, inner) * 0.1)
        self.missing = nn.Parameter(torch.randn(slots, inner) * 0.1)
        self.absent = nn.Parameter(torch.randn(width) * 0.1)
        self.mix = nn.Sequential(
            nn.Linear(slots * inner + extra, width),
            nn.GELU(),
            LockedDropout(dropout),
            nn.Linear(width, width),
        )

    def forward(self, x: Tensor, present: Tensor, extra: Tensor, told: Tensor | None = None) -> Tensor:
        """Encode x (..., N, C), present (..., N), extra (..., E) as a token (..., D).

        ``told`` (..., D) is added where slots and the rest meet.
        """
        known = present[..., None] > 0.5
        slots = torch.where(known, self.value(masked(x, present)) + self.slot, self.missing)
        some = (present > 0.5).any(dim=-1, keepdim=True)
        extra = torch.where(some, extra, torch.zeros_like(extra))
        token = self.mix[0](torch.cat([nn.functional.gelu(slots).flatten(-2), extra], dim=-1))
        token = self.mix[1:](token if told is None else token + told)
        return torch.where(some, token, self.absent)


class VisionEncoder(nn.Module):
    """Statistics of heatmaps of the joints -> one token.

    Input: vision (..., 20, 9): x, y, peak, var_x, cov_xy, var_y, visible, depth, depth_known, box-normalised;
    vision_present (..., 20); vision_age (...) s; box (..., 3); told (..., D): more about the camera.
    """

    def __init__(self, joints: int, inner: int, width: int, dropout: float) -> None:
        super().__init__()
        self.slots = SlotEncoder(joints, 9, len(AGES_S) + 6, inner, width, dropout)

    def forward(
        self, vision: Tensor, present: Tensor, age: Tensor, box: Tensor, told: Tensor | None = None
    ) -> Tensor:
        """Return the token (..., D)."""
        vision = masked(vision, present)
        points, peak, var_x, cov_xy, var_y, visible, depth, known = vision.split([2, *[1] * 7], dim=-1)
        sd_x, sd_y = var_x.clamp(1e-8, 1.0).sqrt(), var_y.clamp(1e-8, 1.0).sqrt()
        correlation = (cov_xy / (sd_x * sd_y)).clamp(-1.0, 1.0)
        spread = [10.0 * sd_x.clamp(max=0.3), correlation, 10.0 * sd_y.clamp(max=0.3)]
        depth = 2.0 * depth * known.clamp(max=1.0)
        points, trunk = about_trunk(points, present)
        values = torch.cat([points, peak, *spread, visible, depth, known], dim=-1)
        return self.slots(values, present, torch.cat([age_code(age), box, trunk], dim=-1), told)


OF_ANY_FIT = 8
"""Channels of :func:`of_any_fit`."""


def of_any_fit(force: Tensor, rate: Tensor, orientation: Tensor) -> Tensor:
    """Return (..., 8): what a sensor tells however it is turned on its segment, and wherever its heading is.

    Args:
        force: (..., 3) specific force in g, sensor frame.
        rate: (..., 3) angular rate in rad/s, sensor frame.
        orientation: (..., 6) of the sensor in the levelled world, first two columns.

    Returns:
        Size of force less 1 g and of rate; upward parts of free acceleration and rate, and the sizes of their
        level parts; the parts of rate along and across the force.
    """
    x, y = orientation[..., :3], orientation[..., 3:]
    up = torch.stack([x[..., 2], y[..., 2], x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]], dim=-1)
    strength, speed = _size(force), _size(rate)
    risen, spun = (force * up).sum(dim=-1), (rate * up).sum(dim=-1)
    along = (force * rate).sum(dim=-1) / strength
    level = (strength.square() - risen.square()).clamp(min=1e-6).sqrt()
    tipped = (speed.square() - spun.square()).clamp(min=1e-6).sqrt()
    across = (speed.square() - along.square()).clamp(min=1e-6).sqrt()
    rates = [0.25 * each for each in (speed, spun, tipped, along, across)]
    return torch.stack([strength - 1.0, risen - 1.0, level, *rates], dim=-1)


def _size(x: Tensor) -> Tensor:
    return x.square().sum(dim=-1).clamp(min=1e-6).sqrt()


class InertialEncoder(nn.Module):
    """Inertial sensors in slots by place -> one token.

    Input: inertial (..., 16, 12): specific force in g, angular rate rad/s, orientation 6D;
    inertial_present and inertial_age (..., 16).

    Args:
        places: slots.
        inner: channels of a slot's embedding.
        width: channels of the token.
        dropout: probability, in training.
        any_fit: add what does not depend on how a sensor sits: :func:`of_any_fit`.
    """

    def __init__(self, places: int, inner: int, width: int, dropout: float, any_fit: bool = False) -> None:
        super().__init__()
        self.any_fit = any_fit
        channels = 12 + len(AGES_S) + OF_ANY_FIT * any_fit
        self.slots = SlotEncoder(places, channels, 0, inner, width, dropout)

    def forward(self, inertial: Tensor, present: Tensor, age: Tensor) -> Tensor:
        """Return the token (..., D)."""
        force, rate, orientation = masked(inertial, present).split([3, 3, 6], dim=-1)
        force = force.clamp(-16.0, 16.0)
        values = torch.cat([force, 0.25 * rate, orientation, age_code(age)], dim=-1)
        if self.any_fit:
            values = torch.cat([values, of_any_fit(force, rate, orientation)], dim=-1)
        return self.slots(values, present, values.new_zeros((*values.shape[:-2], 0)))


class AudioEncoder(nn.Module):
    """Log-mel bands and onset strength (..., 33), their presence and age (...) -> one token."""

    def __init__(self, bands: int, width: int, dropout: float) -> None:
        super().__init__()
        self.slots = SlotEncoder(1, bands, len(AGES_S), width // 2, width, dropout)

    def forward(self, audio: Tensor, present: Tensor, age: Tensor) -> Tensor:
        """Return the token (..., D)."""
        return self.slots(audio[..., None, :], present[..., None], age_code(age))


class GatedFusion(nn.Module):
    """Tokens of the modalities (..., M, D) -> one token (..., D): a sum gated by all of them, per channel."""

    def __init__(self, modalities: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Sequential(
            nn.Linear(modalities * width, width // 2), nn.GELU(), nn.Linear(width // 2, modalities * width)
        )
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Fuse."""
        tokens = self.norm(tokens)
        gates = torch.sigmoid(self.gate(tokens.flatten(-2))).unflatten(-1, tokens.shape[-2:])
        return self.out((gates * tokens).sum(dim=-2))
