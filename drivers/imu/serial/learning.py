"""Protocols that send a message of each kind, of which only the first ones show what makes a row."""

from __future__ import annotations

import abc
import collections
from collections.abc import Iterable
from typing import Generic, TypeVar

from drivers.imu.parser import Parser, Rows

KEPT = 4096
"""Messages kept before the first :meth:`LearningParser.take`; the older half goes where more come."""

M = TypeVar("M")


class LearningParser(Parser, Generic[M]):
    """Keeps messages until the first take, then fixes what a row is made of and makes rows of them all.

    ::

        heard(message) ── kept ── first take: fix_row(kept) ──> step(message), each ──> rows
              └──────────────── after it ────────────────────────┘

    ``M`` is a message as the protocol has it; ``_seen`` counts those of each kind that were kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[M] | None = []
        self._seen: collections.Counter[str] = collections.Counter()

    @property
    def units(self) -> tuple[str, ...]:
        """See :class:`Parser`; the magnetic field is relative."""
        return tuple("1" if unit == "uT" else unit for unit in super().units)

    @property
    def waiting(self) -> int:
        """See :class:`Parser`; rows that kept messages will make count."""
        if self._kept is None:
            return super().waiting
        return self._rows_kept() if self.ready else 0

    def take(self) -> Rows | None:
        """See :class:`Parser`; from the first one with rows on the channels stay."""
        if self._kept is not None and self.ready:
            self._settle()
        return super().take()

    def _heard(self, kinds: Iterable[str], message: M) -> None:
        """Take a good message, which tells something of these kinds."""
        if self._kept is None:
            self._step(message)
            return
        for kind in kinds:
            self._seen[kind] += 1
        if len(self._kept) >= KEPT:
            if self.ready:
                self._settle()
                self._step(message)
                return
            del self._kept[: KEPT // 2]
        self._kept.append(message)

    def _settle(self) -> None:
        kept, self._kept = self._kept or [], None
        self._fix_row(kept)
        for message in kept:
            self._step(message)

    @abc.abstractmethod
    def _rows_kept(self) -> int:
        """Return how many rows the kept messages will make."""

    @abc.abstractmethod
    def _fix_row(self, kept: list[M]) -> None:
        """Fix what a row is made of, and learn from the first messages how rows are numbered."""

    @abc.abstractmethod
    def _step(self, message: M) -> None:
        """Take one message in, and emit the row that it completes."""
