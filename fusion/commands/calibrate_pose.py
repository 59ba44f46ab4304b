"""``chorus calibrate pose``: how each sensor sits on its bone, from two poses and some movements."""

from __future__ import annotations

import json as json_format
import math
from typing import TYPE_CHECKING, Any

from fusion.commands.arguments import UsageError, call, check_positive
from fusion.commands.calibrate_imu import print_kept

if TYPE_CHECKING:
    from fusion.calibrate.keep import Kept
    from fusion.calibrate.pose.align import Aligned
    from fusion.calibrate.trace import ImuTrace
    from recordings.reader import Recording

PAUSE_S = 1.5
"""From one step to the next: time to read what comes."""

Windows = dict[str, tuple[float, float]]


def main(argv: list[str], program: str) -> int:
    return call(pose, argv, program)


def pose(
    rig: str | None = None,
    session: str | None = None,
    output: str | None = None,
    pace: float = 1.0,
    poor: bool = False,
    store: bool = True,
    json: bool = False,
) -> int:
    """Find how each worn sensor sits on its bone: stand, raise the arms to a T, bend and turn as told.

    What is found is written as calibration files, and the rig names them. Exits 0 if all sensors are
    aligned well, 1 otherwise; what is poor is not written without --poor.

    Args:
        rig: the rig (YAML); without --session it leads through the steps, live.
        session: a session (.h5) of somebody who did the steps, each begun with a mark of its name
            (n_pose, t_pose, elbows ...).
        output: folder of the calibration files; by default the rig's.
        pace: 2 leaves half the time for each step.
        poor: write what is poor, too.
        store: write files, and their names into the rig.
        json: print JSON for other programs.
    """
    from fusion.calibrate.keep import keep
    from fusion.calibrate.pose.align import align

    check_positive("--pace", pace)
    if rig is None and session is None:
        raise UsageError("it needs a rig or a session", mend="Give --rig RIG.yaml, or --session FILE.h5")
    traces, windows = _recorded(session) if session is not None else _live(str(rig), pace, quiet=json)
    found = align(traces, windows)
    kept = None
    if store:
        write = {name: one for name, one in found.items() if one.rotation is not None and (one.good or poor)}
        kept = keep(
            {name: _part(one) for name, one in write.items()},
            {name: _remarks(traces[name], one) for name, one in write.items()},
            rig,
            output,
        )
    if json:
        print(json_format.dumps(_json(found, kept), indent=2))
    else:
        _print(found)
        if kept is not None:
            print_kept(kept, rig)
    return 0 if all(one.good for one in found.values()) else 1


def _recorded(session: str) -> tuple[dict[str, ImuTrace], Windows]:
    from fusion.calibrate.trace import traces_of
    from recordings.reader import open_recording

    with open_recording(session) as recording:
        return _worn(traces_of(recording)), windows_of(recording, session)


def _worn(traces: dict[str, ImuTrace]) -> dict[str, ImuTrace]:
    from drivers.errors import CalibrationError
    from fusion.calibrate.pose.align import expectations_at

    worn = {name: trace for name, trace in traces.items() if expectations_at(trace.worn_on)}
    if not worn:
        raise CalibrationError(
            "no sensor is worn on a place of the body", mend="Set 'worn_on' of the streams in the rig"
        )
    return worn


def windows_of(recording: Recording, session: str) -> Windows:
    """Return start and stop of each step, s, from the marks of a session that are named as steps.

    A step lasts until the next mark, at most twice its usual time.

    Raises:
        CalibrationError: there is no such mark.
    """
    from drivers.errors import CalibrationError
    from fusion.calibrate.pose.steps import STEP

    marks = sorted((event for event in recording.events if event.kind == "mark"), key=lambda one: one.time)
    out: Windows = {}
    for index, mark in enumerate(marks):
        name = mark.label.strip().lower().replace(" ", "_").replace("-", "_")
        if name in out and f"{name}_again" in STEP:
            name = f"{name}_again"
        if name not in STEP:
            continue
        start = mark.time * 1e-9
        stop = start + 2 * STEP[name].seconds
        if index + 1 < len(marks):
            stop = min(stop, marks[index + 1].time * 1e-9)
        out[name] = (start, stop)
    if not out:
        raise CalibrationError(
            f"{session} has no mark of a step", mend=f"Mark when each begins: {', '.join(STEP)}"
        )
    return out


def _live(rig: str, pace: float, *, quiet: bool) -> tuple[dict[str, ImuTrace], Windows]:
    """Lead through the steps, each for its time."""
    from drivers.errors import CalibrationError
    from drivers.rig import load_rig
    from fusion.calibrate.listen import Listener, imu_streams
    from fusion.calibrate.pose.align import expectations_at
    from fusion.calibrate.pose.steps import steps_for
    from fusion.calibrate.wizard import Guide

    loaded = load_rig(rig)
    names = [name for name in imu_streams(loaded) if expectations_at(loaded.streams[name].worn_on)]
    if not names:
        raise CalibrationError(
            "no sensor is worn on a place of the body", mend="Set 'worn_on' of the streams in the rig"
        )
    steps = steps_for([loaded.streams[name].worn_on for name in names])
    windows: Windows = {}
    with Listener(loaded, names) as listener, Guide(quiet=quiet) as guide:
        guide.say(f"{len(names)} sensors, {len(steps)} steps, each until the next one is told. Ctrl-C ends.")
        for number, step in enumerate(steps, start=1):
            guide.step(number, len(steps), f"{step.name}: {step.words}")
            start = listener.now
            stop = start + step.seconds / pace
            while (now := listener.now) < stop:
                listener.listen()
                guide.show(f"{stop - now:.0f} s")
            windows[step.name] = (start, stop)
            pause = listener.now + PAUSE_S / pace
            while listener.now < pause:
                listener.listen()
        guide.say("Done.")
        return listener.traces(), windows


def _part(one: Aligned) -> dict[str, Any]:
    from drivers.imu.calibration import ImuCalibration

    return ImuCalibration(alignment=one.rotation, worn_on=one.worn_on).parts()


def _remarks(trace: ImuTrace, one: Aligned) -> dict[str, Any]:
    return {
        "device": trace.device,
        "quality": {
            "predicted_error_deg": round(one.error_deg, 2),
            "about_x_y_z_deg": [round(value, 2) for value in one.sigma_deg],
            "problems": [str(problem) for problem in one.problems],
        },
    }


def _json(found: dict[str, Aligned], kept: Kept | None) -> dict[str, Any]:
    return {
        "streams": {
            name: {
                "worn_on": one.worn_on,
                "good": one.good,
                "xyzw": None if one.rotation is None else one.rotation.as_quat(canonical=True).tolist(),
                "predicted_error_deg": one.error_deg if math.isfinite(one.error_deg) else None,
                "problems": [
                    {"code": problem.code, "step": problem.step, "words": str(problem)}
                    for problem in one.problems
                ],
            }
            for name, one in found.items()
        },
        "files": {name: str(path) for name, path in kept.files.items()} if kept else {},
        "in_rig": list(kept.rig) if kept else [],
    }


def _print(found: dict[str, Aligned]) -> None:
    from rich.markup import escape

    from fusion.commands.view import plain_console, table

    console = plain_console()
    drawn = table("stream", "worn on", "turned by [deg]", "predicted error [deg]", "")
    for name, one in found.items():
        turned = "" if one.rotation is None else f"{math.degrees(one.rotation.magnitude()):.0f}"
        error = f"{one.error_deg:.1f}" if math.isfinite(one.error_deg) else "unknown"
        drawn.add_row(name, one.worn_on, turned, error, "[green]good" if one.good else "[yellow]poor")
    console.print(drawn)
    for one in found.values():
        for problem in one.problems:
            console.print(f"[yellow]poor[/yellow]   {escape(str(problem))}", highlight=False)
