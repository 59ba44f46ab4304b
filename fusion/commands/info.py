"""``chorus info FILE [--json]``: what a session file holds."""

from __future__ import annotations

import json as json_format

from fusion.commands.arguments import call


def main(argv: list[str], program: str) -> int:
    return call(show, argv, program)


def show(file: str, json: bool = False) -> int:
    """Say what a session file holds.

    Args:
        file: the session file (.h5).
        json: print JSON for other programs.
    """
    from recordings.check import info

    facts = info(file)
    if json:
        print(json_format.dumps(facts, indent=2))
    else:
        from fusion.commands.view import print_info

        print_info(facts)
    return 0
