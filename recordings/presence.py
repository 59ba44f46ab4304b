"""What is known of each stream while it is recorded: there, away, silent, faulty, failed or over."""

from __future__ import annotations

from drivers.base import StreamInfo
from drivers.bus.messages import FAULTY, MENDED, Event
from recordings.absences import Absences
from recordings.clock_watch import ClockWatch
from recordings.silence import Silence


class Presence:
    """Learns from what the bus brings; time is given in, for tests.

    Args:
        session_clock: identity of the session's clock.

    Attributes:
        alive: streams that were announced and have neither ended nor failed.
        over: streams whose end is here.
        errors: why a stream was given up, by its name.
        failed: of these, whose drivers said so: they may come back.
        absences: of devices that are waited for.
        faults: of devices that send rows that are no data.
        clocks: of other hosts.
        silence: of streams that should send.
    """

    def __init__(self, session_clock: str) -> None:
        self.alive: set[str] = set()
        self.over: set[str] = set()
        self.errors: dict[str, str] = {}
        self.failed: set[str] = set()
        self.absences = Absences()
        self.faults = Absences(FAULTY, MENDED)
        self.clocks = ClockWatch(session_clock)
        self.silence = Silence()

    def announced(self, info: StreamInfo, now_s: float) -> None:
        """A stream began, or began again."""
        self.alive.add(info.name)
        self.over.discard(info.name)
        self.clocks.announced(info, now_s)
        self.silence.announced(info, now_s)

    def ended(self, stream: str) -> None:
        """A stream's end is here."""
        self.over.add(stream)
        self.alive.discard(stream)
        self.clocks.over(stream)
        self.absences.over(stream)

    def given_up(self, stream: str, error: str) -> bool:
        """A stream failed; return whether that is new."""
        self.alive.discard(stream)
        self.clocks.over(stream)
        new = stream not in self.errors
        if new:
            self.errors[stream] = error
        return new

    def back(self, info: StreamInfo, now_s: float) -> None:
        """A stream that had failed sends again."""
        self.failed.discard(info.name)
        self.errors.pop(info.name, None)
        self.announced(info, now_s)

    def told(self, event: Event, now_s: float) -> None:
        """A driver told something of its device or its clock."""
        self.absences.told(event)
        self.faults.told(event)
        if event.kind == "clock":
            self.clocks.told(event, now_s)

    def silences(self, now_s: float) -> list[tuple[str, str]]:
        """Return which streams fell silent or are back since the last call: a stream and words each."""
        return self.silence.news({name for name in self.alive if not self.absences.of(name).why}, now_s)
