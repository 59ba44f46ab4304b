"""``chorus data check FOLDER | list | motion FOLDER``: what data sets hold.

check recognises data sets, and says what is there, missing or broken, how to get it, and its licence. Nothing
is ever downloaded.
"""

from __future__ import annotations

import dataclasses
import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.errors import DataError
from fusion.commands.arguments import UsageError, call

if TYPE_CHECKING:
    from fusion.datasets.report import SetReport


def main(argv: list[str], program: str) -> int:
    kinds = {"check": check, "list": show, "motion": motion}
    if argv and argv[0] in ("-h", "--help"):
        print(f"usage: {program} check FOLDER [--deep] [--json]\n       {program} list")
        print(f"       {program} motion FOLDER [--plot PICTURE.png] [--json]\n\n{__doc__}")
        return 0
    if not argv or argv[0] not in kinds:
        asked = f", not '{argv[0]}'" if argv else ""
        raise UsageError(
            f"data needs {' or '.join(kinds)}{asked}", mend=f"For example: {program} check FOLDER"
        )
    return call(kinds[argv[0]], argv[1:], f"{program} {argv[0]}")


def check(folder: str, deep: bool = False, json: bool = False) -> int:
    """Say which data sets are in a folder, what is missing or broken in them, how to get it, and the licence.

    Exits with 1 where something is missing or broken.

    Args:
        folder: a data set, or a folder with some; a single file as well.
        deep: read every file whole: pictures are decoded, all trials read.
        json: print JSON for other programs.
    """
    from rich.console import Console

    from fusion.datasets.check import check as look
    from fusion.datasets.known import KNOWN

    with Console(stderr=True).status("looking") as status:
        reports = look(Path(folder).expanduser(), deep, status.update)
    if json:
        known = {one.key: one for one in KNOWN}
        facts = [
            {
                **dataclasses.asdict(report),
                "place": str(report.place),
                "licence": report.licence or known[report.set].licence,
                "get": known[report.set].get,
                "sound": report.sound,
            }
            for report in reports
        ]
        print(json_format.dumps(facts, indent=2))
    else:
        _print_sets(reports)
    return 0 if all(report.sound for report in reports) else 1


def show(json: bool = False) -> int:
    """List the data sets that Chorus reads: licence, how to get each, and what must be where.

    Args:
        json: print JSON for other programs.
    """
    from rich.markup import escape

    from fusion.commands.view import plain_console
    from fusion.datasets.known import KNOWN

    if json:
        print(json_format.dumps([dataclasses.asdict(one) for one in KNOWN], indent=2))
        return 0
    console = plain_console()
    for one in KNOWN:
        console.print(f"[bold]{escape(one.title)}[/]", highlight=False)
        for name in ("licence", "get", "layout", "becomes"):
            text = getattr(one, name) or "each set's own"
            console.print(f"  {name:<8} {escape(text)}", highlight=False, soft_wrap=True)
    return 0


def _print_sets(reports: list[SetReport]) -> None:
    from rich.markup import escape

    from fusion.commands.view import plain_console
    from fusion.datasets.known import KNOWN

    known = {one.key: one for one in KNOWN}
    console = plain_console()

    def line(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    for report in reports:
        one = known[report.set]
        mark = "[green]✓[/]" if report.sound else "[red]✗[/]"
        line(f"{mark} [bold]{escape(one.title)}[/]  {escape(str(report.place))}")
        line(f"    licence: {escape(report.licence or one.licence)}")
        for name, text in report.facts.items():
            line(f"    {name}: {escape(text)}")
        for name, lines in (("missing", report.missing), ("broken", report.broken)):
            for text in lines:
                line(f"    [red]{name}[/]: {escape(text)}")
        for text in report.notes:
            line(f"    note: {escape(text)}")
        if not report.sound:
            line(f"    needed: {escape(one.layout)}")
            line(f"    get it: {escape(one.get)}")
        line(f"    use it: {escape(one.becomes)}")


def motion(folder: str, plot: str | None = None, json: bool = False) -> int:
    """Say what a folder of motion capture holds: files, minutes, units, bones, speeds, nodes without a place.

    Args:
        folder: with .bvh files, or with the archives or folders of the motion sets that are known.
        plot: picture (.png) of postures of a few clips of each set.
        json: print JSON for other programs.
    """
    from rich.console import Console
    from rich.progress import Progress

    from fusion.virtual.look import draw, look, sets_in

    base = Path(folder).expanduser()
    if not base.exists():
        raise DataError(f"there is no {folder}", mend="Name a folder with motion capture files")
    reports, shown = [], {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for name in sets_in(base):
            task = progress.add_task(name, total=None)
            report, some = look(
                name, base, lambda done, of, t=task: progress.update(t, completed=done, total=of)
            )
            reports.append(report)
            shown[name] = some
    if plot is not None:
        draw(shown, Path(plot))
    if json:
        print(json_format.dumps([dataclasses.asdict(report) for report in reports], indent=2))
    else:
        for report in reports:
            _print(dataclasses.asdict(report))
    return 0


def _print(report: dict) -> None:
    from rich.table import Table

    from fusion.commands.view import plain_console

    table = Table(show_header=False, box=None, title=f"[bold]{report['source']}", title_justify="left")
    low, high = report["stature_m"]
    table.add_row("files", f"{report['files']}, {report['minutes']:.1f} minutes")
    for key in ("splits", "licences", "rigs", "units", "rates_hz", "unmapped"):
        listed = ", ".join(f"{name}: {count}" for name, count in report[key].items())
        table.add_row(key.replace("_hz", ", Hz"), listed or "none")
    table.add_row("stature", f"{low:.2f} to {high:.2f} m, as the legs tell")
    for name, (shortest, longest) in report["bones_cm"].items():
        spread = f"{shortest:.1f}" if longest - shortest < 0.05 else f"{shortest:.1f} to {longest:.1f}"
        table.add_row(f"  {name}", f"{spread} cm")
    usual, fastest = report["speed"]
    table.add_row(
        "speed", f"hands and feet, 99 % below {usual:.1f} m/s (median file), {fastest:.1f} (fastest)"
    )
    table.add_row("on the ground", f"a foot in {100 * report['contact']:.0f} % of rows")
    table.add_row("joints off", f"at most {report['worst_mm']:.1f} mm from the file's own")
    for key in ("bridged", "dropped"):
        rows = report[key].values()
        table.add_row(
            f"rows {key}", f"{sum(rows)} in {len(rows)} files: no body did them" if rows else "none"
        )
    for key in ("refused", "doubts"):
        for file, why in report[key].items():
            table.add_row(key, f"{file}: {why}")
    plain_console().print(table)
