"""Losses of the heads, each masked by what is known; a masked value contributes nothing, NaN included."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from fusion.data.ranks import mean_over_all
from fusion.model.blind import in_true_view
from fusion.model.geometry import geodesic, von_mises_nll


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
        acceleration: change of that change: smooth L1 with a knee at 1 mm.
        rotations: angle of each segment's rotation to the true one, and half of it for earlier guesses.
        bones: what hangs where in each segment: smooth L1 with a knee at 1 cm.
        root_velocity: of the pelvis: smooth L1 with a knee at 0.1 m/s.
        heading: heading error of each sensor: likelihood under its von Mises distribution.
        view: angle between the told and the true view of the camera, where it has seen anybody.
        steady: squared change of the action's log probabilities from tick to tick: less flicker
            (Y. A. Farha, J. Gall, "MS-TCN", CVPR 2019).

    Those of ``rotations`` to ``view`` are of networks with a body (form 2); others leave them out.
    """

    joints3d: float = 1.0
    joints2d: float = 1.0
    contact: float = 0.2
    action: float = 0.5
    segment: float = 0.0
    velocity: float = 0.5
    acceleration: float = 0.0
    rotations: float = 0.3
    bones: float = 1.0
    root_velocity: float = 0.1
    heading: float = 0.02
    view: float = 0.0
    steady: float = 0.0


def masked_mean(values: Tensor, known: Tensor) -> Tensor:
    """Mean of ``values`` where ``known`` (same shape) is above a half; 0 where nothing is.

    Where several processes train together, what each returns averages to the mean over all of them.
    """
    keep = known > 0.5
    count = mean_over_all(keep.sum())
    count = torch.where(count > 0, count, torch.ones_like(count))
    return torch.where(keep, values, torch.zeros_like(values)).sum() / count


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


def pooled_logits(outputs: Mapping[str, Tensor], valid: Tensor) -> Tensor:
    """Mean logits (B, A) over the valid ticks of (B, T, A): evidence of all ticks for one action.

    Where the network tells by how much each tick's ``vote`` (B, T) counts, it is the mean weighed by
    the softmax of that.
    """
    logits, there = outputs["action"], valid > 0.5
    vote = outputs.get("vote", torch.zeros_like(valid)).masked_fill(~there, -1e4)
    return (logits * vote.softmax(dim=1)[..., None]).sum(dim=1)


def fusion_losses(
    outputs: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    valid: Tensor,
    segment: Tensor,
    weights: LossWeights,
    label_smoothing: float = 0.0,
    unseen: Tensor | None = None,
) -> dict[str, Tensor]:
    """Return each term whose weight is not 0, unweighted, and their weighted sum as ``loss``.

    Args:
        outputs: of :class:`fusion.model.net.FusionNet`.
        targets: see :mod:`fusion.data.batches`.
        valid: (B, T).
        segment: (B,) action of the window, -1 unknown.
        weights: of the terms.
        label_smoothing: of both cross entropies over actions.
        unseen: (B, T) bool, where no camera has seen anybody yet: poses are compared in the levelled world
            (:mod:`fusion.model.blind`), and the view is not.
    """
    terms: dict[str, Tensor] = {}
    real = valid[..., None]
    if unseen is None:
        unseen = torch.zeros_like(valid, dtype=torch.bool)
    if weights.view and "view" in outputs:
        known = targets["view_known"] * valid * ~unseen
        eye = torch.eye(3, device=valid.device)
        true = torch.where((known > 0.5)[..., None, None], targets["view"], eye)
        terms["view"] = masked_mean(geodesic(outputs["view"].float(), true), known)
    outputs = in_true_view(outputs, targets, unseen)
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
    if weights.acceleration:
        known = targets["joints3d_known"] * real
        all_three = known[:, 2:] * known[:, 1:-1] * known[:, :-2]
        change = (outputs["joints3d"] - _clean(targets["joints3d"], known)).diff(n=2, dim=1)
        bent = F.smooth_l1_loss(change, torch.zeros_like(change), beta=0.001, reduction="none").sum(dim=-1)
        terms["acceleration"] = masked_mean(bent, all_three)
    if weights.joints2d:
        known = targets["joints2d_known"] * real
        terms["joints2d"] = point_loss(
            outputs["keypoints2d"], outputs["keypoints2d_logvar"], targets["joints2d"], known, 0.01
        )
    terms |= _of_the_body(outputs, targets, valid, weights)
    if weights.contact:
        known = (targets["contact_known"] * valid)[..., None].expand_as(outputs["contact"])
        contact = _clean(targets["contact"], known[..., 0])
        each = F.binary_cross_entropy_with_logits(outputs["contact"], contact, reduction="none")
        terms["contact"] = masked_mean(each, known)
    if weights.action:
        action = targets["action"].masked_fill(valid < 0.5, -1)
        terms["action"] = _cross_entropy(outputs["action"].flatten(0, 1), action.flatten(), label_smoothing)
    if weights.steady:
        terms["steady"] = _flicker(outputs["action"], valid)
    if weights.segment:
        terms["segment"] = _cross_entropy(pooled_logits(outputs, valid), segment, label_smoothing)
    total = torch.stack([getattr(weights, name) * value for name, value in terms.items()]).sum()
    return {**terms, "loss": total}


def _flicker(logits: Tensor, valid: Tensor) -> Tensor:
    """Mean squared change of log probabilities (B, T, A) between ticks; one above 4 is left as it is."""
    told = logits.log_softmax(dim=-1)
    change = (told[:, 1:] - told[:, :-1].detach()).clamp(-4.0, 4.0)
    return masked_mean(change.square().mean(dim=-1), valid[:, 1:] * valid[:, :-1])


def _of_the_body(
    outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], valid: Tensor, weights: LossWeights
) -> dict[str, Tensor]:
    terms: dict[str, Tensor] = {}
    if weights.rotations and "rotations" in outputs:
        known = targets["rotations_known"] * valid
        eye = torch.eye(3, device=valid.device)
        true = torch.where((known > 0.5)[..., None, None, None], targets["rotations"], eye)
        each = geodesic(outputs["rotations"], true)
        for earlier in ("rough", "draft"):
            if earlier in outputs:
                each = each + 0.5 * geodesic(outputs[earlier], true)
        terms["rotations"] = masked_mean(each.mean(dim=-1), known)
    if weights.bones and "offsets" in outputs:
        known = targets["offsets_known"] * valid
        true = _clean(targets["offsets"].flatten(-2), known).unflatten(-1, (-1, 3))
        each = F.smooth_l1_loss(outputs["offsets"], true, beta=0.01, reduction="none").sum(dim=-1)
        terms["bones"] = masked_mean(each.mean(dim=-1), known)
    if weights.root_velocity and "root_velocity" in outputs:
        known = targets["root_velocity_known"] * valid
        true = _clean(targets["root_velocity"], known)
        each = F.smooth_l1_loss(outputs["root_velocity"], true, beta=0.1, reduction="none").sum(dim=-1)
        terms["root_velocity"] = masked_mean(each, known)
    if weights.heading and "heading" in outputs:
        known = targets["heading_known"] * valid[..., None]
        true = _clean(targets["heading"][..., None], known)[..., 0].deg2rad()
        terms["heading"] = masked_mean(von_mises_nll(outputs["heading"], true), known)
    return terms


_KNEES: dict[str, float] = {
    "joints3d": 0.05, "keypoints2d": 0.01, "rotations": 0.1, "offsets": 0.01, "root_velocity": 0.1,
    "contact": 1.0, "heading": 1.0, "joints3d_logvar": 1.0, "keypoints2d_logvar": 1.0,
}  # fmt: skip
"""What is held where it was, and the difference at which smooth L1 turns from square to linear."""


def kept_loss(outputs: Mapping[str, Tensor], before: Mapping[str, Tensor], valid: Tensor) -> Tensor:
    """Return how far ``outputs`` of (B, T) ticks went from those ``before``, all but the action.

    The mean over the outputs of smooth L1 in units of its knee.
    """
    terms = []
    for name, knee in _KNEES.items():
        if name in outputs:
            change = (outputs[name] - before[name]) / knee
            each = F.smooth_l1_loss(change, torch.zeros_like(change), reduction="none")
            terms.append(masked_mean(each.flatten(2).mean(dim=-1), valid))
    return torch.stack(terms).mean()


def _cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Mean over known labels; 0 where none is known."""
    each = F.cross_entropy(logits, labels, ignore_index=-1, reduction="none", label_smoothing=smoothing)
    return masked_mean(each, (labels >= 0).to(each.dtype))
