"""``chorus calibrate imu``: biases and scales of one sensor, from rests in six positions."""

from __future__ import annotations

import json as json_format
import math
import time
from typing import TYPE_CHECKING, Any

from fusion.commands.arguments import UsageError, call
from fusion.commands.calibrate_axes import only

if TYPE_CHECKING:
    from fusion.calibrate.keep import Kept
    from fusion.calibrate.sensor import SensorReport
    from fusion.calibrate.trace import ImuTrace

WORDS = (
    "Lay the sensor on the desk and let go. Then lay it on each of its six sides in turn, at least 3 s each, "
    "without touching it; turn it slowly every way in between. Ctrl-C ends."
)


def main(argv: list[str], program: str) -> int:
    return call(imu, argv, program)


def imu(
    rig: str | None = None,
    stream: str = "",
    session: str | None = None,
    output: str | None = None,
    store: bool = True,
    timeout_s: float = 300.0,
    json: bool = False,
) -> int:
    """Find a sensor's own errors: gyroscope bias at rest, accelerometer and magnetometer from six positions.

    What is found is written as a calibration file, and the rig names it. Exits 0 if all was found, 1 if
    only part of it was.

    Args:
        rig: the rig (YAML) with the sensor; without --session it leads through the positions, live.
        stream: the sensor's name; needed where there is more than one.
        session: a session (.h5) in which the sensor was laid on its sides, instead of doing so now.
        output: the calibration file; by default STREAM.calibration.yaml beside the rig.
        store: write the file, and its name into the rig.
        timeout_s: longest the positions may take, s.
        json: print JSON for other programs.
    """
    from fusion.calibrate.keep import keep
    from fusion.calibrate.sensor import calibrate_sensor

    if rig is None and session is None:
        raise UsageError("it needs a rig or a session", mend="Give --rig RIG.yaml, or --session FILE.h5")
    trace = (
        _recorded(session, stream) if session is not None else _live(str(rig), stream, timeout_s, quiet=json)
    )
    report = calibrate_sensor(trace)
    kept = None
    if store:
        parts = {trace.name: report.calibration.parts()}
        kept = keep(parts, {trace.name: _remarks(trace, report)}, rig, output)
    if json:
        print(json_format.dumps(_json(trace, report, kept), indent=2))
    else:
        _print(trace, report)
        if kept is not None:
            print_kept(kept, rig)
    return 1 if report.advice else 0


def _recorded(session: str, stream: str) -> ImuTrace:
    from fusion.calibrate.trace import traces_of
    from recordings.reader import open_recording

    with open_recording(session) as recording:
        return only(traces_of(recording, stream, corrected=False))


def _live(rig: str, stream: str, timeout_s: float, *, quiet: bool) -> ImuTrace:
    """Lead through the positions; ends by itself when all were held."""
    from drivers.interrupt import orderly_interrupt
    from drivers.rig import load_rig
    from fusion.calibrate.listen import Listener, imu_streams
    from fusion.calibrate.sensor import REST_S, resting
    from fusion.calibrate.triads import missing
    from fusion.calibrate.wizard import Guide

    loaded = load_rig(rig)
    names = imu_streams(loaded, stream)
    if len(names) > 1:
        raise UsageError(f"there are {len(names)} IMUs: {', '.join(names)}", mend="Name one with --stream")
    with orderly_interrupt() as stop, Listener(loaded, names, corrected=False) as listener:
        with Guide(quiet=quiet) as guide:
            guide.say(WORDS)
            told, deadline = 7, time.monotonic() + timeout_s
            while not stop.is_set() and time.monotonic() < deadline:
                listener.listen(0.5)
                still = resting(listener.trace(names[0]))
                gone = missing(still)
                if len(gone) < told and still:
                    told = len(gone)
                    left = f"still to come: {', '.join(gone)}" if gone else "all sides were there"
                    guide.step(6 - len(gone), 6, left)
                guide.show(
                    f"at rest {len(still)} times, {REST_S:g} s or more each; {6 - len(gone)} of 6 sides"
                )
                if not gone and still:
                    break
        return listener.trace(names[0])


def _remarks(trace: ImuTrace, report: SensorReport) -> dict[str, Any]:
    return {
        "device": trace.device,
        "quality": {
            "score": round(report.score, 2),
            "rests": report.rests,
            "at_rest_s": round(report.rest_s, 1),
            "gyroscope_bias_sigma_deg_s": [round(v, 5) for v in report.gyro_sigma_deg_s.tolist()],
            "gyroscope_noise_deg_s_per_root_hz": round(report.gyro_noise, 5),
            "gravity_residual_m_s2": round(report.force.residual, 5) if report.force else None,
            "advice": list(report.advice),
        },
    }


def _json(trace: ImuTrace, report: SensorReport, kept: Kept | None) -> dict[str, Any]:
    instability = report.gyro_instability_deg_h
    return {
        "stream": trace.name,
        **report.calibration.parts(),
        **_remarks(trace, report),
        "gyroscope_instability_deg_h": None if math.isnan(instability) else instability,
        "turns_deg": None if math.isnan(report.turns_deg) else report.turns_deg,
        "files": {name: str(path) for name, path in kept.files.items()} if kept else {},
        "in_rig": list(kept.rig) if kept else [],
    }


def _print(trace: ImuTrace, report: SensorReport) -> None:
    from rich.markup import escape

    from fusion.commands.view import plain_console, table

    console = plain_console()
    found = table("", "x", "y", "z", "known to")

    def row(name: str, values: Any, known: str, form: str = ".3f") -> None:
        found.add_row(name, *(format(float(value), form) for value in values), known)

    sigma = float(report.gyro_sigma_deg_s.max())
    row("gyroscope bias [deg/s]", report.gyro_bias_deg_s, f"±{2 * sigma:.4f}")
    rate = report.calibration.angular_rate
    if rate is not None:
        row("gyroscope scale", rate.matrix.diagonal(), "", ".4f")
    if report.force is not None:
        triad, rest = report.force.triad, report.force.residual
        row("accelerometer bias [m/s²]", triad.bias, f"±{2 * float(report.force.bias_sigma.max()):.4f}")
        row("accelerometer scale", triad.matrix.diagonal(), f"rest {rest:.4f} m/s²", ".4f")
    if report.field is not None:
        row("magnetometer bias [uT]", report.field.triad.bias, f"rest {report.field.residual:.2f} uT", ".2f")
    console.print(found)
    console.print(
        f"{escape(trace.name)}: at rest {report.rests} times, {report.rest_s:.0f} s in all; gyroscope noise "
        f"{report.gyro_noise:.4f} deg/s/√Hz",
        highlight=False,
    )
    for advice in report.advice:
        console.print(f"[yellow]poor[/yellow]   {escape(advice)}", highlight=False)


def print_kept(kept: Kept, rig: str | None) -> None:
    """Say where things were written."""
    from rich.markup import escape

    from fusion.commands.view import plain_console

    console = plain_console()
    for path in kept.files.values():
        console.print(f"kept in {escape(str(path))}", highlight=False)
    if kept.rig:
        console.print(f"written into {escape(str(rig))}: {', '.join(kept.rig)}", highlight=False)
    if kept.unsaid:
        console.print(f"note: {escape(kept.unsaid)}", highlight=False)
