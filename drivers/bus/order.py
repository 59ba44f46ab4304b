"""One stream as a subscriber sees it: put in order, gaps found, filled or reported.

No sockets and no clock here: the caller hands in messages and the time, so that every order of
events can be tested.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from drivers.bus import wire
from drivers.bus.control import MAX_WANTED
from drivers.bus.messages import Ended, Missed

PATIENCE_S = 3.0
"""How long a gap may stay open without any progress; then its rows are reported missing."""
RETRY_S = 0.25
MAX_HELD = 8192  # messages that wait behind a gap; what comes beyond is let go, and asked for in its turn
MAX_HELD_BYTES = 64 << 20

Held = tuple[wire.AnyHeader, wire.Frames]


@dataclasses.dataclass(frozen=True, slots=True)
class Position:
    """How far one run of a stream was handed out: what comes next.

    Attributes:
        stream: its name.
        run: the publisher's run.
        number: of the next message.
        row: of the next row within the run.
        lost: rows that the driver had lost before, since its run began, by reason.
    """

    stream: str
    run: int
    number: int
    row: int
    lost: dict[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Due:
    """A numbered message whose turn it is; ``lost`` are the rows lost since the one before."""

    header: wire.AnyHeader
    frames: wire.Frames
    lost: dict[str, int]


class StreamOrder:
    """The order of one run of one stream.

    Args:
        stream: its name.
        run: the publisher's run.
        from_start: the stream began after we joined: everything from number 0 is ours. Otherwise
            what came before the first message we see is not counted, neither as produced nor as lost.
        patience_s: see :data:`PATIENCE_S`.
        position: of the same run: what came before was had by another subscriber, and is not counted.
    """

    def __init__(
        self,
        stream: str,
        run: int,
        *,
        from_start: bool,
        patience_s: float = PATIENCE_S,
        position: Position | None = None,
    ) -> None:
        self.stream = stream
        self.run = run
        self.finished = False
        """The end was handed out; nothing follows."""
        self._patience_s = patience_s
        self._next: int | None = 0 if from_start else None
        self._row = 0
        self._lost: dict[str, int] = {}
        self._row_joined = 0
        self._lost_joined: dict[str, int] = {}
        self._known = 0  # messages below this number exist
        self._known_row = 0  # rows in them
        self._held: dict[int, Held] = {}
        self._held_bytes = 0
        self._lacking: set[int] = set()
        self._ended: wire.EndedHeader | None = None
        self._progress: float | None = None  # when the gap opened, or last became smaller
        self._asked = float("-inf")
        self._asked_last = -1
        if position is not None:
            self._next = self._known = position.number
            self._row = self._row_joined = self._known_row = position.row
            self._lost, self._lost_joined = dict(position.lost), dict(position.lost)

    @property
    def position(self) -> Position | None:
        """Where it is; None before the first message."""
        if self._next is None:
            return None
        return Position(self.stream, self.run, self._next, self._row, self._lost)

    def offer(self, header: wire.AnyHeader, frames: wire.Frames, now: float) -> bool:
        """Take in a message of this run; False if it was known already."""
        if isinstance(header, wire.NUMBERED):
            return self._offer_numbered(header, frames, now)
        if isinstance(header, wire.EndedHeader):
            self._ended = self._ended or header
        if self._next is None:  # we join at what comes next
            self._join(header)
        if header.number > self._known:
            self._known, self._known_row = header.number, header.row
        self._note_gap(now)
        return True

    def _offer_numbered(self, header: wire.AnyHeader, frames: wire.Frames, now: float) -> bool:
        number = header.number
        if self._next is None:
            self._join(header)
        assert self._next is not None
        if number < self._next or number in self._held:
            return False
        size = sum(len(frame) for frame in frames)
        full = len(self._held) >= MAX_HELD or self._held_bytes + size > MAX_HELD_BYTES
        if not full or number == self._next:
            self._held[number] = (header, frames)
            self._held_bytes += size
        rows = header.rows if isinstance(header, wire.DataHeader) else 0
        if number + 1 > self._known:
            self._known, self._known_row = number + 1, header.row + rows
        if self._progress is not None and number in self._held:
            self._progress = now
        if number <= self._asked_last:
            self._asked = now  # what was asked for is arriving: no need to ask again yet
        self._note_gap(now)
        return True

    def _join(self, header: wire.AnyHeader) -> None:
        self._next = header.number
        self._row = self._row_joined = header.row
        self._lost, self._lost_joined = dict(header.lost), dict(header.lost)

    def lacking(self, first: int, last: int) -> None:
        """Take note that the publisher has these messages no longer."""
        if self._next is not None:
            self._lacking.update(
                range(max(first, self._next), min(last, first + MAX_WANTED, self._known) + 1)
            )

    def wanted(self, now: float) -> tuple[int, int] | None:
        """Return the first missing range (both included) if it is time to ask for it."""
        if self._next is None or not self.has_gap:
            return None
        if now - self._asked < RETRY_S and self._next <= self._asked_last:
            return None  # it is on its way
        first = self._next
        while first < self._known and (first in self._held or first in self._lacking):
            first += 1
        if first >= self._known:
            return None
        last = first
        while (
            last + 1 < self._known
            and last + 1 not in self._held
            and last + 1 not in self._lacking
            and last - first + 1 < MAX_WANTED
        ):
            last += 1
        self._asked, self._asked_last = now, last
        return first, last

    @property
    def has_gap(self) -> bool:
        """Whether a message is known to exist whose turn it is, and which is not here."""
        return self._next is not None and self._next < self._known and self._next not in self._held

    def due(self, now: float) -> Iterator[Due | Missed | Ended]:
        """Yield what can be handed out now, in order."""
        while not self.finished and self._next is not None:
            if self._next in self._held:
                yield self._pop(now)
            elif self._next < self._known:
                if not self._hopeless(now):
                    return
                yield self._give_up(now)
            elif self._ended is not None and self._next >= self._ended.number:
                self.finished = True
                yield self._end(self._ended)
            else:
                return

    def abandon(self) -> Iterator[Due | Missed]:
        """Yield all that is held, without waiting for gaps: the publisher is gone."""
        while self._next is not None and self._next < self._known:
            yield self._pop(0.0) if self._next in self._held else self._give_up(0.0)

    def _note_gap(self, now: float) -> None:
        if not self.has_gap:
            self._progress = None
        elif self._progress is None:
            self._progress = now

    def _pop(self, now: float) -> Due:
        assert self._next is not None
        header, frames = self._held.pop(self._next)
        self._held_bytes -= sum(len(frame) for frame in frames)
        rows, lost = 0, {}
        if isinstance(header, wire.DataHeader):  # losses belong to rows: words let them stand
            rows, lost = header.rows, _less(header.lost, self._lost)
            self._lost = dict(header.lost)
        self._row = header.row + rows
        self._advance(self._next + 1, now)
        return Due(header, frames, lost)

    def _hopeless(self, now: float) -> bool:
        if self._progress is not None and now - self._progress > self._patience_s:
            return True
        # How many rows were in what the publisher lacks, only the message after it can tell.
        stop = self._lacking_until()
        return stop in self._held or stop == self._known

    def _lacking_until(self) -> int:
        assert self._next is not None
        stop = self._next
        while stop in self._lacking:
            stop += 1
        return stop if stop > self._next else -1

    def _give_up(self, now: float) -> Missed:
        stop = self._lacking_until()
        if stop not in self._held:
            stop = min(self._held, default=self._known)
        row = self._held[stop][0].row if stop in self._held else self._known_row
        missed = Missed(self.stream, max(0, row - self._row), "network")
        self._row = row
        self._advance(stop, now)
        return missed

    def _advance(self, number: int, now: float) -> None:
        self._next = number
        if self._lacking:
            self._lacking = {one for one in self._lacking if one >= number}
        self._progress = None
        self._note_gap(now)

    def _end(self, header: wire.EndedHeader) -> Ended:
        produced = header.produced - self._row_joined - sum(self._lost_joined.values())
        return Ended(self.stream, max(0, produced), _less(header.lost, self._lost_joined))


def _less(total: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {
        reason: rows - before.get(reason, 0) for reason, rows in total.items() if rows > before.get(reason, 0)
    }
