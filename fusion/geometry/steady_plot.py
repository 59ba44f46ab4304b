"""A picture of a person in 3D, and of how steady the bones of the limbs are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drivers.errors import ConfigError
from fusion.geometry.people import Person3D
from fusion.geometry.steady import Bone, limb_bones
from fusion.skeletons import bones

POSES = 4
"""Drawn over time, the first one faintest."""
STEADY_PERCENT = 3.0
SPAN_PERCENT = 20.0
"""Of deviations that are drawn; what is beyond is drawn at the edge."""
COLOURS = {"left": "tab:red", "right": "tab:blue"}


def draw(person: Person3D, path: Path | str) -> None:
    """Draw poses, the cameras, how bones keep their length, and errors (.png, .svg, .pdf).

    Raises:
        ConfigError: the picture can't be written.
    """
    figure = Figure(figsize=(16, 9), layout="constrained")
    grid = figure.add_gridspec(2, 6, height_ratios=(1.3, 1))
    raw, smooth = limb_bones(person.skeleton, person.raw), limb_bones(person.skeleton, person.places)
    _poses(figure.add_subplot(grid[0, :2], projection="3d"), person)
    for place, side in ((grid[0, 2:4], "left"), (grid[0, 4:], "right")):
        _lengths(figure.add_subplot(place), person, side, raw, smooth)
    _plan(figure.add_subplot(grid[1, :2]), person)
    _variation(figure.add_subplot(grid[1, 2:4]), raw, smooth)
    _errors(figure.add_subplot(grid[1, 4:]), person)
    try:
        figure.savefig(path, dpi=100)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the picture {path} can't be written: {error}", mend="Name a .png") from error


def _poses(panel: Any, person: Person3D) -> None:
    known = np.flatnonzero(np.isfinite(person.places).all(-1).mean(1) > 0.5)
    chosen = (
        known[np.linspace(0, len(known) - 1, min(POSES, len(known))).astype(int)] if len(known) else known
    )
    for number, t in enumerate(chosen):
        pose, shade = person.places[t], (number + 1) / len(chosen)
        for a, b in bones(person.skeleton):
            if np.isfinite(pose[[a, b]]).all():
                names = person.skeleton[a], person.skeleton[b]
                side = next((s for s in COLOURS if all(name.startswith(s) for name in names)), "")
                panel.plot(*pose[[a, b]].T, color=COLOURS.get(side, "black"), alpha=shade, linewidth=1.8)
    panel.set_aspect("equal")
    panel.set(xlabel="x [m]", ylabel="y [m]", zlabel="z [m]")
    panel.set_title(f"{len(chosen)} poses, the last one darkest; left red, right blue")


def _lengths(panel: Any, person: Person3D, side: str, raw: list[Bone], smooth: list[Bone]) -> None:
    seconds = (person.times - person.times[0]) * 1e-9 * person.pace
    panel.axhspan(-STEADY_PERCENT, STEADY_PERCENT, color="0.92")
    of_side = [(a, b) for a, b in zip(raw, smooth, strict=True) if a.name.startswith(side)]
    for number, (a, b) in enumerate(of_side):
        off = [np.clip(100 * (each.lengths / b.length - 1), -SPAN_PERCENT, SPAN_PERCENT) for each in (a, b)]
        panel.plot(seconds, off[0], ".", markersize=3, color=f"C{number}", alpha=0.5)
        name = b.name.removeprefix(side).strip()
        panel.plot(seconds, off[1], color=f"C{number}", label=f"{name}: {100 * b.length:.1f} cm")
    panel.set(ylim=(-SPAN_PERCENT, SPAN_PERCENT), xlabel="time [s]", ylabel="length against its median [%]")
    panel.set_title(f"{side}: line smoothed, dots raw")
    panel.legend(fontsize="small", loc="upper left", ncols=2)


def _plan(panel: Any, person: Person3D) -> None:
    joints = [i for i, name in enumerate(person.skeleton) if name in ("left_hip", "right_hip", "pelvis")]
    path = person.places[:, joints or slice(None)].mean(1)
    panel.plot(path[:, 0], path[:, 1], color="black", linewidth=1.5)
    panel.plot(*path[np.isfinite(path).all(1)][-1:, :2].T, "o", color="black", markersize=4)
    for number, (name, camera) in enumerate(person.cameras.items()):
        if camera.pose is not None:
            at, ahead = camera.pose.centre, camera.pose.rotation[2]
            panel.plot(*at[:2], "^", color=f"C{number}")
            panel.annotate(
                "", (at + ahead)[:2], at[:2], arrowprops={"arrowstyle": "->", "color": f"C{number}"}
            )
            panel.annotate(name, at[:2], (6, -12), textcoords="offset points", color=f"C{number}")
    panel.set_aspect("equal", adjustable="datalim")
    panel.margins(0.15)
    panel.set(xlabel="x [m]", ylabel="y [m]", title="from above: the hips' path, and where cameras look")


def _variation(panel: Any, raw: list[Bone], smooth: list[Bone]) -> None:
    rows = np.arange(len(raw))
    panel.barh(rows - 0.2, [bone.variation for bone in raw], 0.4, color="lightgrey", label="raw")
    bars = panel.barh(
        rows + 0.2, [bone.variation for bone in smooth], 0.4, color="tab:blue", label="smoothed"
    )
    panel.bar_label(bars, fmt="%.1f", padding=2, fontsize="small")
    panel.axvline(STEADY_PERCENT, color="tab:red", linewidth=0.8)
    panel.set(yticks=rows, yticklabels=[bone.name for bone in raw], xlabel="1.4826 MAD / median [%]")
    panel.set_title("variation of length")
    panel.invert_yaxis()
    panel.legend(fontsize="small")


def _errors(panel: Any, person: Person3D) -> None:
    for name, off in zip(person.cameras, person.points.residual_px, strict=True):
        known = off[np.isfinite(off)]
        if len(known):
            label = f"{name}: {np.median(known):.1f}"
            if person.swapped[name]:
                label += f", sides swapped in {person.swapped[name]:.0%}"
            panel.hist(np.minimum(known, 40), bins=list(range(42)), histtype="step", label=label)
    panel.set(xlabel="distance from what was seen [px]; last: 40 and more", ylabel="key points")
    panel.set_title("cameras (median)")
    panel.legend(fontsize="small")
