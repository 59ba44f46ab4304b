"""Which devices are away while a recording goes on, and how often and how long each was."""

from __future__ import annotations

import dataclasses

from drivers.bus.messages import BACK, LOST, Event


@dataclasses.dataclass
class Absence:
    """The absences of one stream's device.

    Attributes:
        times: how often it was away.
        seconds: how long, those that are over.
        why: why it is away now, in one line; empty while it is there.
    """

    times: int = 0
    seconds: float = 0.0
    why: str = ""
    _since: int = 0


class Absences:
    """Learns from the events of the bus. A device that is away does not end its stream.

    Args:
        begin, end: kinds of events that an absence, or what else is counted, begins and ends with.
    """

    def __init__(self, begin: str = LOST, end: str = BACK) -> None:
        self._begin, self._end = begin, end
        self._known: dict[str, Absence] = {}

    def told(self, event: Event) -> None:
        """Take note of an event of any kind."""
        if event.kind == self._begin:
            one = self._known.setdefault(event.source, Absence())
            if not one.why:
                one.times, one._since = one.times + 1, event.time
            one.why = event.label or "it is gone"
        elif event.kind == self._end and event.source in self._known:
            one = self._known[event.source]
            if one.why:
                one.why, one.seconds = "", one.seconds + max(event.time - one._since, 0) * 1e-9

    def of(self, stream: str) -> Absence:
        """Return the absences of a stream."""
        return self._known.get(stream, Absence())

    def over(self, stream: str) -> None:
        """Note that a stream ended, or failed for good: its device is missed no more."""
        if stream in self._known:
            self._known[stream].why = ""
