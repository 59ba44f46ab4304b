"""``chorus import berkeley-mhad ROOT | xdf FILE --output DIR``: what others recorded, as sessions."""

from __future__ import annotations

import dataclasses
import json as json_format
from pathlib import Path

from drivers.errors import ConfigError
from fusion.commands.arguments import call


def main(argv: list[str], program: str) -> int:
    sets = {"berkeley-mhad": berkeley_mhad, "xdf": xdf}
    if not argv or argv[0] in ("-h", "--help"):
        print(f"usage: {program} WHAT PATH --output DIR\n\nWhat there is to import: {', '.join(sets)}")
        return 0 if argv else 2
    if argv[0] not in sets:
        raise ConfigError(f"there is no importer for {argv[0]!r}", mend=f"Choose of {', '.join(sets)}")
    return call(sets[argv[0]], argv[1:], f"{program} {argv[0]}")


def berkeley_mhad(
    root: str, output: str = "sessions", only: str = "", plot: str | None = None, json: bool = False
) -> int:
    """Write a session for each trial of Berkeley MHAD: six accelerometers, and stamps of cameras.

    Args:
        root: folder with Accelerometer and Time_stamps, or the archive.
        output: folder of the sessions.
        only: trials, as s01_a01_r01, with commas between; all by default.
        plot: picture (.png) of jitter before and after, drift, and the clocks' errors.
        json: print JSON for other programs.
    """
    from rich.console import Console
    from rich.progress import Progress

    from fusion.commands.view import print_import
    from recordings.importers.berkeley_sessions import import_sessions

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Berkeley MHAD", total=None)
        report = import_sessions(
            root,
            Path(output),
            [name for name in only.split(",") if name],
            lambda done, of, what: progress.update(
                task, completed=done, total=of, description=f"Berkeley MHAD {what}"
            ),
        )
    if plot is not None:
        from recordings.importers.berkeley_plot import draw

        draw(report, Path(plot))
    if json:
        facts = {
            "files": [str(path) for path in report.files],
            "sensors": [dataclasses.asdict(sensor) for sensor in report.sensors],
        }
        print(json_format.dumps(facts, indent=2))
    else:
        print_import(report)
    return 0


def xdf(file: str, output: str = "sessions", json: bool = False) -> int:
    """Write an XDF file (Lab Streaming Layer, LabRecorder) as a session.

    Args:
        file: the file (.xdf).
        output: the session (.h5), or a folder for it.
        json: print JSON for other programs.
    """
    from rich.console import Console

    from fusion.commands.view import print_xdf
    from recordings.importers.xdf import import_xdf

    with Console(stderr=True).status(f"importing {Path(file).name}"):
        report = import_xdf(file, output)
    if json:
        print(json_format.dumps({**dataclasses.asdict(report), "file": str(report.file)}, indent=2))
    else:
        print_xdf(report)
    return 0
