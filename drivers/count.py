"""How many rows a device produced, counted from its own numbers."""

from __future__ import annotations

from drivers.base import Samples


class RowCount:
    """The driver's half of the ledger: produced = published + lost, each counted apart.

    ``produced`` comes from the row numbers only and ``lost`` from what the driver reports, so that a
    driver that forgets to report a gap is found out.

    Attributes:
        published: rows handed on.
        lost: rows lost, by reason.
    """

    def __init__(self) -> None:
        self.published = 0
        self.lost: dict[str, int] = {}
        self._spanned = 0  # rows between the first and the last number of all segments
        self._next: int | None = None
        self._trailing = 0  # losses reported since the last row: no number shows them yet

    @property
    def next(self) -> int:
        """Number that the next row has, if nothing more is lost before it."""
        return (self._next or 0) + self._trailing

    @property
    def produced(self) -> int:
        """Rows the device produced since its first."""
        return self._spanned + self._trailing

    def add(self, samples: Samples, *, block: bool) -> None:
        """Count what one read returned.

        Args:
            block: one number stands for all rows of ``samples`` (block-stamped).
        """
        for reason, rows in samples.lost.items():
            self.lost[reason] = self.lost.get(reason, 0) + int(rows)
        self._trailing += sum(int(rows) for rows in samples.lost.values())
        self.published += len(samples)
        seq = [int(number) for number in samples.seq]
        if not len(samples) or not seq:
            return
        if self._next is None:
            # Losses before the first row have no numbers, unless gaps between these rows explain them.
            inside = 0 if block else seq[-1] + 1 - seq[0] - len(seq)
            self._spanned += max(0, self._trailing - max(0, inside))
            self._next = seq[0]
        self._trailing = 0
        lengths = [len(samples)] if block else [1] * len(seq)
        for number, length in zip(seq, lengths, strict=True):
            if number < self._next:  # the device began to count again
                self._next = number
            self._spanned += number + length - self._next
            self._next = number + length
