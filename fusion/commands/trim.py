"""``chorus trim FILE --start 12.5 --stop "end squat" [--output NEW.h5]``: a stretch of a session."""

from __future__ import annotations

from fusion.commands.arguments import call


def main(argv: list[str], program: str) -> int:
    return call(trim, argv, program)


def trim(file: str, start: str | None = None, stop: str | None = None, output: str | None = None) -> int:
    """Copy a stretch of a session into a new file; session times stay what they were.

    Args:
        file: the session file (.h5).
        start: session time in s, or the words of a marker; the beginning by default.
        stop: session time in s, or the words of a marker; the end by default.
        output: the new file; FILE.trimmed.h5 by default.
    """
    from recordings.editing.trim import trim as trim_file

    print(trim_file(file, output, start=start, stop=stop))
    return 0
