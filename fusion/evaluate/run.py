"""Weights and data -> what they are worth, with the baselines beside: as a table, and as plain values."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fusion.evaluate.intervals import wilson_interval
from fusion.evaluate.named import Named, baselines, conditions
from fusion.evaluate.pose import UNITS, Row, compare
from fusion.evaluate.report import action_table
from fusion.evaluate.sources import Asked, load
from fusion.model.net import FusionNet


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What came out.

    Attributes:
        facts: weights, data, kind, split, seeds, counts, masks, corruption.
        rows: of windows with poses, or of windows that are one action each.
    """

    facts: dict[str, Any]
    rows: list[Row] | list[Named]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**self.facts, "rows": [row.as_dict() for row in self.rows]}


def evaluate(
    net: FusionNet, data: str, asked: Asked, masked: tuple[str, ...] = (), weights: str = ""
) -> Evaluation:
    """Evaluate ``net`` on ``data``.

    Args:
        net: the network.
        data: a session, a folder, or the name of a motion set.
        asked: seeds, windows, split, corruption.
        masked: taken away from every run.
        weights: where the network came from, to be said.

    Raises:
        DataError: the data is not there, malformed, or has nothing that could be compared.
        ConfigError: it cannot be done with this data.
    """
    loaded = load(data, net, asked)
    facts: dict[str, Any] = {
        "weights": weights,
        "parameters": net.parameter_count,
        "data": data,
        "kind": loaded.kind,
        **loaded.facts,
        "rate_hz": loaded.rate_hz,
        "masked": list(masked),
        "corruption": None if asked.corruption is None else str(asked.corruption),
    }
    if not loaded.named:
        return Evaluation(facts, compare(net, loaded.batches, loaded.rate_hz, masked))
    rows = conditions(net, lambda: loaded.batches, masked)
    rows += baselines(lambda: loaded.batches, loaded.reference, len(net.config.actions))
    return Evaluation(facts, rows)


def show(found: Evaluation, console: Console) -> None:
    """Print what was evaluated, and the table."""
    for name, value in found.facts.items():
        if value not in (None, [], ""):
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            console.print(
                f"{name.replace('_', ' '):<12} {text}", soft_wrap=True, markup=False, highlight=False
            )
    named = [row for row in found.rows if isinstance(row, Named)]
    if named:
        console.print(action_table(named))
        return
    rows = [row for row in found.rows if isinstance(row, Row)]
    for names in (_POSE, _MOVEMENT, _ACTIONS):
        table = _table(rows, names)
        if table is not None:
            console.print(table)


_POSE = ("mpjpe_mm", "pa_mpjpe_mm", "pck_150mm", "pck2d_05", "rotation_deg", "bone_deg")
_MOVEMENT = ("acceleration_m_s2", "jitter_m_s3", "lag_ticks", "root_drift_mm", "contact_f1")
_ACTIONS = ("top1", "mean_class", "macro_f1", "f1@10", "f1@25", "f1@50")


def _table(rows: list[Row], names: tuple[str, ...]) -> Table | None:
    """Return a table of those values that any row has."""
    names = tuple(name for name in names if not all(math.isnan(row.values[name]) for row in rows))
    if not names:
        return None
    table = Table("", *(UNITS[name] for name in names))
    if "top1" in names:
        table.add_column("top-1 of ticks, 95 %")
    for row in rows:
        values = [row.values[name] for name in names]
        if all(math.isnan(value) for value in values):
            continue
        cells = [_text(name, value) for name, value in zip(names, values, strict=True)]
        if "top1" in names:
            low, high = wilson_interval(row.hits, row.count)
            cells.append(f"{low:.1%} .. {high:.1%}" if row.count else "")
        table.add_row(row.name, *cells)
    return table


def _text(name: str, value: float) -> str:
    if math.isnan(value):
        return "-"
    if name in ("pck_150mm", "pck2d_05", "top1", "mean_class") or "f1" in name:
        return f"{value:.1%}"
    return f"{value:.2f}" if abs(value) < 10.0 else f"{value:.1f}"


def name_of(weights: str | Path | None) -> str:
    """Return what is said of the weights: the file's name, or that they come with the package."""
    return "those that come with the package" if weights in (None, "", "default") else str(weights)
