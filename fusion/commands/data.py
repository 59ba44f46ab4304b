"""``chorus data motion FOLDER``: what data sets hold, before anything is trained on them."""

from __future__ import annotations

import dataclasses
import json as json_format
from pathlib import Path

from drivers.errors import DataError
from fusion.commands.arguments import UsageError, call


def main(argv: list[str], program: str) -> int:
    kinds = {"motion": motion}
    if argv and argv[0] in ("-h", "--help"):
        print(f"usage: {program} motion FOLDER [--plot PICTURE.png] [--json]\n\n{__doc__}")
        return 0
    if not argv or argv[0] not in kinds:
        asked = f", not '{argv[0]}'" if argv else ""
        raise UsageError(
            f"data needs {' or '.join(kinds)}{asked}", mend=f"For example: {program} motion FOLDER"
        )
    return call(kinds[argv[0]], argv[1:], f"{program} {argv[0]}")


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
