"""The final test of actions as a callback of training: table, ``results.json`` and a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytorch_lightning as pl
from rich.console import Console
from rich.table import Table

from drivers.errors import ConfigError
from fusion.evaluate.intervals import wilson_interval
from fusion.evaluate.named import Named, baselines, conditions
from fusion.model.net import FusionNet


def action_table(results: list[Named]) -> Table:
    """Return the table of ``results``."""
    table = Table("", "top-1", "95 % interval", "mean of classes", "macro F1")
    table.title = f"{results[0].scores.count} windows tested"
    for result in results:
        values = result.scores.compute()
        low, high = wilson_interval(result.scores.hits, result.scores.count)
        shares = [f"{values[name]:.1%}" for name in ("top1", "mean_class", "macro_f1")]
        table.add_row(result.name, shares[0], f"{low:.1%} .. {high:.1%}", *shares[1:])
    return table


def draw_confusion(result: Named, names: tuple[str, ...], path: Path) -> None:
    """Draw the confusion matrix of ``result`` as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    confusion = result.scores.confusion
    share = confusion / confusion.sum(dim=1, keepdim=True).clamp(min=1)
    figure = Figure(figsize=(11, 10), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(share.numpy(), cmap="Blues", vmin=0.0, vmax=1.0)
    for row, column in confusion.nonzero().tolist():
        value = int(confusion[row, column])
        colour = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, str(value), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("named")
    axes.set_ylabel("true action")
    hits, count = result.scores.hits, result.scores.count
    low, high = wilson_interval(hits, count)
    axes.set_title(
        f"{result.name}: {hits / max(1, count):.1%} of {count} (95 % interval {low:.1%} to {high:.1%})"
    )
    FigureCanvasAgg(figure).print_png(str(path))


class ActionReport(pl.Callback):
    """After a test, and after training if asked to: the table, ``results.json`` and ``confusion.png``.

    Args:
        output: folder, by default ``report`` in the folder of the run; files of the same names are replaced.
        after_fit: test at the end of training too. Off where the test part is to be opened once, at the end
            of all choices, by ``train.py test``.
    """

    def __init__(self, output: str | None = None, after_fit: bool = False) -> None:
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

    def report(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> list[Named]:
        """Test, print and write."""
        data, net = self._data(trainer), pl_module.net
        assert isinstance(net, FusionNet)
        results = conditions(net, data.test_dataloader)
        reference = data.reference_dataloader  # type: ignore[attr-defined]
        results += baselines(data.test_dataloader, reference, len(net.config.actions))
        folder = Path(self.output or Path(trainer.default_root_dir) / "report")
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps([result.as_dict() for result in results], indent=2)
        (folder / "results.json").write_text(text + "\n", encoding="utf-8")
        draw_confusion(results[0], net.config.actions, folder / "confusion.png")
        console = Console()
        console.print(action_table(results))
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
