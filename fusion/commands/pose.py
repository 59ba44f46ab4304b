"""``chorus pose INPUT... --output DIR``: poses of pictures, videos and cameras, as files that tools know."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fusion.commands.arguments import UsageError, call, check_positive

if TYPE_CHECKING:
    from rich.progress import TaskID

    from fusion.pose.options import PoseOptions
    from fusion.pose.run import Report
    from fusion.pose.several import Told


INTERRUPTED = 130
SWITCHES = ("--heatmaps", "--privacy", "--help", "-h")
"""Options that need no value."""


def main(argv: list[str], program: str) -> int:
    inputs, options = _apart(argv)

    def pose(
        *,
        output: str,
        vision: str = "blazepose",
        people: int = 1,
        skeleton: str = "",
        write: str = "csv,coco,openpose,trc,overlay,screenshots",
        heatmaps: bool = False,
        privacy: bool = False,
        smooth: Literal["auto", "none", "one-euro", "butterworth"] = "auto",
        smooth_hz: float = 6.0,
        screenshots: float | None = None,
        width: int = 1280,
        fps: float = 0.0,
        duration: float | None = None,
    ) -> int:
        """Find people and their joints: chorus pose INPUT... --output DIR. An INPUT is a picture, a video, a
        folder of them, a webcam (0, /dev/video0) or an address (http://, rtsp:// ...). Ctrl-C ends it; what
        was seen until then is kept.

        Args:
            output: a new folder; where there are several films or cameras, one in it for each.
            vision: front end that finds people; docs/vision.md lists them.
            people: how many are looked for.
            skeleton: joints that are written: coco17, openpose18, openpose25, blazepose33, h36m17 ...; by
                default the front end's own.
            write: outputs, of csv,coco,openpose,trc,overlay,screenshots.
            heatmaps: write pictures of each joint's heatmap, too.
            privacy: write nothing that shows a pixel.
            smooth: one-euro as it comes; butterworth, without lag, once all is seen; auto: the first for
                cameras, the second for films.
            smooth_hz: cutoff of the butterworth low-pass, Hz.
            screenshots: seconds from one to the next; 0: none; by default about twelve of a film.
            width: larger pictures are made so wide, px.
            fps: pictures of a folder are a film of so many a second; by default each stands alone.
            duration: only the first so many seconds of each film or camera.
        """
        if not inputs:
            raise UsageError("pose needs something to look at", mend="chorus pose walk.mp4 --output poses")
        if people < 1:
            raise UsageError(f"--people is {people}", mend="Give 1 or more")
        if width < 16:
            raise UsageError(f"--width is {width}", mend="Give px, such as 1280")
        for name, value in (("--fps", fps), ("--screenshots", screenshots)):
            check_positive(name, value or None)
        check_positive("--smooth_hz", smooth_hz, "Hz")
        check_positive("--duration", duration, "seconds")
        from fusion.pose.options import PoseOptions

        chosen = PoseOptions(
            people=people,
            skeleton=skeleton,
            write=tuple(filter(None, write.split(","))),
            heatmaps=heatmaps,
            privacy=privacy,
            smooth=smooth,
            smooth_hz=smooth_hz,
            screenshots_s=screenshots,
            width=width,
            duration=duration,
        )
        return _run(inputs, Path(output), vision, chosen, fps)

    return call(pose, options, program, "INPUT...")


def _apart(argv: list[str]) -> tuple[list[str], list[str]]:
    """Return the inputs and the options, which may stand before them and between."""
    inputs: list[str] = []
    options: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            inputs.append(word)
        elif "=" in word or not words or (word in SWITCHES and words[0] not in ("true", "false")):
            options.append(word)
        elif word in SWITCHES:
            options.append(f"{word}={words.pop(0)}")
        else:
            options += [word, words.pop(0)]
    return inputs, options


def _run(inputs: list[str], folder: Path, vision: str, options: PoseOptions, fps: float) -> int:
    from drivers.errors import ChorusError
    from drivers.interrupt import orderly_interrupt
    from fusion.pose.several import poses_of

    reports: list[Report] = []
    with orderly_interrupt() as stop:
        try:
            with _progress() as told:
                poses_of(inputs, folder, vision, options, stop.is_set, told, reports.append, fps=fps)
        finally:
            for report in reports:
                if report.folder is not None:
                    _print(report)
        if options.withheld:
            print(f"--privacy: no picture was written; left out: {', '.join(options.withheld)}")
        troubles = [(report.trouble, report.folder) for report in reports if report.trouble is not None]
        for trouble, kept in troubles:
            words = trouble
            if kept is not None:
                words = ChorusError(f"{trouble.what}; what was read of it is in {kept}", mend=trouble.mend)
            print(f"chorus pose: {words}", file=sys.stderr)
        if troubles:
            return 1
        return INTERRUPTED if stop.is_set() and not all(report.live for report in reports) else 0


def _print(report: Report) -> None:
    rate = report.frames / report.seconds if report.seconds else 0.0
    people = f"{report.people} people" if report.people != 1 else "1 person"
    pictures = f"{report.frames} pictures" if report.frames != 1 else "1 picture"
    print(f"{report.folder}: {pictures}, somebody in {report.seen}, {people}, {rate:.1f} pictures/s")
    for note in report.notes:
        print(f"  left out: {note}")


@contextlib.contextmanager
def _progress() -> Iterator[Told]:
    """Yield what is told of the progress: a bar on stderr where somebody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[frames]} pictures, {task.fields[rate]:.1f}/s"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[tuple[str, str], TaskID] = {}

        def told(name: str, what: str, fraction: float, frames: int) -> None:
            key = name, what
            if key not in tasks:
                for before in bar.tasks:  # the last picture is not the end of a film
                    bar.update(before.id, completed=before.total)
                    bar.stop_task(before.id)
                total = 1.0 if fraction else None
                tasks[key] = bar.add_task(f"{what} {name}", total=total, frames=0, rate=0.0)
            elapsed = bar.tasks[bar.task_ids.index(tasks[key])].elapsed or 0.0
            rate = frames / elapsed if elapsed else 0.0
            bar.update(
                tasks[key], completed=fraction, total=1.0 if fraction else None, frames=frames, rate=rate
            )

        yield told
