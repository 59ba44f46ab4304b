"""The final test of actions: all sensors, then each modality masked, intervals, baselines and a picture."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from drivers.errors import ConfigError
from fusion.data.batches import Batch
from fusion.model.losses import pooled_logits
from fusion.model.metrics import wilson_interval
from fusion.model.net import FusionNet

CONDITIONS: dict[str, tuple[str, ...]] = {
    "vision + inertial": (),
    "vision alone (inertial masked)": ("inertial",),
    "inertial alone (vision masked)": ("vision",),
}
"""What is masked in each condition; the weights are the same."""


@dataclasses.dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        name: of the condition or baseline.
        confusion: (A, A) counts, rows are the truth.
    """

    name: str
    confusion: Tensor

    @property
    def count(self) -> int:
        """Windows tested."""
        return int(self.confusion.sum())

    @property
    def hits(self) -> int:
        """Windows named rightly."""
        return int(self.confusion.diagonal().sum())

    @property
    def top1(self) -> float:
        """Share named rightly."""
        return self.hits / max(1, self.count)

    @property
    def mean_class(self) -> float:
        """Mean over the classes of the share named rightly."""
        total = self.confusion.sum(dim=1)
        return float((self.confusion.diagonal()[total > 0] / total[total > 0]).mean())

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        low, high = wilson_interval(self.hits, self.count)
        return {
            "name": self.name,
            "top1": self.top1,
            "interval95": [low, high],
            "mean_class": self.mean_class,
            "hits": self.hits,
            "count": self.count,
        }


@torch.no_grad()
def test_actions(net: FusionNet, batches: Iterable[Batch], masked: tuple[str, ...], name: str) -> Result:
    """Name the action of each window of ``batches`` with the modalities ``masked`` taken away."""
    net.eval()
    classes = len(net.config.actions)
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    for batch in batches:
        gone = {f"{m}_present": torch.zeros_like(batch["features"][f"{m}_present"]) for m in masked}
        outputs = net({**batch["features"], **gone})
        _count(confusion, batch["segment"], pooled_logits(outputs["action"], batch["valid"]).argmax(dim=-1))
    return Result(name, confusion)


# pytest would take the function for a test.
test_actions.__test__ = False  # type: ignore[attr-defined]


def baselines(reference: Iterable[Batch], batches: Iterable[Batch], classes: int) -> list[Result]:
    """Return what needs no network: always the most frequent class, and the nearest class mean.

    The second describes a window by mean and standard deviation over time of each feature, standardised.
    """
    known, labels = _describe(reference)
    probe, truth = _describe(batches)
    frequent = labels.bincount(minlength=classes).argmax().expand(len(truth))
    mean, sd = known.mean(dim=0), known.std(dim=0).clamp(min=1e-3)
    known, probe = (known - mean) / sd, (probe - mean) / sd
    centres = torch.stack([known[labels == c].mean(dim=0) for c in range(classes)]).nan_to_num(nan=1e6)
    nearest = torch.cdist(probe, centres).argmin(dim=1)
    results = []
    for name, guess in (("most frequent class", frequent), ("nearest class mean", nearest)):
        confusion = torch.zeros(classes, classes, dtype=torch.int64)
        _count(confusion, truth, guess)
        results.append(Result(name, confusion))
    return results


def _describe(batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    rows, labels = [], []
    for batch in batches:
        features, weight = batch["features"], batch["valid"][..., None]
        used = torch.cat(
            [features["vision"][..., [0, 1, 7]].flatten(2), features["inertial"][..., :6].flatten(2)], dim=-1
        )
        count = weight.sum(dim=1)
        mean = (used * weight).sum(dim=1) / count
        variance = ((used - mean[:, None]).square() * weight).sum(dim=1) / count
        rows.append(torch.cat([mean, variance.sqrt()], dim=-1))
        labels.append(batch["segment"])
    return torch.cat(rows), torch.cat(labels)


def _count(confusion: Tensor, truth: Tensor, guess: Tensor) -> None:
    confusion.index_put_((truth, guess), torch.ones_like(truth), accumulate=True)


def draw_confusion(result: Result, names: tuple[str, ...], path: Path) -> None:
    """Draw the confusion matrix of ``result`` as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    share = result.confusion / result.confusion.sum(dim=1, keepdim=True).clamp(min=1)
    figure = Figure(figsize=(11, 10), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(share.numpy(), cmap="Blues", vmin=0.0, vmax=1.0)
    for row, column in torch.nonzero(result.confusion).tolist():
        value = int(result.confusion[row, column])
        colour = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, str(value), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("named")
    axes.set_ylabel("true action")
    low, high = wilson_interval(result.hits, result.count)
    axes.set_title(
        f"{result.name}: {result.top1:.1%} of {result.count} (95 % interval {low:.1%} to {high:.1%})"
    )
    FigureCanvasAgg(figure).print_png(str(path))


class ActionReport(pl.Callback):
    """After a test, and after training if asked to: the table, ``results.json`` and ``confusion.png``.

    Args:
        output: folder, by default ``report`` in the folder of the run; files of the same names are replaced.
        after_fit: test at the end of training too.
    """

    def __init__(self, output: str | None = None, after_fit: bool = True) -> None:
        self.output = output
        self.after_fit = after_fit

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Test the weights that training ended with."""
        if self.after_fit and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            self._data(trainer).setup("test")
            self.report(trainer, pl_module)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report on the weights that were tested."""
        self.report(trainer, pl_module)

    def report(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> list[Result]:
        """Test, print and write."""
        data, net = self._data(trainer), pl_module.net
        assert isinstance(net, FusionNet)
        results = [test_actions(net, data.test_dataloader(), gone, name) for name, gone in CONDITIONS.items()]
        classes = len(net.config.actions)
        results += baselines(data.reference_dataloader(), data.test_dataloader(), classes)  # type: ignore[attr-defined]
        table = Table(
            "", "top-1", "95 % interval", "mean of classes", title=f"{results[0].count} windows tested"
        )
        for result in results:
            low, high = wilson_interval(result.hits, result.count)
            table.add_row(
                result.name, f"{result.top1:.1%}", f"{low:.1%} .. {high:.1%}", f"{result.mean_class:.1%}"
            )
        table.add_row("chance", f"{1 / classes:.1%}", "", "")
        folder = Path(self.output or Path(trainer.default_root_dir) / "report")
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps([result.as_dict() for result in results], indent=2)
        (folder / "results.json").write_text(text + "\n", encoding="utf-8")
        draw_confusion(results[0], net.config.actions, folder / "confusion.png")
        console = Console()
        console.print(table)
        console.print(f"confusion matrix: {folder / 'confusion.png'}")
        return results

    @staticmethod
    def _data(trainer: pl.Trainer) -> pl.LightningDataModule:
        data = getattr(trainer, "datamodule", None)
        if data is None or not hasattr(data, "reference_dataloader"):
            raise ConfigError(
                "ActionReport needs data of labelled windows",
                mend="Remove it from trainer.callbacks for this data",
            )
        return data
