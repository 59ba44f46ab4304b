"""Training of a HeatmapNet."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from drivers.errors import ConfigError
from fusion.evaluate.oks import oks
from fusion.heatmapnet.decode import Decoded, decoded
from fusion.heatmapnet.net import STRIDE, HeatmapConfig, HeatmapNet
from fusion.heatmapnet.report import Report
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
        """Compile where asked to, and lay pictures out as CPUs like them.

        Raises:
            ConfigError: the data has crops of another size or other joints than the network.
        """
        data = getattr(self.trainer, "datamodule", None)
        joints, size = getattr(data, "joints", None), getattr(data, "size", None)
        config = self.net.config
        if joints is not None and tuple(joints) != config.joints:
            raise ConfigError(
                f"the network has {len(config.joints)} joints, the data {len(joints)}, or another order",
                mend="Give data.joints as model.net.joints",
            )
        if size is not None and size != (config.width, config.height):
            raise ConfigError(
                f"the network takes crops of {config.width} x {config.height} px, the data has "
                f"{size[0]} x {size[1]}",
                mend="Give data.width and data.height as model.net has them",
            )
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

    def on_test_start(self) -> None:
        """Begin to gather for the report."""
        self.report = Report(self.net.config.joints)

    def test_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Metrics of a batch."""
        error, found = self._measure("test", batch)
        self.report.take(batch, error, found.points)

    def on_test_end(self) -> None:
        """Write figures and pictures into the folder of the run."""
        if self.trainer.is_global_zero:
            folder = Path(self.trainer.default_root_dir) / "report"
            self.report.write(folder)
            print(f"report: {folder}")

    def _measure(self, stage: str, batch: dict[str, Tensor]) -> tuple[Tensor, Decoded]:
        """Log PCK, and OKS of pictures; return errors (B, J) and what was found.

        PCK is the part of the joints within a fifth, tenth or twentieth of ``height``: of the person, of
        whom depth tells how tall; of the longer side of the person's box in pictures.
        """
        logits = self.net(batch["crop"].contiguous(memory_format=torch.channels_last))
        found = decoded(logits.float().sigmoid())
        error = (found.points - batch["points"]).norm(dim=-1) * STRIDE / batch["height"][:, None]
        count = batch["known"].sum().clamp(min=1.0)
        size = len(error)
        self.log(f"{stage}/loss", self.loss(logits, batch["heat"], batch["known"]), batch_size=size)
        for part in (0.2, 0.1, 0.05):
            right = ((error < part) * batch["known"]).sum() / count
            self.log(f"{stage}/pck{round(100 * part):02d}", right, batch_size=int(count))
        mean = (error * batch["known"]).sum() / count
        self.log(f"{stage}/error_percent_of_height", 100.0 * mean, batch_size=int(count))
        if "area" in batch:
            distance = (error * batch["height"][:, None]).float().cpu().numpy()
            like = oks(
                distance,
                batch["known"].cpu().numpy(),
                batch["area"].cpu().numpy(),
                self.net.config.joints,
            )
            if np.isfinite(like).any():
                self.log(f"{stage}/oks", float(np.nanmean(like)), batch_size=int(np.isfinite(like).sum()))
        return error, found

    def configure_optimizers(self) -> Any:
        """AdamW with a warm-up and a cosine decay; weight decay on convolutions only."""
        weights = [p for p in self.net.parameters() if p.ndim > 1]
        others = [p for p in self.net.parameters() if p.ndim <= 1]
        groups = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
        adam = torch.optim.AdamW(groups, lr=self.lr, weight_decay=self.weight_decay)
        return one_cycle(adam, int(self.trainer.estimated_stepping_batches), self.warmup)
