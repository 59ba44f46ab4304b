"""The same network on several runtimes, tick by tick over the same windows: differences, worth, speed."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping

import numpy as np
import torch
from rich.table import Table

from fusion.data.batches import Batch
from fusion.evaluate.pose import UNITS, WindowScores
from fusion.model.blind import scored
from fusion.model.stepper import Stepper


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one runtime makes of the windows.

    Attributes:
        name: of the runtime.
        worst: largest difference of any output at any tick from the first runtime's.
        where: the output it is in.
        values: as of :data:`fusion.evaluate.pose.UNITS`.
        cpu_ms: processor time of a step, ms.
        megabytes: of the file; 0: none.
    """

    name: str
    worst: float
    where: str
    values: dict[str, float]
    cpu_ms: float
    megabytes: float = 0.0


def measure(
    steppers: Mapping[str, Stepper], batches: list[Batch], rate_hz: float, sizes: Mapping[str, int]
) -> list[Measured]:
    """Return what each runtime makes of windows; the first is what the others are compared with.

    Args:
        steppers: by name.
        batches: windows.
        rate_hz: ticks per second.
        sizes: of their files, bytes.
    """
    reference: list[dict[str, torch.Tensor]] = []
    out = []
    for name, step in steppers.items():
        scores, worst, where, used, ticks = None, 0.0, "", 0.0, 0
        for number, batch in enumerate(batches):
            outputs, seconds = run(step, batch)
            used += seconds
            ticks += batch["valid"].numel()
            if len(reference) <= number:
                reference.append(outputs)
            for key, value in outputs.items():
                difference = float((value - reference[number][key]).abs().max())
                worst, where = max((worst, where), (difference, key))
            scores = scores or WindowScores(rate_hz, outputs["action"].shape[-1])
            scores.update(scored(outputs, batch), batch)
        assert scores is not None
        values = scores.compute()
        out.append(Measured(name, worst, where, values, 1e3 * used / ticks, sizes.get(name, 0) / 1e6))
    return out


def run(step: Stepper, batch: Batch) -> tuple[dict[str, torch.Tensor], float]:
    """Return a stepper's outputs (B, T, ...) for a batch of windows, and the CPU seconds that it took."""
    features = {name: value.numpy() for name, value in batch["features"].items()}
    rows, ticks = batch["valid"].shape
    told: dict[str, list[np.ndarray]] = {}
    used = 0.0
    for row in range(rows):
        step.reset()
        for tick in range(ticks):
            given = {name: value[row, tick] for name, value in features.items()}
            began = time.process_time()
            outputs = step(given)
            used += time.process_time() - began
            for name, value in outputs.items():
                told.setdefault(name, []).append(np.array(value))
    return {
        name: torch.from_numpy(np.stack(values).reshape(rows, ticks, *values[0].shape))
        for name, values in told.items()
    }, used


def table_of(rows: list[Measured]) -> Table:
    """Return the table, of the values that are known."""
    first = rows[0]
    shown = [name for name in _FORMATS if not math.isnan(first.values[name])]
    table = Table("", "largest difference", "in", *(UNITS[name] for name in shown), "CPU ms a step", "MB")
    for row in rows:
        table.add_row(
            row.name,
            "" if row is first else f"{row.worst:.1e}",
            row.where if row is not first else "",
            *(format(row.values[name], _FORMATS[name]) for name in shown),
            f"{row.cpu_ms:.2f}",
            f"{row.megabytes:.1f}" if row.megabytes else "",
        )
    return table


_FORMATS = {"mpjpe_mm": ".2f", "pck_150mm": ".2%", "contact_f1": ".2%", "top1": ".2%", "jitter_m_s3": ".0f"}
