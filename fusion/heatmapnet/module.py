"""Training of a HeatmapNet."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from fusion.heatmapnet.decode import decoded
from fusion.heatmapnet.net import STRIDE, HeatmapConfig, HeatmapNet
from fusion.model.optimiser import one_cycle


class HeatmapModule(pl.LightningModule):
    """A HeatmapNet and how it is trained.

    Each cell is told apart by cross entropy between its evidence and a Gaussian around the joint; cells near
    a joint weigh more, as there are few of them.

    Args:
        net: sizes and names of the joints.
        lr: highest learning rate of AdamW.
        weight_decay: on convolutions.
        warmup: part of all steps.
        near: weight of a cell at a joint, that of one far from it being 1.
        compiled: let ``torch.compile`` make training faster; needs a C++ compiler, and a minute at first.
    """

    def __init__(
        self,
        net: HeatmapConfig,
        lr: float = 2e-3,
        weight_decay: float = 0.02,
        warmup: float = 0.05,
        near: float = 20.0,
        compiled: bool = False,
    ) -> None:
        super().__init__()
        net = HeatmapConfig(**net) if isinstance(net, dict) else net
        told = {"lr": lr, "weight_decay": weight_decay, "warmup": warmup, "near": near, "compiled": compiled}
        # Plain values only, so that a checkpoint loads with weights_only=True.
        self.save_hyperparameters({"net": {**dataclasses.asdict(net), "joints": list(net.joints)}, **told})
        self.net = HeatmapNet(dataclasses.replace(net, joints=tuple(net.joints)))
        self.lr, self.weight_decay, self.warmup, self.near = lr, weight_decay, warmup, near
        self.compiled = compiled

    def setup(self, stage: str) -> None:
        """Compile where asked to, and lay pictures out as CPUs like them."""
        self.net = self.net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        if self.compiled and stage == "fit":
            self.net.compile()

    def loss(self, logits: Tensor, heat: Tensor, known: Tensor) -> Tensor:
        """Return the loss of logits (B, J, h, w) for heatmaps of the same shape; known (B, J) counts."""
        weight = (1.0 + (self.near - 1.0) * heat) * known[..., None, None]
        each = nn.functional.binary_cross_entropy_with_logits(logits.float(), heat, weight, reduction="sum")
        return each / weight.sum().clamp(min=1.0)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Loss of a batch."""
        logits = self.net(batch["crop"].contiguous(memory_format=torch.channels_last))
        loss = self.loss(logits, batch["heat"], batch["known"])
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Metrics of a batch."""
        self._measure("val", batch)

    def test_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Metrics of a batch."""
        self._measure("test", batch)

    def _measure(self, stage: str, batch: dict[str, Tensor]) -> None:
        """Log PCK: the part of the joints within a tenth, or a twentieth, of the person's height."""
        logits = self.net(batch["crop"].contiguous(memory_format=torch.channels_last))
        found = decoded(logits.float().sigmoid())
        error = (found.points - batch["points"]).norm(dim=-1) * STRIDE / batch["height"][:, None]
        count = batch["known"].sum().clamp(min=1.0)
        size = len(error)
        self.log(f"{stage}/loss", self.loss(logits, batch["heat"], batch["known"]), batch_size=size)
        for part in (0.1, 0.05):
            right = ((error < part) * batch["known"]).sum() / count
            self.log(f"{stage}/pck{round(100 * part):02d}", right, batch_size=int(count))
        mean = (error * batch["known"]).sum() / count
        self.log(f"{stage}/error_percent_of_height", 100.0 * mean, batch_size=int(count))

    def configure_optimizers(self) -> Any:
        """AdamW with a warm-up and a cosine decay; weight decay on convolutions only."""
        weights = [p for p in self.net.parameters() if p.ndim > 1]
        others = [p for p in self.net.parameters() if p.ndim <= 1]
        groups = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
        adam = torch.optim.AdamW(groups, lr=self.lr, weight_decay=self.weight_decay)
        return one_cycle(adam, int(self.trainer.estimated_stepping_batches), self.warmup)
