"""``chorus check FILE [--json] [--plot times.png]``: prove a session file sound, or say what is wrong."""

from __future__ import annotations

import json as json_format
import sys

from fusion.commands.arguments import call


def main(argv: list[str], program: str) -> int:
    return call(check, argv, program)


def check(file: str, json: bool = False, plot: str | None = None) -> int:
    """Prove a session file sound, or say what is wrong.

    Exits 0 when sound, 1 when problems were found, 2 when the file can't be read.

    Args:
        file: the session file (.h5).
        json: print JSON for other programs.
        plot: picture (.png) of each stream's jitter, bound, wander, drift and gaps.
    """
    from recordings.check import check as check_file

    report = check_file(file)
    if plot is not None and report.readable:
        from recordings.sync_plot import draw

        draw(file, plot)
    if json:
        print(json_format.dumps(report.to_dict(), indent=2))
    elif report.readable:
        from fusion.commands.view import print_check

        print_check(report)
    else:
        print(f"chorus check: {' '.join(report.problems)}", file=sys.stderr)
    return report.exit_code
