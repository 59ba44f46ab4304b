"""What a HeatmapNet's test leaves in the folder of its run: figures, curves, pictures of what it found."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fusion.heatmapnet.net import STRIDE
from fusion.skeletons import bones
from fusion.vision.overlay import contact_sheet

SHOWN = 24
"""So many crops are drawn, drawn by chance from all that are tested."""
SCALE = 2
FOUND, TRUE = (80, 220, 80), (60, 80, 240)
"""Green and red, BGR."""


class Report:
    """Gathers the errors of a test, and some of its crops.

    Args:
        joints: (J) names.
    """

    def __init__(self, joints: tuple[str, ...]) -> None:
        self.joints = joints
        self._errors: list[NDArray[np.float32]] = []
        self._known: list[NDArray[np.bool_]] = []
        self._shown: list[NDArray[np.uint8]] = []
        self._seen = 0
        self._draw = np.random.default_rng(0)

    def take(self, batch: dict[str, Tensor], error: Tensor, found: Tensor) -> None:
        """Take a batch: crops and truth, errors (B, J) in parts of ``height``, points found (B, J, 2)."""
        known = batch["known"].cpu().numpy() > 0.5
        self._errors.append(error.float().cpu().numpy())
        self._known.append(known)
        for row in range(len(known)):
            # Each crop has the same chance to be shown, however many come (reservoir sampling).
            place = len(self._shown) if self._seen < SHOWN else int(self._draw.integers(0, self._seen + 1))
            self._seen += 1
            if place < SHOWN:
                image = drawn(
                    batch["crop"][row].float().cpu().numpy(),
                    found[row].float().cpu().numpy(),
                    batch["points"][row].float().cpu().numpy(),
                    known[row],
                    self.joints,
                )
                self._shown[place : place + 1] = [image]

    def figures(self) -> dict[str, Any]:
        """Return PCK over all joints and by joint, per cent, and how many joints there were."""
        error, known = np.concatenate(self._errors), np.concatenate(self._known)
        parts = {"pck20": 0.2, "pck10": 0.1, "pck05": 0.05}
        by_joint = {
            name: {
                "joints": int(known[:, j].sum()),
                **{key: _share(error[known[:, j], j], part) for key, part in parts.items()},
            }
            for j, name in enumerate(self.joints)
        }
        return {
            "crops": len(error),
            "joints": int(known.sum()),
            **{key: _share(error[known], part) for key, part in parts.items()},
            "mean_error_percent": round(100.0 * float(error[known].mean()), 3) if known.any() else None,
            "by_joint": by_joint,
        }

    def write(self, folder: Path) -> dict[str, Any]:
        """Write ``results.json``, ``pck.png``, ``pictures.png``; ``learning.png`` where there are logs."""
        folder.mkdir(parents=True, exist_ok=True)
        figures = self.figures()
        (folder / "results.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
        self._curve(folder / "pck.png", figures)
        if self._shown:
            sheet = contact_sheet(self._shown, columns=6, width=self._shown[0].shape[1], gap=0)
            cv2.imwrite(str(folder / "pictures.png"), sheet)
        learning(folder.parent, folder / "learning.png")
        return figures

    def _curve(self, path: Path, figures: dict[str, Any]) -> None:
        from matplotlib.figure import Figure

        error, known = np.concatenate(self._errors), np.concatenate(self._known)
        at = np.linspace(0.0, 0.25, 126)
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.subplots()
        for j, name in enumerate(self.joints):
            own = error[known[:, j], j]
            if len(own):
                axes.plot(100 * at, [100 * (own < part).mean() for part in at], lw=0.7, label=name)
        if known.any():
            every = [100 * (error[known] < part).mean() for part in at]
            axes.plot(100 * at, every, "k", lw=2.5, label="all")
        axes.axvline(10, color="grey", ls=":", lw=1)
        axes.set(xlabel="nearer than, % of the person's size", ylabel="PCK, %", ylim=(0, 100))
        axes.set_title(
            f"PCK@0.1 {figures['pck10']} %, {figures['joints']} joints of {figures['crops']} crops"
        )
        axes.legend(fontsize=6, ncols=2)
        figure.savefig(path, dpi=110)


def _share(error: NDArray[np.floating], part: float) -> float | None:
    return round(100.0 * float((error < part).mean()), 2) if len(error) else None


def drawn(
    crop: NDArray[np.float32],
    found: NDArray[np.float32],
    true: NDArray[np.float32],
    known: NDArray[np.bool_],
    joints: tuple[str, ...],
) -> NDArray[np.uint8]:
    """Return a crop (C, h, w) as a picture, what was found in green, what is true in red.

    Args:
        crop: colour in [-1, 1], or depth and whether it is known.
        found: (J, 2) in cells.
        true: (J, 2) in cells.
        known: (J,) whether the truth is known.
        joints: (J) names.
    """
    if len(crop) == 3:
        image = (crop.transpose(1, 2, 0) + 1.0) * 127.5
    else:
        near = 200.0 - 110.0 * crop[0]
        image = np.repeat(np.where(crop[1] > 0.5, near, 20.0)[..., None], 3, axis=2)
    image = np.clip(image, 0, 255).astype(np.uint8)
    image = cv2.resize(image, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    for points, colour in ((true, TRUE), (found, FOUND)):
        pixels = np.rint(SCALE * (points * STRIDE + (STRIDE - 1) / 2)).astype(int).tolist()
        for a, b in bones(joints):
            if known[a] and known[b]:
                cv2.line(image, pixels[a], pixels[b], colour, 1, cv2.LINE_AA)
        for place, there in zip(pixels, known, strict=True):
            if there:
                cv2.circle(image, place, 2, colour, -1, cv2.LINE_AA)
    return image


def learning(run: Path, path: Path) -> None:
    """Draw loss and PCK of a run's epochs from its logs; nothing where it has none."""
    from matplotlib.figure import Figure

    curves: dict[str, list[tuple[float, float]]] = {}
    for file in sorted(run.glob("csv/*/metrics.csv"), key=lambda one: int(one.parent.name.split("_")[-1])):
        with file.open(newline="", encoding="utf-8") as opened:
            for row in csv.DictReader(opened):
                for name in ("train/loss", "val/loss", "val/pck10", "val/oks"):
                    if row.get(name) and row.get("epoch"):
                        curves.setdefault(name, []).append((float(row["epoch"]) + 1, float(row[name])))
    if not curves:
        return
    figure = Figure(figsize=(8, 4), layout="constrained")
    left = figure.subplots()
    right = left.twinx()
    for number, (name, points) in enumerate(curves.items()):
        axes = left if "loss" in name else right
        axes.plot(*zip(*points, strict=True), marker=".", label=name, color=f"C{number}")
    left.set(xlabel="epoch", ylabel="loss", yscale="log")
    right.set(ylabel="PCK@0.1, OKS", ylim=(0, 1))
    figure.legend(loc="outside upper center", ncols=4, fontsize=7)
    figure.savefig(path, dpi=110)
