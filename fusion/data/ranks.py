"""Which part of the work is this process's, when several train together (DDP).

Samplers of this project share their batches out themselves: step i of process r of W takes number i W + r, so
that W processes see in one step what one process with batches W times as large would see.
"""

from __future__ import annotations

import torch
from torch import Tensor


def share() -> tuple[int, int]:
    """Return this process's rank and how many there are; 0 and 1 outside of distributed training."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def mean_over_all(count: Tensor) -> Tensor:
    """Return the mean of ``count`` over all processes that train, itself where there is one.

    A sum divided by it and averaged over the processes, as gradients are, is the mean over all their values,
    however unequally they are spread.
    """
    if share()[1] == 1 or not torch.is_grad_enabled():
        return count
    total = count.detach().to(torch.float32)
    torch.distributed.all_reduce(total)
    return total / share()[1]
