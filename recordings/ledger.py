"""The account of a stream: every row the device produced is stored, or lost for a reason."""

from __future__ import annotations

import dataclasses

from recordings import layout


@dataclasses.dataclass
class Ledger:
    """The account of one stream, in rows.

    A driver may be started again during a session: the runs add up. While a run lasts, what it
    produced is what is known of it; its end brings the device's own count.

    Attributes:
        produced: rows the device says it produced.
        stored: rows in the file.
        lost: rows lost, by reason.
        since_stored: rows counted as lost since one was stored last.
    """

    produced: int = 0
    stored: int = 0
    lost: dict[str, int] = dataclasses.field(default_factory=dict)
    since_stored: int = 0
    _run_produced: int = 0  # of produced, what this run contributed so far
    _run_lost: dict[str, int] = dataclasses.field(default_factory=dict)  # of lost, as its batches told

    @property
    def unexplained(self) -> int:
        """Rows nobody can account for; anything but zero is a bug of ours."""
        return self.produced - self.stored - sum(self.lost.values())

    def take(self, rows: int, lost: dict[str, int]) -> None:
        """Count a batch that was stored, and the losses before it."""
        self.stored += rows
        self.since_stored = 0 if rows else self.since_stored + sum(lost.values())
        self._produce(rows + sum(lost.values()))
        _add(self._run_lost, lost)
        _add(self.lost, lost)

    def lose(self, reason: str, rows: int) -> None:
        """Count rows that were published and are gone."""
        self.since_stored += rows
        self._produce(rows)
        _add(self.lost, {reason: rows})

    def gap(self, reason: str, rows: int) -> None:
        """Count rows that nobody saw between two runs; neither run tells of them."""
        self.produced += rows
        self.since_stored += rows
        _add(self.lost, {reason: rows} if rows else {})

    def end(self, produced: int, lost: dict[str, int]) -> None:
        """Close a run with the device's own totals."""
        self.produced += produced - self._run_produced
        _add(self.lost, {reason: -rows for reason, rows in self._run_lost.items()})
        _add(self.lost, lost)
        self.lost = {reason: rows for reason, rows in self.lost.items() if rows}
        self.abandon()

    def abandon(self) -> None:
        """Close a run that never told its totals: what is known of it stays."""
        self._run_produced = 0
        self._run_lost = {}

    def _produce(self, rows: int) -> None:
        self.produced += rows
        self._run_produced += rows


def _add(account: dict[str, int], more: dict[str, int]) -> None:
    """Add up; reasons that the file has no column for are ``other``."""
    for reason, rows in more.items():
        reason = reason if reason in layout.REASONS else "other"
        account[reason] = account.get(reason, 0) + rows
