"""Losses of the heads, each masked by what is known; a masked value contributes nothing, NaN included."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Weights of the terms.

    Attributes:
        joints3d: 3D joints: smooth L1 with a knee at 5 cm, and the likelihood of the error.
        joints2d: 2D key points: smooth L1 with a knee at a hundredth of the box, and the likelihood.
        contact: foot contact: binary cross entropy.
        action: action of each tick: cross entropy.
        segment: action of the whole window from the mean logits: cross entropy.
        velocity: change of 3D joints from tick to tick: smooth L1.
    """

    joints3d: float = 1.0
    joints2d: float = 1.0
    contact: float = 0.2
    action: float = 0.5
    segment: float = 0.0
    velocity: float = 0.5


def masked_mean(values: Tensor, known: Tensor) -> Tensor:
    """Mean of ``values`` where ``known`` (same shape) is above a half; 0 where nothing is."""
    keep = known > 0.5
    return torch.where(keep, values, torch.zeros_like(values)).sum() / keep.sum().clamp(min=1)


def _clean(target: Tensor, known: Tensor) -> Tensor:
    keep = (known > 0.5)[..., None]
    return torch.where(keep, target, torch.zeros_like(target))


def point_loss(mean: Tensor, logvar: Tensor, target: Tensor, known: Tensor, knee: float) -> Tensor:
    """Smooth L1 of points plus a Gaussian likelihood that trains the variance alone.

    Args:
        mean: (..., J, D).
        logvar: (..., J) log of the variance along each axis.
        target: (..., J, D).
        known: (..., J).
        knee: error at which the loss turns from square to linear, in the unit of the points.
    """
    target = _clean(target, known)
    smooth = F.smooth_l1_loss(mean, target, beta=knee, reduction="none").sum(dim=-1)
    square = (mean.detach() - target).square().mean(dim=-1)
    likelihood = 0.5 * (logvar + square * torch.exp(-logvar))
    return masked_mean(smooth, known) + 0.02 * masked_mean(likelihood, known)


def pooled_logits(logits: Tensor, valid: Tensor) -> Tensor:
    """Mean logits (B, A) over the valid ticks of (B, T, A): evidence of all ticks for one action."""
    weight = (valid > 0.5).to(logits.dtype)[..., None]
    return (logits * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)


def fusion_losses(
    outputs: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    valid: Tensor,
    segment: Tensor,
    weights: LossWeights,
    label_smoothing: float = 0.0,
) -> dict[str, Tensor]:
    """Return each term whose weight is not 0, unweighted, and their weighted sum as ``loss``.

    Args:
        outputs: of :class:`fusion.model.net.FusionNet`.
        targets: see :mod:`fusion.data.batches`.
        valid: (B, T).
        segment: (B,) action of the window, -1 unknown.
        weights: of the terms.
        label_smoothing: of both cross entropies over actions.
    """
    terms: dict[str, Tensor] = {}
    real = valid[..., None]
    if weights.joints3d:
        known = targets["joints3d_known"] * real
        terms["joints3d"] = point_loss(
            outputs["joints3d"], outputs["joints3d_logvar"], targets["joints3d"], known, 0.05
        )
    if weights.velocity:
        known = targets["joints3d_known"] * real
        both = known[:, 1:] * known[:, :-1]
        change = outputs["joints3d"].diff(dim=1) - _clean(targets["joints3d"], known).diff(dim=1)
        smooth = F.smooth_l1_loss(change, torch.zeros_like(change), beta=0.01, reduction="none").sum(dim=-1)
        terms["velocity"] = masked_mean(smooth, both)
    if weights.joints2d:
        known = targets["joints2d_known"] * real
        terms["joints2d"] = point_loss(
            outputs["keypoints2d"], outputs["keypoints2d_logvar"], targets["joints2d"], known, 0.01
        )
    if weights.contact:
        known = (targets["contact_known"] * valid)[..., None].expand_as(outputs["contact"])
        contact = _clean(targets["contact"], known[..., 0])
        each = F.binary_cross_entropy_with_logits(outputs["contact"], contact, reduction="none")
        terms["contact"] = masked_mean(each, known)
    if weights.action:
        action = targets["action"].masked_fill(valid < 0.5, -1)
        terms["action"] = _cross_entropy(outputs["action"].flatten(0, 1), action.flatten(), label_smoothing)
    if weights.segment:
        terms["segment"] = _cross_entropy(pooled_logits(outputs["action"], valid), segment, label_smoothing)
    total = torch.stack([getattr(weights, name) * value for name, value in terms.items()]).sum()
    return {**terms, "loss": total}


def _cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Mean over known labels; 0 where none is known."""
    each = F.cross_entropy(logits, labels, ignore_index=-1, reduction="none", label_smoothing=smoothing)
    return masked_mean(each, (labels >= 0).to(each.dtype))
