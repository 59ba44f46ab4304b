"""``chorus calibrate latency SESSION [--rig RIG.yaml]``: constant latencies, from claps or taps."""

from __future__ import annotations

import dataclasses
import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion.commands.arguments import call

if TYPE_CHECKING:
    from fusion.calibrate.latency import Calibration
    from recordings.reader import Recording


def main(argv: list[str], program: str) -> int:
    return call(calibrate, argv, program)


def calibrate(
    session: str,
    rig: str | None = None,
    reference: str = "",
    distance_m: float = 0.0,
    max_ms: float = 300.0,
    start_s: float = 0.0,
    stop_s: float = -1.0,
    vision: str = "",
    store: bool = True,
    json: bool = False,
) -> int:
    """Find each stream's constant latency from claps or taps that several streams saw.

    Only differences can be known: the reference is right by definition. What is found is kept with the
    session, beside its times, which stay as they are. Nothing is kept where no shared claps are found.

    Args:
        session: the session file (.h5): five claps, forearms with sensors in view of the camera.
        rig: a rig (YAML) to write the latencies into, for the next recordings; NAME.bak keeps it as it was.
        reference: the stream that is right; by default the sound.
        distance_m: from the hands to the microphone, m; sound takes 2.9 ms for each.
        max_ms: longer latencies are not looked for.
        start_s: look from here on, s of session time.
        stop_s: look up to here; negative: to the end.
        vision: name of the front end that looks for hands; by default the one of the session's rig.
        store: keep what is found with the session.
        json: print JSON for other programs.
    """
    from fusion.calibrate.latency import Options, calibrate
    from fusion.calibrate.rigfile import write_latencies
    from recordings.latency.found import store as keep
    from recordings.reader import open_recording

    options = Options(reference, max_ms, distance_m, vision, start_s, stop_s)
    with open_recording(session) as recording:
        result = _with_progress(calibrate, recording, options, quiet=json)
        totals = _totals(recording, result)
    if store:
        keep(session, result.found)
    written = write_latencies(rig, totals) if rig is not None else ()
    if json:
        print(json_format.dumps(_report(result, totals, written), indent=2))
    else:
        _print(result, totals, rig, written, session if store else None)
    return 0


def _totals(recording: Recording, result: Calibration) -> dict[str, float]:
    """Return ``latency_ms`` for the rig: what was taken off while recording, and what was still there."""
    return {
        name: round(recording.streams[name].latency_ns * 1e-6 + late.latency_ms, 2)
        for name, late in result.found.items()
    }


def _report(result: Calibration, totals: dict[str, float], written: tuple[str, ...]) -> dict[str, Any]:
    return {
        "reference": result.reference,
        "streams": {
            name: {**dataclasses.asdict(late), "rig_latency_ms": totals[name], "in_rig": name in written}
            for name, late in result.found.items()
        },
        "missed": result.missed,
    }


def _with_progress(calibrate: Any, recording: Recording, options: Any, *, quiet: bool) -> Calibration:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
        tasks: dict[str, Any] = {}

        def told(stream: str, done: float) -> None:
            task = tasks.setdefault(stream, None)
            if task is None:
                task = tasks[stream] = bar.add_task(f"looking at {stream}", total=1.0)
            bar.update(task, completed=done)

        return calibrate(recording, options, told)


def _print(
    result: Calibration,
    totals: dict[str, float],
    rig: str | None,
    written: tuple[str, ...],
    session: str | None,
) -> None:
    from rich.console import Console
    from rich.markup import escape

    from fusion.commands.view import table

    console = Console()
    found = table("stream", "late [ms]", "95 %", "spread", "events", "by", "in rig [ms]")
    for name, late in result.found.items():
        found.add_row(
            name,
            f"{late.latency_ms:.2f}",
            f"±{late.uncertainty_ms:.2f}",
            f"{late.spread_ms:.2f}",
            f"{late.events}",
            late.method,
            f"{totals[name]:g}",
        )
    console.print(found)
    console.print(
        f"against {escape(result.reference)}, whose own latency cannot be known from inside", highlight=False
    )
    for name, why in result.missed.items():
        console.print(f"note: {escape(name)}: none found, {escape(why)}", highlight=False)
    if session is not None:
        console.print(f"kept in {escape(str(Path(session)))}, beside its times", highlight=False)
    if rig is not None:
        console.print(
            f"written into {escape(rig)}: {', '.join(written) or 'nothing, it has none of these streams'}",
            highlight=False,
        )
