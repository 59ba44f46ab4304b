"""What was found of a data set."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

MOST = 5
"""So many files are named of those that something is wrong with."""


@dataclasses.dataclass(frozen=True)
class SetReport:
    """One data set in one folder.

    Attributes:
        place: the folder or file.
        facts: what is there, by name.
        missing: what is not, a line each.
        broken: what is there and can't be used, a line each.
        notes: what one should know.
        set: key of :data:`fusion.datasets.known.KNOWN`.
        licence: where it is not that of the whole set.
    """

    place: Path
    facts: dict[str, str]
    missing: list[str] = dataclasses.field(default_factory=list)
    broken: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    set: str = ""
    licence: str = ""

    @property
    def sound(self) -> bool:
        """Whether nothing is missing and nothing broken."""
        return not (self.missing or self.broken)


def some(what: str, names: Sequence[object]) -> list[str]:
    """Return a line that counts things ("files absent") and names a few; none where there are none."""
    if not names:
        return []
    listed = ", ".join(str(name) for name in names[:MOST])
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return [f"{what}: {len(names)} ({listed}{more})"]
