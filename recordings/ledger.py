"""The account of a stream: every row the device produced is stored, or lost for a reason."""

from __future__ import annotations

import dataclasses

from recordings import layout


@dataclasses.dataclass
class Ledger:
    """The account of one stream, in rows.

    Attributes:
        produced: rows the device says it produced.
        stored: rows in the file.
        lost: rows lost, by reason.
    """

    produced: int = 0
    stored: int = 0
    lost: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def unexplained(self) -> int:
        """Rows nobody can account for; anything but zero is a bug of ours."""
        return self.produced - self.stored - sum(self.lost.values())

    def lose(self, lost: dict[str, int]) -> None:
        """Add losses by reason; reasons the file has no column for are ``other``."""
        for reason, rows in lost.items():
            reason = reason if reason in layout.REASONS else "other"
            self.lost[reason] = self.lost.get(reason, 0) + rows
