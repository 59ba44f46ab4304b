"""For how long a tick waits: as long as what it needs usually takes to come, and no longer.

::

    rows of a stream ---> how late the oldest of them comes, usually ---> within the patience: waited for
                          (95 of 100 arrivals, of the last 100)           beyond it: taken when it comes

A tick sees rows up to its own time, so it is worth waiting until those came. What usually takes longer than
the patience (sound in large blocks, pictures that are looked at, a sensor behind a slow radio) is taken with
its age, which the network is told, and holds nothing up. A stream that is away has no say, whatever it did.
"""

from __future__ import annotations

import collections
from collections.abc import Collection, Mapping

_SECOND = 1_000_000_000
_RECENT = 100
"""Arrivals that tell how late a stream is."""
_FEW = 20
"""With fewer, nothing is known of it yet: it is waited for as long as the patience is."""
_USUAL = 0.95
_AGAIN = 10
"""It is worked out anew after so many arrivals."""
_SILENT_S = 1.0
"""A stream that sent nothing for so long is away, and so is one of which nothing is known yet."""
_GAPS = 3.0
"""A row that should have come so many times over did not come: its stream is late."""


class _Stream:
    """Arrivals of one stream."""

    def __init__(self) -> None:
        self.mark: int | None = None
        self.usual: int | None = None
        self.spacing: int = 0
        self.away = False
        self._late: collections.deque[int] = collections.deque(maxlen=_RECENT)
        self._spaced: collections.deque[int] = collections.deque(maxlen=_RECENT)
        self._count = 0

    def came(self, first: int, last: int, rows: int, now: int) -> None:
        if self.mark is not None and not self.away and last > self.mark:
            self._spaced.append((last - self.mark) // max(1, rows))
        self.mark, self.away = last, False
        self._late.append(max(0, now - first))
        self._count += 1
        if self._count >= _FEW and self._count % _AGAIN == 0:
            self.usual = sorted(self._late)[int(_USUAL * (len(self._late) - 1))]
            self.spacing = sorted(self._spaced)[len(self._spaced) // 2] if self._spaced else 0


class Waiting:
    """How late the streams of a session usually are, and what that means for its ticks.

    Args:
        patience_s: nothing that usually comes later is waited for, and nothing longer than this.
    """

    def __init__(self, patience_s: float) -> None:
        self.patience = round(patience_s * _SECOND)
        self._streams: dict[str, _Stream] = collections.defaultdict(_Stream)

    def came(self, stream: str, first: int, last: int, rows: int, now: int) -> None:
        """Take note of rows that can be used from now on.

        Args:
            stream: its name.
            first, last: session time of the oldest and of the newest of them, ns.
            rows: how many.
            now: session time, ns.
        """
        self._streams[stream].came(first, last, rows, now)

    def gone(self, stream: str) -> None:
        """Know that a stream's device is away: it is not waited for until it sends again."""
        self._streams[stream].away = True

    def behind(self, marks: Mapping[str, int], tick: int, now: int) -> list[str]:
        """Return the streams that a tick, ns, still waits for at ``now``, ns, by how far they have come."""
        return [name for name, mark in marks.items() if mark < tick and self._counts(name, mark, now)]

    def until(self, names: Collection[str], tick: int) -> int:
        """Return the session time, ns, up to which a tick waits for streams."""
        return tick + max((self._worth(self._streams[name]) for name in names), default=0)

    def late(self, names: Collection[str], marks: Mapping[str, int], tick: int) -> bool:
        """Return whether something is missing at a tick that no longer waits: a row that should be there."""
        return any(tick - marks[name] > _GAPS * self._streams[name].spacing for name in names)

    def _counts(self, name: str, mark: int, now: int) -> bool:
        stream = self._streams[name]
        if stream.away:
            return False
        if stream.usual is None:
            return now - mark < _SILENT_S * _SECOND
        silent = now - mark > stream.usual + _GAPS * stream.spacing + _SILENT_S * _SECOND
        return stream.usual <= self.patience and not silent

    def _worth(self, stream: _Stream) -> int:
        return self.patience if stream.usual is None else min(stream.usual, self.patience)
