"""``chorus resync FILE [--output NEW.h5]``: a recording with its times estimated again."""

from __future__ import annotations

import dataclasses
import json as json_format

from fusion.commands.arguments import call


def main(argv: list[str], program: str) -> int:
    return call(resync, argv, program)


def resync(file: str, output: str | None = None, json: bool = False) -> int:
    """Estimate a recording's times again, from its raw times and probes, in both directions of time.

    The recording stays as it is: a new file with better times is written beside it.

    Args:
        file: the session file (.h5).
        output: the new file; FILE.resynced.h5 by default.
        json: print JSON for other programs.
    """
    from rich.console import Console

    from recordings.resync import resync as resync_file

    console = Console(stderr=True)
    with console.status("estimating times again"):
        report = resync_file(file, output)
    if json:
        facts = {**dataclasses.asdict(report), "path": str(report.path), "output": str(report.output)}
        print(json_format.dumps(facts, indent=2))
    else:
        from fusion.commands.view import print_resync

        print_resync(report)
    return 0
