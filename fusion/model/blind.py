"""What a network tells where no camera has seen anybody: how the camera is tilted, nobody can know then.

Inertial sensors know where up is and not how a camera looks at it. A pose that was told from them alone is
therefore compared in the levelled world, as poses of inertial sensors always are, and not in camera axes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fusion.data.batches import Batch

_POINTS = ("joints3d",)
_VECTORS = ("root_velocity",)
_FRAMES = ("rotations", "rough", "draft")


def unseen_so_far(features: Mapping[str, Tensor]) -> Tensor:
    """Return (B, T) bool, whether no camera has seen anybody up to the tick, itself included."""
    seen = (features["vision_present"] > 0.5).any(dim=-1)
    if "others_present" in features:
        seen = seen | (features["others_present"] > 0.5).flatten(2).any(dim=-1)
    return ~(seen.cumsum(dim=1) > 0)


def in_true_view(
    outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], where: Tensor
) -> dict[str, Tensor]:
    """Return outputs as if the network had known how the camera looks, ``where`` (B, T) says so.

    Outputs without a ``view`` and ticks whose true view is not known stay as they are.

    Args:
        outputs: as of :meth:`fusion.model.net.FusionNet.forward`.
        targets: as of :data:`fusion.data.batches.TARGETS`.
        where: (B, T) bool.
    """
    out = dict(outputs)
    if "view" not in outputs:
        return out
    where = where & (targets["view_known"] > 0.5)
    if not bool(where.any()):
        return out
    told = outputs["view"].float()
    turn = torch.where(where[..., None, None], targets["view"], told) @ told.transpose(-1, -2)
    for names, extra in ((_POINTS, 1), (_VECTORS, 0), (_FRAMES, 1)):
        for name in names:
            if name in out:
                each = turn.reshape(*turn.shape[:2], *[1] * extra, 3, 3)
                value = out[name].float()
                out[name] = each @ value if name in _FRAMES else (each @ value[..., None])[..., 0]
    return out


def scored(outputs: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    """Return outputs to be compared with the targets of ``batch``, whose features the network was given."""
    return in_true_view(outputs, batch["targets"], unseen_so_far(batch["features"]))
