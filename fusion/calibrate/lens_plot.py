"""A picture of a lens's calibration: where the board was, what errors remain, how the lens bends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from drivers.camera.model import CameraModel
from drivers.errors import ConfigError
from fusion.calibrate.board import View
from fusion.calibrate.intrinsics import Intrinsics
from fusion.geometry.lens import normalised


def draw(results: Mapping[str, Intrinsics], views: Mapping[str, Sequence[View]], path: Path | str) -> None:
    """Draw a row of three panels for each camera into a picture (.png, .svg, .pdf).

    Raises:
        ConfigError: the picture can't be written.
    """
    figure = Figure(figsize=(14, 3.6 * len(results)), layout="constrained")
    panels = figure.subplots(len(results), 3, squeeze=False)
    for row, (name, one) in zip(panels, results.items(), strict=True):
        width, height = one.model.size
        used = set(one.used)
        for view in views[name]:
            row[0].plot(
                *view.pixels.T, ".", markersize=2, color="tab:blue" if view.name in used else "lightgrey"
            )
        row[0].set(
            xlim=(0, width), ylim=(height, 0), aspect="equal", title=f"{name}: corners (grey: not used)"
        )
        row[1].bar(range(len(one.errors_px)), one.errors_px, color="tab:blue")
        row[1].axhline(one.model.reprojection_px, color="black", linewidth=0.8)
        row[1].set(
            xlabel="view", ylabel="error [px]", title=f"reprojection {one.model.reprojection_px:.3f} px"
        )
        x, y = np.meshgrid(np.linspace(0, width - 1, 25), np.linspace(0, height - 1, 15))
        shift = np.linalg.norm(_bent(one.model, np.stack([x, y], -1)), axis=-1)
        shown = row[2].contourf(x, y, shift, levels=12, cmap="viridis")
        figure.colorbar(shown, ax=row[2], label="px")
        row[2].plot(*one.model.matrix[:2, 2], "w+")
        row[2].set(
            xlim=(0, width), ylim=(height, 0), aspect="equal", title=f"bent by the lens ({one.model.lens})"
        )
    try:
        figure.savefig(path, dpi=100)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the picture {path} can't be written: {error}", mend="Name a .png") from error


def _bent(model: CameraModel, pixels: np.ndarray) -> np.ndarray:
    """Return by how many px the lens moves each pixel from where a pin-hole would show it."""
    straight = normalised(model, pixels) @ model.matrix[:2, :2].T + model.matrix[:2, 2]
    return pixels - straight
