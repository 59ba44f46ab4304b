"""A picture of how well a recording's times hold together: ``chorus check FILE --plot times.png``.

A row of panels for each stream, one below the other in session time::

    arrival less corrected time | bound | corrected time about its line | drift
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from drivers.errors import RecordingError
from recordings.rates import effective_rate
from recordings.reader import open_recording
from recordings.stream_reader import StreamReader
from recordings.sync import gaps, line_residual, steps
from recordings.sync_clocks import HostClocks

POINTS = 4000
"""Most points drawn of a curve."""

COLUMNS = (
    "arrival about corrected time [ms]",
    "bound [ms]",
    "corrected time about a line [ms]",
    "drift [ppm]",
)


def draw(recording_path: Path | str, picture: Path | str) -> None:
    """Draw the times of all streams into a picture (.png, .svg, .pdf).

    Gaps are grey lines, steps and restarts red ones, hosts whose probes stopped are shaded red.

    Raises:
        RecordingUnreadable: the recording can't be opened, or a stamp in it is damaged.
        RecordingError: it has no rows, or the picture can't be written.
    """
    with open_recording(recording_path) as recording:
        clocks = HostClocks(recording)
        streams = [stream for stream in recording.all_streams.values() if len(stream.stamps)]
        if not streams:
            raise RecordingError(f"{recording_path} holds no rows to draw", mend="record some")
        figure = Figure(figsize=(15, 0.6 + 1.7 * len(streams)), layout="constrained")
        panels = figure.subplots(len(streams), len(COLUMNS), sharex=True, squeeze=False)
        for row, stream in zip(panels, streams, strict=True):
            _draw_stream(row, clocks, stream)
        for panel, title in zip(panels[0], COLUMNS, strict=True):
            panel.set_title(title, fontsize="medium")
        for panel in panels[-1]:
            panel.set_xlabel("session time [s]")
    try:
        figure.savefig(picture, dpi=100)
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"{picture} can't be written ({error})", mend="give a name that ends in .png"
        ) from None


def _draw_stream(row: NDArray[np.object_], clocks: HostClocks, stream: StreamReader) -> None:
    stamps = stream.stamps
    time, seq = stamps["time"].astype(np.int64), stamps["seq"]
    seconds = time * 1e-9
    delay = (clocks.arrival(stream) - time) * 1e-6
    some = slice(None, None, max(len(time) // POINTS, 1))
    row[0].plot(seconds[some], (delay - np.median(delay))[some], ".", ms=2)
    row[0].set_ylabel(stream.info.name, fontsize="small")
    row[1].plot(seconds[some], stamps["time_bound"][some] * 1e-6, lw=1)
    row[1].set_yscale("symlog", linthresh=0.01)
    row[1].set_ylim(bottom=0)
    if stream.info.regular:
        row[2].plot(seconds[some], line_residual(seq, time)[some] * 1e-6, lw=1)
        at, drift = _drift(seq, time, stream.info.rate_hz)
        row[3].plot(at, drift, "o-", ms=3, lw=1)
    else:
        row[2].text(0.5, 0.5, "not regular", transform=row[2].transAxes, ha="center", c="grey")
    for panel in (row[0], row[2]):  # nothing is magnified beyond a microsecond
        low, high = panel.get_ylim()
        panel.set_ylim(min(low, -1e-3), max(high, 1e-3))
    missing_at, _ = gaps(seq, np.diff(stream.block_rows))
    _mark(row, seconds[missing_at[:200]], "0.8")
    _mark(row, seconds[steps(seq, time)[:200]] if stream.info.regular else seconds[:0], "red")
    for since, length in clocks.silences(stream.info.host):
        track = clocks.track(stream.info.host)
        if track is not None:
            start = track.to_session(since)[0] * 1e-9
            for panel in row:
                panel.axvspan(start, start + length, color="red", alpha=0.15, lw=0)


def _mark(row: NDArray[np.object_], where: NDArray[np.floating[Any]], colour: str) -> None:
    panels: list[Axes] = list(row)
    for panel in panels:
        for second in where.tolist():
            panel.axvline(second, c=colour, lw=0.8, zorder=0)


def _drift(
    seq: NDArray[np.uint64], time: NDArray[np.int64], rate_hz: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Drift (P,) ppm against the nominal rate, or the mean, and middles (P,) s, of 40 pieces."""
    nominal = rate_hz or effective_rate(seq, time)
    pieces = np.array_split(np.arange(len(time)), min(40, max(len(time) // 64, 1)))
    rates = np.array([effective_rate(seq[piece], time[piece]) for piece in pieces])
    middles = np.array([float(np.mean(time[piece])) * 1e-9 for piece in pieces])
    known = rates > 0
    return middles[known], (rates[known] / nominal - 1) * 1e6 if nominal > 0 else 0 * rates[known]
