"""``chorus compare INPUT... --with A,B``: front ends side by side, against each other and the truth."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fusion.commands.arguments import UsageError, call, check_positive

if TYPE_CHECKING:
    from fusion.compare.run import Compared


INTERRUPTED = 130


def main(argv: list[str], program: str) -> int:
    count = next((at for at, word in enumerate(argv) if word.startswith("-")), len(argv))
    # `with` is a word of Python's own and cannot name a parameter.
    options = ["--runs" + word.removeprefix("--with") if _is_with(word) else word for word in argv[count:]]

    def compare(
        *,
        runs: str,
        output: str | None = None,
        truth: str | None = None,
        people: int = 5,
        width: int = 640,
        fps: float = 0.0,
    ) -> int:
        """Show pictures, folders or videos to several front ends, and say how far they agree.

        Args:
            runs: front ends as --vision names them, folders of OpenPose's JSON, and AlphaPose's results, with
                commas between; the others are compared with the first.
            output: new folder for the pictures side by side and compare.json.
            truth: COCO key points of the pictures: PCK, PCKh and OKS-AP are printed.
            people: how many each looks for at most.
            width: of each picture side by side, px.
            fps: pictures of a folder are a film of so many a second; 0: they stand alone.
        """
        return _compare(argv[:count], runs, output, truth, people, width, fps)

    if any(word in ("-h", "--help") for word in options):
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                return call(compare, options, program, "INPUT...")
        finally:
            print(said.getvalue().replace("--runs RUNS", "--with A,B "), end="")
    example = f"For example: {program} FOLDER --with=blazepose,markers"
    if not count:
        raise UsageError("compare needs pictures or a video", mend=example)
    if not any(word.startswith("--runs") for word in options):
        raise UsageError("compare needs front ends, or runs made elsewhere, to compare", mend=example)
    return call(compare, options, program)


def _is_with(word: str) -> bool:
    return word == "--with" or word.startswith("--with=")


def _compare(
    inputs: list[str], runs: str, output: str | None, truth: str | None, people: int, width: int, fps: float
) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from drivers.interrupt import orderly_interrupt
    from fusion.compare.run import compare
    from fusion.compare.runs import run_of
    from fusion.pose.inputs import sources_of
    from recordings.importers.coco import read_coco

    check_positive("--people", people)
    check_positive("--width", width, "px")
    named = [name.strip() for name in runs.split(",") if name.strip()]
    if len(named) < 2 or len(set(named)) < len(named):
        raise UsageError(
            f"--with names '{runs}'", mend="Name two or more different ones, with commas between"
        )
    table = None if truth is None else read_coco(truth)
    with contextlib.ExitStack() as stack:
        sources = sources_of(inputs, fps=fps)
        for source in sources:
            stack.callback(source.close)
        made = []
        for name in named:
            run = run_of(name, people)
            stack.callback(run.close)
            if any(run.name == other.name for other in made):
                run.name = name
            made.append(run)
        total = sum(source.count for source in sources) if all(source.count for source in sources) else 0
        stop = stack.enter_context(orderly_interrupt())
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f} pictures"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            bar = progress.add_task("comparing", total=total or None)
            done = compare(
                sources,
                made,
                None if output is None else Path(output),
                truth=table,
                width=width,
                stop=stop.is_set,
                told=lambda pictures: progress.update(bar, completed=pictures),
            )
    _show(done, [run.name for run in made])
    if output is not None:
        print(f"{output}: pictures side by side, compare.json")
    for trouble in done.troubles:
        print(f"chorus compare: {trouble}", file=sys.stderr)
    return 1 if done.troubles else INTERRUPTED if stop.is_set() else 0


def _show(done: Compared, names: list[str]) -> None:
    from fusion.commands.view import plain_console, table

    console = plain_console()
    judged = bool(done.worth)
    columns = ["", "people", "CPU ms a picture"]
    drawn = table(*columns, *(("missed", "invented", "PCK@0.2", "PCKh@0.5", "OKS-AP") if judged else ()))
    for name in names:
        seconds = done.seconds[name]
        row = [
            name,
            str(done.people[name]),
            "elsewhere" if seconds is None else f"{1e3 * seconds / done.pictures:.0f}",
        ]
        if judged:
            worth = done.worth[name]
            row += [f"{worth.missed} of {worth.people}", str(worth.invented)]
            row += ["-" if value != value else f"{value:.1%}" for value in (worth.pck, worth.pckh)]
            row.append("-" if worth.ap != worth.ap else f"{worth.ap:.3f}")
        drawn.add_row(*row)
    console.print(f"{done.pictures} pictures")
    console.print(drawn)
    joints = list(dict.fromkeys(joint for each in done.agreement.values() for joint in each.joints()))
    apart = table(f"apart from {names[0]}, of a person's size", *done.agreement)
    for joint in joints:
        values = [each.joints().get(joint) for each in done.agreement.values()]
        apart.add_row(
            joint.replace("_", " "), *("-" if value is None else f"{value:.1%}" for value in values)
        )
    apart.add_row("people both found", *(str(each.both) for each in done.agreement.values()))
    apart.add_row(f"only {names[0]}", *(str(each.only_one) for each in done.agreement.values()))
    apart.add_row("only the other", *(str(each.only_other) for each in done.agreement.values()))
    console.print(apart)
