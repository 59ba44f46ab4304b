"""``chorus check FILE [--json]``: prove a session file sound, or say what is wrong."""

from __future__ import annotations

import json as json_format
import sys

from drivers.errors import RecordingUnreadable
from fusion.commands.arguments import call

SOUND, PROBLEMS, UNREADABLE = 0, 1, 2


def main(argv: list[str], program: str) -> int:
    return call(check, argv, program)


def check(file: str, json: bool = False) -> int:
    """Prove a session file sound, or say what is wrong.

    Exits 0 when sound, 1 when problems were found, 2 when the file can't be read.

    Args:
        file: the session file (.h5).
        json: print JSON for other programs.
    """
    from recordings.check import check as check_file

    try:
        report = check_file(file)
    except RecordingUnreadable as error:
        if json:
            print(json_format.dumps({"ok": False, "problems": [str(error)], "streams": {}}, indent=2))
        else:
            print(f"chorus check: {error}", file=sys.stderr)
        return UNREADABLE
    if json:
        print(json_format.dumps(report.to_dict(), indent=2))
    else:
        from fusion.commands.view import print_check

        print_check(file, report)
    return SOUND if report.ok else PROBLEMS
