"""Pictures of a session: what was recorded, and how well it is in step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivers.simulator.clock import SimulatedClock

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from recordings.reader import Recording
    from recordings.stream_reader import StreamReader

COLOURS = ("#2a78d6", "#e0662f", "#1f9d73", "#9a4fd0", "#c2a018", "#d63f6f", "#3aa6b9", "#777777")
"""Distinct also to colour-blind eyes; one for each stream, in order."""

SHOWN_S = 12.0
"""Traces show so much of a session: more can't be read."""


def of_kind(recording: Recording, kind: str) -> list[StreamReader]:
    """Return the streams of a kind that hold rows."""
    return [stream for stream in recording.streams.values() if stream.info.kind == kind and len(stream)]


def pictures(recording: Recording, count: int = 4) -> NDArray[np.uint8] | None:
    """Return a strip (H, W * count, 3) BGR of pictures spread over the session; None without a camera."""
    cameras = [camera for camera in of_kind(recording, "camera") if not camera.withheld]
    if not cameras:
        return None
    camera = cameras[0]
    picks = np.linspace(0, len(camera) - 1, count + 2).astype(int)[1:-1]
    return np.hstack([camera.image(int(pick)) for pick in picks])


def traces(recording: Recording) -> Figure:
    """Draw an IMU, the sound and the labels over one axis of session time."""
    import matplotlib.pyplot as plt

    imus, sounds = of_kind(recording, "imu")[:1], of_kind(recording, "audio")[:1]
    rows = 2 * len(imus) + len(sounds)
    figure, axes = plt.subplots(max(rows, 1), 1, figsize=(11, 2.0 * max(rows, 1)), sharex=True, squeeze=False)
    drawn: list[Axes] = list(axes[:, 0])
    start = min((int(s.times[0]) for s in (*imus, *sounds)), default=0)
    for imu in imus:
        shown = imu.times < start + SHOWN_S * 1e9
        seconds, data = imu.times[shown] * 1e-9, imu.data[: int(shown.sum())]
        for axes_row, first, unit in ((0, 0, "specific force [m/s²]"), (1, 3, "angular rate [rad/s]")):
            for axis in range(3):
                drawn[axes_row].plot(
                    seconds, data[:, first + axis], color=COLOURS[axis], lw=0.8, label="xyz"[axis]
                )
            drawn[axes_row].set_ylabel(unit)
        drawn[0].legend(loc="upper right", ncols=3, title=imu.info.worn_on or imu.info.name)
    for sound in sounds:
        shown = sound.times < start + SHOWN_S * 1e9
        wave = np.asarray(sound.data[: int(shown.sum())], np.float64)[:, 0]
        drawn[-1].specgram(wave, NFFT=1024, Fs=sound.info.rate_hz, noverlap=512, xextent=_span(sound, shown))
        drawn[-1].set_ylabel("sound [Hz]")
        drawn[-1].set_ylim(0, min(8000, sound.info.rate_hz / 2))
    for label in recording.labels:
        if label.start < start + SHOWN_S * 1e9:
            drawn[0].axvline(label.start * 1e-9, color="#888", lw=0.7, ls=":")
            drawn[0].annotate(
                label.action, (label.start * 1e-9, 1.02), xycoords=("data", "axes fraction"), fontsize=8
            )
    drawn[-1].set_xlabel("session time [s]")
    return figure


def true_errors(recording: Recording) -> dict[str, NDArray[np.float64]]:
    """Return, for each simulated stream, the error of its corrected times (N,), ms.

    The simulator leaves the true clock of each of its devices in the stream's properties.
    """
    errors = {}
    for name, stream in recording.streams.items():
        if "true_clock" in stream.info.properties and len(stream):
            clock = SimulatedClock.from_text(stream.info.properties["true_clock"])
            stamps = stream.stamps
            errors[name] = (stamps["time"] - clock.capture(stamps["seq"].astype(np.int64))) * 1e-6
    return errors


def arrival_errors(recording: Recording) -> dict[str, NDArray[np.float64]]:
    """Return the same as :func:`true_errors` if arrival had been believed (the trivial baseline), ms."""
    epoch = recording.session.epoch_ns
    errors = {}
    for name, stream in recording.streams.items():
        if "true_clock" in stream.info.properties and len(stream):
            clock = SimulatedClock.from_text(stream.info.properties["true_clock"])
            stamps = stream.stamps
            truth = clock.capture(stamps["seq"].astype(np.int64))
            errors[name] = (stamps["time_host"] - epoch - truth) * 1e-6
    return errors


def sync(recording: Recording) -> Figure:
    """Draw the error of each simulated stream's times against the truth, with the claimed bounds."""
    import matplotlib.pyplot as plt

    errors, arrival = true_errors(recording), arrival_errors(recording)
    figure, axes = plt.subplots(
        max(len(errors), 1), 1, figsize=(11, 1.5 * max(len(errors), 1)), sharex=True, squeeze=False
    )
    for row, (name, error) in enumerate(errors.items()):
        panel: Axes = axes[row, 0]
        stamps = recording.streams[name].stamps
        seconds, bound = stamps["time"] * 1e-9, stamps["time_bound"] * 1e-6
        panel.plot(seconds, arrival[name], ".", ms=1.5, color="#bbbbbb", label="arrival")
        panel.fill_between(seconds, -bound, bound, color=COLOURS[0], alpha=0.15, lw=0, label="claimed bound")
        panel.plot(seconds, error, color=COLOURS[0], lw=0.9, label="corrected")
        panel.set_title(name, loc="left", fontsize=9)
        reach = 1.3 * max(float(np.max(np.abs(error))), float(np.median(bound)), 0.1)
        panel.set_ylim(-reach, reach)
        panel.set_ylabel("ms")
    axes[0, 0].legend(loc="upper right", ncols=3, fontsize=8)
    axes[-1, 0].set_xlabel("session time [s]")
    figure.tight_layout()
    return figure


def _span(sound: StreamReader, shown: NDArray[np.bool_]) -> tuple[float, float]:
    times = sound.times[shown]
    return float(times[0]) * 1e-9, float(times[-1]) * 1e-9
