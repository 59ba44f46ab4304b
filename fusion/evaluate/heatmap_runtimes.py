"""The same HeatmapNet on several runtimes, crop by crop: differences, worth, speed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from rich.table import Table
from torch import Tensor

from drivers.errors import WeightsError
from fusion.heatmapnet.checkpoint import KIND
from fusion.heatmapnet.decode import decoded
from fusion.heatmapnet.net import STRIDE
from fusion.model.graphs import open_graph

Look = Callable[[Tensor], Tensor]
"""Evidence (1, J, h, w) of a crop (1, C, H, W)."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """What one runtime makes of the crops.

    Attributes:
        name: of the runtime.
        worst: largest difference of any cell's evidence from the first runtime's.
        moved_px: of the key points from those of the first runtime: median, and what 99 % stay below.
        pck10: part of the joints within a tenth of ``height``.
        pck05: within a twentieth.
        error: mean, in parts of ``height``.
        cpu_ms: processor time of a crop, ms.
        megabytes: of the file; 0: none.
    """

    name: str
    worst: float
    moved_px: tuple[float, float]
    pck10: float
    pck05: float
    error: float
    cpu_ms: float
    megabytes: float = 0.0


def seen_by(path: Path) -> Look:
    """Return what an exported HeatmapNet tells of crops.

    Raises:
        WeightsError: the file is no such graph.
    """
    graph = open_graph(path)
    if graph.about.get("format") != KIND.format:
        raise WeightsError(
            f"{path} is a graph, but not of a HeatmapNet", mend="Name a file that chorus export-model wrote"
        )
    return lambda crop: torch.from_numpy(graph.run({"crops": crop.numpy()})["heatmaps"])


def measure(
    runtimes: Mapping[str, Look], batch: Mapping[str, Tensor], sizes: Mapping[str, int]
) -> list[Seen]:
    """Return what each runtime makes of crops; the first is what the others are compared with.

    Args:
        runtimes: by name.
        batch: of :func:`fusion.heatmapnet.examples.crops_of`.
        sizes: of their files, bytes.
    """
    known, out = batch["known"] > 0.5, []
    reference = points = None
    for name, look in runtimes.items():
        look(batch["crop"][:1])  # what is prepared at the first is not counted
        began = time.process_time()
        evidence = torch.cat([look(crop[None]) for crop in batch["crop"]])
        used = (time.process_time() - began) / len(evidence)
        found = decoded(evidence).points
        if reference is None or points is None:
            reference, points = evidence, found
        moved = STRIDE * (found - points).norm(dim=-1)[known]
        error = (STRIDE * (found - batch["points"]).norm(dim=-1) / batch["height"][:, None])[known]
        out.append(
            Seen(
                name,
                float((evidence - reference).abs().max()),
                (float(moved.median()), float(moved.quantile(0.99))),
                float((error < 0.1).float().mean()),
                float((error < 0.05).float().mean()),
                float(error.mean()),
                1e3 * used,
                sizes.get(name, 0) / 1e6,
            )
        )
    return out


def table_of(rows: list[Seen]) -> Table:
    """Return the table."""
    table = Table(
        "", "largest difference", "moved px", "99 %", "PCK@0.1", "PCK@0.05", "error", "CPU ms a crop", "MB"
    )
    for row in rows:
        first = row is rows[0]
        table.add_row(
            row.name,
            "" if first else f"{row.worst:.1e}",
            "" if first else f"{row.moved_px[0]:.2f}",
            "" if first else f"{row.moved_px[1]:.2f}",
            f"{row.pck10:.2%}",
            f"{row.pck05:.2%}",
            f"{row.error:.2%}",
            f"{row.cpu_ms:.2f}",
            f"{row.megabytes:.1f}" if row.megabytes else "",
        )
    return table
