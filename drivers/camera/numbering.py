"""Numbers for the pictures of one source, over every connection to it.

::

    the source numbers its pictures     that number decides, also over a cut
    one connection, no numbers          each picture that comes is the next one
    over a cut, the source's clock      its time between x its rate - 1
      went on
    over a cut, neither                 begun anew: the loop that runs drivers reckons by the time between
"""

from __future__ import annotations

from drivers.base import NO_TIME
from drivers.camera.picture import Picture

ENOUGH = 20
"""Pictures whose stamps tell the source's rate."""
APART_NS, APART = 250_000_000, 0.02
"""How far the source's clock and the host's may differ over a cut (ns, share), and be those of before."""
LEAP = 100_000
"""A number further ahead than this is another numbering."""


class Numbering:
    """Gives each picture its number and the losses before it.

    Attributes:
        begun: any picture was numbered.
        counted: the losses told with the newest picture hold all that the source made since the one before.
    """

    def __init__(self) -> None:
        self.begun, self.counted = False, True
        self._next = 0
        self._last: Picture | None = None
        self._counts = False  # the source's numbers were seen to count pictures
        self._cut = False
        self._first: tuple[int, int] | None = None  # this connection's first stamp, and number
        self._span = self._rows = 0  # ns and pictures between stamps, of connections that are over

    def cut(self) -> None:
        """Note that the connection is over: the next picture comes through another."""
        if self._last is not None:
            span, rows = self._stamped()
            self._span, self._rows = self._span + span, self._rows + rows
        self._first, self._cut = None, self.begun

    def take(self, picture: Picture, refused: int = 0) -> tuple[int, dict[str, int]]:
        """Return the picture's number and the losses just before it, by reason.

        Args:
            picture: with those that were damaged before it.
            refused: pictures that came and found no room.
        """
        known = refused + picture.damaged
        missing = self._missing(picture)
        self.counted = missing is not None
        gap = max(0, (missing or 0) - known)
        number = self._next + known + gap if self.counted else known
        if self._first is None and picture.time_device != NO_TIME:
            self._first = picture.time_device, number
        self._next, self._last, self._cut, self.begun = number + 1, picture, False, True
        lost = {"driver_queue": refused, "checksum": picture.damaged, "device_gap": gap}
        return number, {reason: rows for reason, rows in lost.items() if rows}

    def _missing(self, picture: Picture) -> int | None:
        """Return how many pictures the source made since the one before; None: nobody can tell."""
        last = self._last
        if last is None:
            return 0
        if picture.number is not None and last.number is not None:
            step = picture.number - last.number
            self._counts = self._counts or step == 1
            if self._counts and 1 <= step <= LEAP:
                return step - 1
        return self._by_clock(last, picture) if self._cut else 0

    def _by_clock(self, last: Picture, picture: Picture) -> int | None:
        if NO_TIME in (last.time_device, picture.time_device) or self._rows < ENOUGH or self._span <= 0:
            return None
        own, host = picture.time_device - last.time_device, picture.time_host - last.time_host
        if own <= 0 or abs(own - host) > APART_NS + APART * host:
            return None
        return max(0, round(own * self._rows / self._span) - 1)

    def _stamped(self) -> tuple[int, int]:
        """Return ns and pictures from the connection's first stamp to its last."""
        last = self._last
        if last is None or self._first is None or last.time_device <= self._first[0]:
            return 0, 0
        return last.time_device - self._first[0], self._next - 1 - self._first[1]
