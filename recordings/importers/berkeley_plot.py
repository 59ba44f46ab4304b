"""A picture of what the stamps of Berkeley MHAD were, and of the times that were made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recordings.importers.berkeley_sessions import ImportReport


def draw(report: ImportReport, path: Path) -> None:
    """Draw jitter before and after, delays, drift and the clocks' errors into a picture (.png, .svg, .pdf).

    Args:
        report: of at least one trial.
        path: the picture; one that is there is replaced.
    """
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots(2, 2)
    names = list(dict.fromkeys(sensor.stream for sensor in report.sensors))
    colours = {name: f"C{number}" for number, name in enumerate(names)}
    _intervals(axes[0, 0], report, names)
    _one_trial(axes[0, 1], report, colours)
    _drift(axes[1, 0], report, colours)
    _delays(axes[1, 1], report, colours)
    figure.suptitle(f"Berkeley MHAD: {len(report.timings)} trials, {len(names)} accelerometers on one clock")
    figure.savefig(path, dpi=110)


def _intervals(axes: Axes, report: ImportReport, names: list[str]) -> None:
    before, after = [], []
    for streams in report.timings.values():
        for name in names:
            each = streams[name].gaps + 1
            before.append(np.diff(streams[name].arrival) * 1e-6 / each)
            after.append(np.diff(streams[name].time) * 1e-6 / each)
    bins = np.linspace(0, 120, 121).tolist()
    for values, label in ((np.concatenate(before), "as stamped"), (np.concatenate(after), "corrected")):
        axes.hist(
            np.clip(values, 0, 120), bins=bins, label=f"{label}: std {np.std(values):.2f} ms", alpha=0.7
        )
    axes.set(title="time between rows", xlabel="ms (the last bin: more)", ylabel="rows", yscale="log")
    axes.legend()


def _one_trial(axes: Axes, report: ImportReport, colours: dict[str, str]) -> None:
    key, streams = next(iter(report.timings.items()))
    start = min(int(timing.time[0]) for timing in streams.values())
    for name, colour in colours.items():
        axes.plot((streams[name].time - start) * 1e-9, streams[name].late_ms, ".-", ms=3, lw=0.6, c=colour)
    axes.axhline(0, c="k", lw=1.5)
    axes.set(title=f"{key}: arrival after the corrected time", xlabel="s", ylabel="ms")


def _drift(axes: Axes, report: ImportReport, colours: dict[str, str]) -> None:
    for name, colour in colours.items():
        each = [sensor for sensor in report.sensors if sensor.stream == name]
        axes.plot([s.subject for s in each], [s.drift_ppm for s in each], "o-", c=colour, label=name)
    axes.set(title="how much too fast each sensor's clock ran", xlabel="subject", ylabel="ppm")
    axes.legend(fontsize="small", ncols=2)


def _delays(axes: Axes, report: ImportReport, colours: dict[str, str]) -> None:
    for name, colour in colours.items():
        late = np.sort(np.concatenate([streams[name].late_ms for streams in report.timings.values()]))
        axes.plot(late, 1 - np.arange(len(late)) / len(late), c=colour)
    axes.set(title="share of rows that arrive later than ...", xlabel="ms", yscale="log", xscale="symlog")
    axes.set_xlim(left=-20)
