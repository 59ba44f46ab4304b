"""How a network's weights move: AdamW, and Muon for matrices between hidden layers."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import nn

ACTION_HEAD = "labels.action."
"""How the names of the action head's weights begin."""


@dataclasses.dataclass(frozen=True)
class OptimiserConfig:
    """AdamW, or AdamW and Muon, with a linear warm-up and a cosine decay to nothing.

    Attributes:
        lr: highest learning rate.
        weight_decay: on matrices only.
        warmup: part of all steps.
        body: factor of the rate for all but the action head: small where a network that knows how people
            move learns other actions.
        kind: ``muon`` moves the matrices between hidden layers by the orthogonal part of their momentum
            (K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024), at a rate
            that suits AdamW as well (J. Liu et al., "Muon is Scalable for LLM Training", 2025).
    """

    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    body: float = 1.0
    kind: Literal["adamw", "muon"] = "adamw"


class Several(torch.optim.Optimizer):
    """Several optimisers that move as one, each its own weights.

    Args:
        optimisers: in the order in which their groups are listed and kept.
    """

    def __init__(self, optimisers: Iterable[torch.optim.Optimizer]) -> None:
        self.optimisers = list(optimisers)
        groups = [group for one in self.optimisers for group in one.param_groups]
        super().__init__([{"params": list(group["params"])} for group in groups], {})
        self.param_groups = groups

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Let each optimiser move its weights, after the closure has found the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for one in self.optimisers:
            one.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return each optimiser's state."""
        return {"several": [one.state_dict() for one in self.optimisers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state of as many optimisers."""
        for one, state in zip(self.optimisers, state_dict["several"], strict=True):
            one.load_state_dict(state)
        self.param_groups = [group for one in self.optimisers for group in one.param_groups]


def _between_hidden(name: str, weight: nn.Parameter) -> bool:
    """Tell whether a weight takes one hidden layer to the next, by its name and shape."""
    inside = ("to_qkv", "to_out", "feed", "mix", "into", "corrected")
    return weight.ndim == 2 and name.endswith(".weight") and any(f".{part}." in name for part in inside)


def optimiser_of(net: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """Return what moves a network's weights.

    Args:
        net: the network.
        config: rates and decay.
    """
    adam: list[dict[str, Any]] = []
    muon: list[dict[str, Any]] = []
    for head in (False, True):
        lr = config.lr * (1.0 if head else config.body)
        named = [(n, p) for n, p in net.named_parameters() if n.startswith(ACTION_HEAD) == head]
        fast = [(n, p) for n, p in named if config.kind == "muon" and _between_hidden(n, p)]
        taken = {n for n, _ in fast}
        rest = [p for n, p in named if n not in taken]
        groups = [[p for p in rest if p.ndim >= 2], [p for p in rest if p.ndim < 2]]
        if fast:
            muon.append({"params": [p for _, p in fast], "lr": lr})
        adam.append({"params": groups[0], "lr": lr})
        adam.append({"params": groups[1], "lr": lr, "weight_decay": 0.0})
    decay = config.weight_decay
    steady = torch.optim.AdamW(adam, lr=config.lr, weight_decay=decay, betas=(0.9, 0.98))
    if not muon:
        return steady
    matrices = torch.optim.Muon(muon, lr=config.lr, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
    return Several([matrices, steady])


def one_cycle(optimiser: torch.optim.Optimizer, steps: int, warmup: float) -> dict[str, Any]:
    """Return, as Lightning wants it, an optimiser whose rate rises in a line and falls like a cosine to 0.

    Args:
        optimiser: at its highest rate.
        steps: of the whole training.
        warmup: part of them in which the rate rises.
    """
    total = max(1, steps)
    warm = max(1, int(warmup * total))

    def rate(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total - warm))))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
