"""Progress of training where there is no terminal to draw a bar on: a line now and then."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar, RichProgressBar


class LineProgress(ProgressBar):
    """Prints a line at the end of an epoch, but not more often than each ``every_s`` seconds."""

    def __init__(self, every_s: float = 10.0) -> None:
        super().__init__()
        self.every_s = every_s
        self._start = self._last = 0.0
        self._first_epoch = 0

    def disable(self) -> None:
        """Print nothing from here on."""
        self.every_s = float("inf")

    def enable(self) -> None:
        """Print again."""
        self.every_s = 10.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to count."""
        self._start = self._last = time.monotonic()
        self._first_epoch = trainer.current_epoch

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print what there is to say."""
        now, done, total = time.monotonic(), trainer.current_epoch + 1, trainer.max_epochs or 0
        if now - self._last < self.every_s and done < total:
            return
        self._last = now
        each = (now - self._start) / max(1, done - self._first_epoch)
        left = f", {max(0, total - done) * each:.0f} s left" if total > 0 else ""
        values: dict[str, Any] = self.get_metrics(trainer, pl_module)
        shown = "  ".join(f"{name} {float(value):.4g}" for name, value in values.items() if name != "v_num")
        print(f"epoch {done}/{total}  {shown}  ({each:.2f} s each{left})", file=sys.stderr, flush=True)


def progress_bar() -> ProgressBar:
    """Return a bar for a terminal, lines for a log."""
    return RichProgressBar(leave=False) if sys.stderr.isatty() else LineProgress()
