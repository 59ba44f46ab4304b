"""``chorus calibrate axes``: lay a sensor on the desk, turn it, and be told what is wrong with its rows."""

from __future__ import annotations

import json as json_format
import time
from typing import TYPE_CHECKING

from fusion.commands.arguments import UsageError, call

if TYPE_CHECKING:
    from fusion.calibrate.axes.verdict import Verdict
    from fusion.calibrate.trace import ImuTrace


def main(argv: list[str], program: str) -> int:
    return call(axes, argv, program)


def axes(
    rig: str | None = None,
    stream: str = "",
    session: str | None = None,
    timeout_s: float = 180.0,
    json: bool = False,
) -> int:
    """Find mistakes in units, axes, signs, orientation and timing of an IMU that is laid on the desk and
    turned.

    Exits 0 if it is sound, 1 if something is wrong or could not be checked.

    Args:
        rig: the rig (YAML) with the sensor; it leads through the turns, live.
        stream: the sensor's name; needed where there is more than one.
        session: a session (.h5) in which the sensor was turned, instead of a rig.
        timeout_s: longest the turns may take, s.
        json: print JSON for other programs.
    """
    from fusion.calibrate.axes.check import check

    if (rig is None) == (session is None):
        raise UsageError("it needs a rig or a session", mend="Give --rig RIG.yaml, or --session FILE.h5")
    if session is not None:
        trace = _recorded(session, stream)
    else:
        assert rig is not None
        trace = _live(rig, stream, timeout_s, quiet=json)
    verdict = check(trace)
    if json:
        print(json_format.dumps(_report(trace, verdict), indent=2))
    else:
        _print(trace, verdict)
    return 0 if verdict.sound else 1


def _recorded(session: str, stream: str) -> ImuTrace:
    from fusion.calibrate.trace import traces_of
    from recordings.reader import open_recording

    with open_recording(session) as recording:
        traces = traces_of(recording, stream, corrected=False)
    return only(traces)


def only(traces: dict[str, ImuTrace]) -> ImuTrace:
    """Return the one trace.

    Raises:
        UsageError: there are several.
    """
    if len(traces) > 1:
        raise UsageError(f"there are {len(traces)} IMUs: {', '.join(traces)}", mend="Name one with --stream")
    return next(iter(traces.values()))


def _live(rig: str, stream: str, timeout_s: float, *, quiet: bool) -> ImuTrace:
    """Lead through the turns; each step ends when the sensor was turned and is at rest again."""
    from drivers.rig import load_rig
    from fusion.calibrate.axes.script import WORDS, played
    from fusion.calibrate.axes.timing import true_step_s
    from fusion.calibrate.listen import Listener, imu_streams
    from fusion.calibrate.wizard import Guide

    loaded = load_rig(rig)
    names = imu_streams(loaded, stream)
    if len(names) > 1:
        raise UsageError(f"there are {len(names)} IMUs: {', '.join(names)}", mend="Name one with --stream")
    with Listener(loaded, names, corrected=False) as listener, Guide(quiet=quiet) as guide:
        deadline, done = time.monotonic() + timeout_s, 0
        guide.step(1, len(WORDS), WORDS[0])
        while done < len(WORDS) and time.monotonic() < deadline:
            listener.listen(0.3)
            trace = listener.trace(names[0])
            step_s = true_step_s(trace)
            rested = played(trace, step_s)
            at_rest = 0 if rested is None else len(rested.rests)
            if rested is None and len(trace) * step_s > 3.0:
                at_rest = 1  # nothing was turned yet
            elif rested is not None and len(trace) - rested.rests[-1][1] > 0.5 / step_s:
                at_rest = min(at_rest, done)  # it moves again
            guide.show(f"{len(trace) * step_s:.0f} s, at rest {at_rest} of {len(WORDS)} times")
            while done < min(at_rest, len(WORDS)):
                done += 1
                if done < len(WORDS):
                    guide.step(done + 1, len(WORDS), WORDS[done])
        return listener.trace(names[0])


def _report(trace: ImuTrace, verdict: Verdict) -> dict[str, object]:
    return {
        "stream": trace.name,
        "sound": verdict.sound,
        "mistakes": [{"code": m.code, "words": m.words, "mend": m.mend} for m in verdict.mistakes],
        "notes": list(verdict.notes),
        "unfinished": verdict.unfinished,
    }


def _print(trace: ImuTrace, verdict: Verdict) -> None:
    from rich.markup import escape

    from fusion.commands.view import plain_console

    console = plain_console()
    for mistake in verdict.mistakes:
        console.print(f"[red]wrong[/red]  {escape(str(mistake))}", highlight=False)
    for note in verdict.notes:
        console.print(f"note: {escape(note)}", highlight=False)
    if verdict.unfinished:
        console.print(f"[yellow]not all was checked[/yellow]: {escape(verdict.unfinished)}", highlight=False)
    if verdict.sound:
        console.print(
            f"{escape(trace.name)}: units, axes, signs and timing are right", style="green", highlight=False
        )
