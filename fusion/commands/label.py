"""``chorus label SESSION.h5 [LABELS.csv] [--replace] [--csv]``: who did what, and when."""

from __future__ import annotations

import sys

from fusion.commands.arguments import UsageError, call


def main(argv: list[str], program: str) -> int:
    words = [word for word in argv if not word.startswith("-")]
    if len(words) == 2 and not any(word.partition("=")[0] == "--table" for word in argv):
        argv = [f"--table={word}" if word is words[1] else word for word in argv]
    return call(label, argv, program)


def label(file: str, table: str | None = None, replace: bool = False, csv: bool = False) -> int:
    """Add labels to a session from a table of intervals, or show those it has.

    Args:
        file: the session file (.h5).
        table: a CSV file with the columns start, stop, action and, if you like, who; times are seconds of
            session time, or 2026-05-04T09:30:17.25Z.
        replace: the table takes the place of the labels that are there.
        csv: print the labels as such a table.
    """
    from recordings.label_table import labels_text
    from recordings.reader import open_recording

    if replace and table is None:
        raise UsageError("--replace needs a table", mend="Name a CSV file of intervals")
    if table is not None:
        from recordings.editing.label import label as label_file

        labels = label_file(file, table, replace=replace)
    else:
        with open_recording(file) as recording:
            labels = recording.labels
    if csv:
        sys.stdout.write(labels_text(labels))
        return 0
    totals: dict[str, list[float]] = {}
    for one in labels:
        totals.setdefault(one.action, []).append((one.stop - one.start) * 1e-9)
    for action, lengths in sorted(totals.items()):
        print(f"{action}: {len(lengths)} times, {sum(lengths):.1f} s")
    if not labels:
        print("no labels")
    return 0
