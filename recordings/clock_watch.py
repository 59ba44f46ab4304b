"""Whether the clocks of other hosts are still being compared, while recording.

Probes reach the recorder as they are taken. Where a host's stop, its times go on by its last known rate, and
nobody could tell from the rows: so it is said at once, and the file keeps it as an event.
"""

from __future__ import annotations

import dataclasses

from drivers.base import StreamInfo
from drivers.bus.messages import Event
from recordings.sync_clocks import SILENCE_S

WARN_S = 5.0
"""Probes come every two seconds at least; without any for so long they have stopped."""

SHOWN_S = 20.0
"""A clock event of a driver is shown for so long."""


@dataclasses.dataclass
class _Host:
    streams: set[str]
    probed_s: float
    silent: bool = False
    longest_s: float = 0.0


class ClockWatch:
    """Watches the probes of hosts whose clock is not the session's; time is given in, for tests.

    Args:
        session_clock: identity of the session's clock.
    """

    def __init__(self, session_clock: str) -> None:
        self._session_clock = session_clock
        self._hosts: dict[str, _Host] = {}
        self._told: dict[str, tuple[float, str]] = {}

    def announced(self, info: StreamInfo, now_s: float) -> None:
        """A stream began, or began again."""
        if info.host and info.host != self._session_clock:
            host = self._hosts.setdefault(info.host, _Host(set(), now_s))
            if not host.streams:
                host.probed_s = now_s
            host.streams.add(info.name)

    def over(self, stream: str) -> None:
        """A stream ended or failed: its host need not probe for it any more."""
        for host in self._hosts.values():
            host.streams.discard(stream)

    def probed(self, host: str, now_s: float) -> None:
        """Probes of a host came."""
        if host in self._hosts:
            self._hosts[host].probed_s = now_s

    def told(self, event: Event, now_s: float) -> None:
        """A driver told something of its clock."""
        self._told[event.source] = (now_s, event.label)

    def news(self, now_s: float) -> list[tuple[str, str]]:
        """Return what changed since the last call: streams (names, comma between) and words each."""
        found = []
        for host in self._hosts.values():
            silence = now_s - host.probed_s
            silent = bool(host.streams) and silence > WARN_S
            names = ", ".join(sorted(host.streams))
            if silent:
                host.longest_s = max(host.longest_s, silence)
            if silent and not host.silent:
                found.append((names, "no clock probe comes any more: times go on by the last known rate"))
            elif host.silent and not silent and host.streams:
                found.append((names, "clock probes come again"))
            host.silent = silent
        return found

    def warnings(self, now_s: float) -> tuple[str, ...]:
        """Return what is wrong now, a line each."""
        lines = [
            f"{', '.join(sorted(host.streams))}: no clock probe for {now_s - host.probed_s:.0f} s"
            for host in self._hosts.values()
            if host.streams and now_s - host.probed_s > WARN_S
        ]
        lines += [f"{source}: {label}" for source, (at, label) in self._told.items() if now_s - at < SHOWN_S]
        return tuple(lines)

    @property
    def problems(self) -> list[str]:
        """What was wrong for long enough to matter, a line each."""
        return [
            f"clock probes of a host stopped for {host.longest_s:.0f} s; chorus check tells where"
            for host in self._hosts.values()
            if host.longest_s > SILENCE_S
        ]
