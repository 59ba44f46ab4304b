"""What a check found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable


@dataclasses.dataclass(frozen=True)
class Finding:
    """An obstacle, or something one should know.

    Attributes:
        what: what is, and to which device, library or folder.
        mend: the command or setting that mends it.
        note: it does not stand in the way.
    """

    what: str
    mend: str
    note: bool = False


def found_by(check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Run a check; one that fails itself is a note, and keeps none of the others from running."""
    try:
        return list(check())
    except Exception as error:
        name = getattr(check, "__module__", "").rpartition(".")[2]
        return [
            Finding(
                f"{name} could not be looked at: {type(error).__name__}: {error}", "Report it, please", True
            )
        ]
