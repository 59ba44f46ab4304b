"""A picture of a person in 3D, and of how steady the bones of the limbs are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from drivers.errors import ConfigError
from fusion.geometry.people import Person3D
from fusion.geometry.steady import limb_bones
from fusion.skeletons import bones

POSES = 5
"""Drawn over time, the first one faintest."""
STEADY_PERCENT = 3.0


def draw(person: Person3D, path: Path | str) -> None:
    """Draw poses, lengths of bones over time, their variation and the cameras' errors (.png, .svg, .pdf).

    Raises:
        ConfigError: the picture can't be written.
    """
    figure = Figure(figsize=(15, 9), layout="constrained")
    grid = figure.add_gridspec(2, 3, width_ratios=(1.2, 1, 1))
    _poses(figure.add_subplot(grid[:, 0], projection="3d"), person)
    raw, smooth = limb_bones(person.skeleton, person.raw), limb_bones(person.skeleton, person.places)
    seconds = (person.times - person.times[0]) * 1e-9
    for column, side in ((1, "left"), (2, "right")):
        panel = figure.add_subplot(grid[0, column])
        for number, (a, b) in enumerate(
            (a, b) for a, b in zip(raw, smooth, strict=True) if a.name.startswith(side)
        ):
            colour = f"C{number}"
            panel.plot(seconds, 100 * a.lengths, ".", markersize=2, color=colour, alpha=0.4)
            panel.plot(seconds, 100 * b.lengths, color=colour, label=f"{b.name}: {b.variation:.1f} %")
        usual = np.nanmax([bone.length for bone in smooth] or [0.5])
        panel.set(ylim=(0, 150 * usual), xlabel="time [s]", ylabel="length [cm]", title=f"{side}: dots raw")
        panel.legend(fontsize="small", loc="upper right")
    panel = figure.add_subplot(grid[1, 1])
    rows = np.arange(len(raw))
    panel.barh(rows - 0.2, [bone.variation for bone in raw], 0.4, color="lightgrey", label="raw")
    panel.barh(rows + 0.2, [bone.variation for bone in smooth], 0.4, color="tab:blue", label="smoothed")
    panel.axvline(STEADY_PERCENT, color="tab:red", linewidth=0.8)
    panel.set(yticks=rows, yticklabels=[bone.name for bone in raw], xlabel="robust variation of length [%]")
    panel.invert_yaxis()
    panel.legend(fontsize="small")
    panel = figure.add_subplot(grid[1, 2])
    for name, off in zip(person.cameras, person.points.residual_px, strict=True):
        known = off[np.isfinite(off)]
        if len(known):
            panel.hist(known, bins=list(range(41)), histtype="step", label=f"{name}: {np.median(known):.1f}")
    panel.set(xlabel="distance from what each camera saw [px] (median)", ylabel="key points")
    panel.legend(fontsize="small")
    try:
        figure.savefig(path, dpi=100)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the picture {path} can't be written: {error}", mend="Name a .png") from error


def _poses(panel, person: Person3D) -> None:
    chosen = np.linspace(0, len(person.times) - 1, min(POSES, len(person.times))).astype(int)
    for number, t in enumerate(chosen):
        pose = person.places[t]
        for a, b in bones(person.skeleton):
            if np.isfinite(pose[[a, b]]).all():
                panel.plot(*pose[[a, b]].T, color="tab:blue", alpha=(number + 1) / len(chosen), linewidth=1.2)
    for name, camera in person.cameras.items():
        if camera.pose is not None:
            panel.scatter(*camera.pose.centre, marker="^", color="black")
            panel.text(*camera.pose.centre, name, fontsize=7)
    panel.set_aspect("equal")
    panel.set(xlabel="x [m]", ylabel="y [m]", zlabel="z [m]", title="poses over time, and the cameras")
