"""``chorus repair FILE [--output NEW.h5]``: a sound copy of an interrupted or damaged session."""

from __future__ import annotations

from fusion.commands.arguments import call


def main(argv: list[str], program: str) -> int:
    return call(repair, argv, program)


def repair(file: str, output: str | None = None) -> int:
    """Make a sound copy of a session whose recorder was killed, or whose file was damaged.

    The original stays as it is.

    Args:
        file: the session file (.h5).
        output: the new file; FILE.repaired.h5 by default.
    """
    from fusion.commands.view import print_repair
    from recordings.editing.repair import repair as repair_file

    print_repair(repair_file(file, output))
    return 0
