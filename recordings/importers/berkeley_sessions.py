"""Berkeley MHAD as sessions, with the times its sensors must have had.

The stamps are arrivals. Each accelerometer is one clock over all trials of a subject (see
``recordings.importers.numbering``): its rows are numbered by that clock, and their corrected time is
its line. The frames of the cameras are evenly spaced in each trial, dropped ones apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME, STAMP, Batch, StreamInfo
from drivers.bus.messages import Ended, Event
from drivers.errors import DataError, RecordingExists
from recordings.importers import berkeley_mhad as mhad
from recordings.importers.numbering import Line, common_lines, number_rows
from recordings.layout import SessionAttributes, software
from recordings.writer import SessionWriter

CLOCK = "berkeley-mhad/unix-time"
"""Identity of the clock of all stamps."""

LEAST_BOUND_NS = 1_000_000
"""The computer stamped arrivals to about a millisecond."""

Ns = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Timing:
    """One stream of one trial in time.

    Attributes:
        arrival: (N,) as stamped, UNIX ns.
        seq: (N,) number of each row on the sensor's clock, rising.
        time: (N,) corrected, UNIX ns, rising.
        bound_ns: on the error of ``time``, the constant part of the delay left aside.
        line: the clock; None for the cameras.
    """

    arrival: Ns
    seq: Ns
    time: Ns
    bound_ns: int
    line: Line | None = None

    @property
    def late_ms(self) -> NDArray[np.floating[Any]]:
        """(N,) arrival less corrected time."""
        return (self.arrival - self.time) * 1e-6

    @property
    def gaps(self) -> NDArray[np.int64]:
        """(N - 1,) rows missing after each row."""
        return np.diff(self.seq) - 1


def sensor_timings(arrivals: list[Ns]) -> list[Timing]:
    """Correct all trials of one accelerometer, in the order of time."""
    timings = []
    for arrival, line in zip(arrivals, common_lines(arrivals, 1e9 / mhad.RATE_HZ), strict=True):
        count = number_rows(arrival, line)
        phase = line.phase_ns
        if not line.coherent:  # by what this trial alone shows
            phase = float(np.quantile(arrival - line.period_ns * count, 0.05))
        first = int(arrival[0])
        time = first + np.rint((phase - first) + line.period_ns * count).astype(np.int64)
        bound = 3 * line.scatter_ns if line.coherent else line.period_ns
        timings.append(Timing(arrival, count, time, max(LEAST_BOUND_NS, round(bound)), line))
    return timings


def camera_timing(stamps: Ns) -> Timing:
    """Correct the frames of one trial: evenly spaced, but for dropped ones, with stamps in coarse ticks."""
    period = 1e9 / mhad.CAMERA_RATE_HZ
    steps = np.maximum(np.rint(np.diff(stamps) / period), 1).astype(np.int64)
    count = np.concatenate(([0], np.cumsum(steps)))
    late = (stamps - stamps[0]).astype(np.float64)
    slope, offset = np.polyfit(count, late, 1) if len(count) > 8 else (period, 0.0)
    if not 0.9 < slope / period < 1.1:
        slope, offset = period, float(np.median(late - period * count))
    time = stamps[0] + np.rint(offset + slope * count).astype(np.int64)
    worst = int(np.abs(stamps - time).max())
    return Timing(stamps, count, time, max(mhad.CAMERA_TICK_NS, worst))


@dataclasses.dataclass(frozen=True)
class SensorReport:
    """One accelerometer over all trials of one subject.

    Attributes:
        subject, stream: whose, which.
        trials, rows: how many.
        period_ms: between rows, as found over all trials.
        drift_ppm: how much too fast its clock runs.
        coherence: how well all trials lie on one clock, see :class:`recordings.importers.numbering.Line`.
        restarts: times that its clock began again between trials.
        line_error_ms: by how much the trials' least arrivals miss the clock: robust standard deviation.
        gaps, gap_rows: places where rows are missing, and how many.
        jitter_ms: arrival less corrected time: standard deviation.
        jitter_p99_ms: 99 % of arrivals are this near to the median delay.
    """

    subject: int
    stream: str
    trials: int
    rows: int
    period_ms: float
    drift_ppm: float
    coherence: float
    restarts: int
    line_error_ms: float
    gaps: int
    gap_rows: int
    jitter_ms: float
    jitter_p99_ms: float


@dataclasses.dataclass(frozen=True)
class ImportReport:
    """What was imported: the files, the sensors, and the timings by stream of every trial."""

    files: tuple[Path, ...]
    sensors: tuple[SensorReport, ...]
    timings: dict[str, dict[str, Timing]]


def import_sessions(
    root: str | Path,
    output: Path,
    only: Iterable[str] = (),
    on_progress: Callable[[int, int, str], None] = lambda done, of, what: None,
) -> ImportReport:
    """Write a session for each trial: ``berkeley_mhad_s01_a01_r01.h5``.

    The clock of a sensor is found over all trials of a subject, even where only some are written.

    Args:
        root: see :func:`recordings.importers.berkeley_mhad.find_root`.
        output: folder of the sessions, created where it is not there.
        only: trials, as ``s01_a01_r01``; all where there are none.
        on_progress: called with trials done, of how many, and the name of the next.

    Raises:
        DataError: a file of the data set is missing or malformed, or has no trial of that name.
        RecordingExists: a session is there already; nothing was written.
    """
    folder = mhad.find_root(root)
    every = mhad.keys(folder)
    chosen = [mhad.Key.parse(name) for name in only] or every
    if unknown := sorted(set(chosen) - set(every)):
        raise DataError(
            f"Berkeley MHAD: {folder} has no trial {unknown[0]}", mend=f"Choose of {every[0]} to {every[-1]}"
        )
    paths = {key: output / f"berkeley_mhad_{key}.h5" for key in chosen}
    if there := [path for path in paths.values() if path.exists()]:
        raise RecordingExists(
            f"{there[0]} exists already and is not overwritten", mend="give another folder with --output"
        )
    sensors: list[SensorReport] = []
    timings: dict[str, dict[str, Timing]] = {}
    for subject in sorted({key.subject for key in chosen}):
        trials = list(mhad.trials(folder, subject))
        by_sensor = [
            sensor_timings([trial.arrival[number] for trial in trials]) for number in range(len(mhad.PLACES))
        ]
        sensors += [
            sensor_report(subject, place.stream, found)
            for place, found in zip(mhad.PLACES, by_sensor, strict=True)
        ]
        for trial, of_trial in zip(trials, zip(*by_sensor, strict=True), strict=True):
            if trial.key in paths:
                on_progress(len(timings), len(paths), str(trial.key))
                streams = dict(zip((place.stream for place in mhad.PLACES), of_trial, strict=True))
                streams["camera"] = camera_timing(trial.camera)
                write_session(paths[trial.key], trial, streams)
                timings[str(trial.key)] = streams
    on_progress(len(timings), len(paths), "")
    return ImportReport(tuple(paths[key] for key in sorted(paths)), tuple(sensors), timings)


def sensor_report(subject: int, stream: str, timings: list[Timing]) -> SensorReport:
    """Sum up one sensor; see :class:`SensorReport`."""
    lines = [timing.line for timing in timings if timing.line is not None]
    usual = max(lines, key=lines.count)
    late = np.concatenate([timing.late_ms for timing in timings])
    gaps = np.concatenate([timing.gaps for timing in timings])
    return SensorReport(
        subject=subject,
        stream=stream,
        trials=len(timings),
        rows=len(late),
        period_ms=usual.period_ns * 1e-6,
        drift_ppm=(1e9 / mhad.RATE_HZ / usual.period_ns - 1) * 1e6,
        coherence=usual.coherence,
        restarts=len(dict.fromkeys(lines)) - 1,
        line_error_ms=usual.scatter_ns * 1e-6,
        gaps=int((gaps > 0).sum()),
        gap_rows=int(gaps.sum()),
        jitter_ms=float(np.std(late)),
        jitter_p99_ms=float(np.percentile(np.abs(late - np.median(late)), 99)),
    )


def write_session(path: Path, trial: mhad.Trial, streams: dict[str, Timing]) -> None:
    """Write one trial; its epoch is the first stamp or corrected time of all."""
    epoch = min(min(int(t.time[0]), int(t.arrival[0])) for t in streams.values())
    start = max(int(t.time[0]) for t in streams.values()) - epoch
    end = max(int(t.time[-1]) for t in streams.values()) - epoch
    name, action = str(trial.key), mhad.ACTIONS[trial.key.action - 1]
    attributes = SessionAttributes(
        id=f"berkeley-mhad-{name}",
        epoch_ns=epoch,
        utc_ns=epoch,
        clock=CLOCK,
        subject=f"s{trial.key.subject:02}",
        task=action,
        software=f"{software()}, imported from Berkeley MHAD",
        expected=tuple(streams),
    )
    with SessionWriter(path, attributes, sync_s=0) as writer:
        for (stream, timing), force in zip(streams.items(), (*trial.specific_force, None), strict=True):
            info = _camera_info() if force is None else _sensor_info(stream)
            writer.add_stream(info, withheld=force is None)
            data = (b"",) * len(timing.time) if force is None else force
            lost = int(timing.gaps.sum())
            writer.append(Batch(stream, _stamps(timing, epoch), data, {"device_gap": lost} if lost else {}))
            writer.ended(Ended(stream, len(timing.time) + lost, {"device_gap": lost} if lost else {}))
        writer.event(Event(start, "label_start", action, name))
        writer.event(Event(end, "label_stop", action, name))
        writer.mark(start_ns=start, stop_ns=end)


def _stamps(timing: Timing, epoch_ns: int) -> NDArray[np.void]:
    stamps = np.empty(len(timing.time), STAMP)
    stamps["time"] = timing.time - epoch_ns
    stamps["time_bound"] = timing.bound_ns
    stamps["time_host"] = timing.arrival
    stamps["time_device"] = NO_TIME
    stamps["seq"] = timing.seq - timing.seq[0]
    return stamps


def _sensor_info(stream: str) -> StreamInfo:
    place = next(place for place in mhad.PLACES if place.stream == stream)
    return StreamInfo(
        name=stream,
        kind="imu",
        shape=(3,),
        channels=("specific_force_x", "specific_force_y", "specific_force_z"),
        units=("m/s^2",) * 3,
        rate_hz=mhad.RATE_HZ,
        regular=True,
        device="Shimmer accelerometer",
        worn_on=place.worn_on,
        host=CLOCK,
        properties={"place": stream.replace("_", " "), "seq": "inferred from arrivals"},
    )


def _camera_info() -> StreamInfo:
    width, height = mhad.CAMERA_SIZE_PX
    return StreamInfo(
        name="camera",
        kind="camera",
        encoding="jpeg",
        dtype="|u1",
        shape=(height, width, 3),
        rate_hz=round(mhad.CAMERA_RATE_HZ, 3),
        regular=True,
        device="cameras with one trigger, stamps only",
        host=CLOCK,
        properties={"seq": "inferred from stamps"},
    )
