"""Walks a folder and lets every known data set look for itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from drivers.errors import DataError
from fusion.datasets.known import KNOWN
from fusion.datasets.report import SetReport

DEPTH = 3
"""So far below the folder that is named sets are looked for."""

_PARTS = (".", "annotations", "annot")
"""Folders that count with the one above."""


def check(
    folder: Path, deep: bool = False, on_progress: Callable[[str], None] = lambda what: None
) -> list[SetReport]:
    """Return a report of each data set in a folder, or at one file.

    Args:
        folder: it, or one above; archives in it are unpacked into the user's cache.
        deep: read every file whole.
        on_progress: told what is looked at.

    Raises:
        DataError: there is no such folder, or nothing in it is known.
    """
    if not folder.exists():
        raise DataError(f"there is no {folder}", mend="Name a folder with data sets, or with one")
    reports: list[SetReport] = []
    for known in KNOWN:
        seen: set[Path] = set()
        for place in [folder] if known.below else _places(folder):
            if any(done in place.parents for done in seen):
                continue
            on_progress(f"{known.title}: {place}")
            found = known.look(place, deep)
            reports += found
            # What is below a set is its own, but for folders above all sets.
            seen |= {report.place for report in found if report.place.is_dir()}
    if not reports:
        names = ", ".join(known.title for known in KNOWN)
        raise DataError(f"{folder} holds no data set that is known", mend=f"These are: {names}")
    return reports


def _places(folder: Path) -> Iterator[Path]:
    """Yield a folder and those below it, the nearest first; a file alone."""
    yield folder
    level = [folder] if folder.is_dir() else []
    for _ in range(DEPTH):
        below: list[Path] = []
        for base in level:
            try:
                with os.scandir(base) as entries:
                    below += [Path(e.path) for e in entries if e.is_dir() and not e.name.startswith(_PARTS)]
            except OSError:
                continue
        level = sorted(below)
        yield from level
