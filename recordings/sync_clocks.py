"""The clocks of a recording: what its probes say of them, and the way from arrival to session time."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.bus.messages import PROBE
from drivers.clock.host import HostTrack, smooth
from drivers.clock.probe_line import possible
from recordings.reader import Recording
from recordings.stream_reader import StreamReader

SILENCE_S = 10.0
"""Probes come several times in ten seconds; where none came for so long, they had stopped."""

Ns = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class ClockSync:
    """What the probes tell of one host's clock.

    Attributes:
        probes: how many there are.
        round_trip_ms: median time of question and answer together.
        silences: places without a probe for more than :data:`SILENCE_S` while streams of that host ran.
        longest_silence_s: the longest of them, 0 for none.
        skew_ppm: how much too slow the host's clock runs against the session's, over the whole recording.
        steps: times that the host's clock jumped against the session's.
        bound_ms: bound on the host's offset, median over its probes.
    """

    probes: int = 0
    round_trip_ms: float = 0.0
    silences: int = 0
    longest_silence_s: float = 0.0
    skew_ppm: float = 0.0
    steps: int = 0
    bound_ms: float = 0.0


class HostClocks:
    """The clocks of all hosts of a recording, each estimated once, from all of its probes.

    A host whose clock is the session's needs none; one that the file does not name counts as such.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._tracks: dict[str, HostTrack | None] = {}

    @property
    def others(self) -> list[str]:
        """Identities of the hosts with streams or probes whose clock is not the session's."""
        hosts = {stream.info.host for stream in self._streams() if len(stream)} | set(self._recording.probes)
        return sorted(host for host in hosts if not self.is_session(host))

    def is_session(self, host: str) -> bool:
        """Whether a host's clock is the session's, as far as the file tells."""
        own = self._recording.session.clock
        return not host or not own or host == own

    def track(self, host: str) -> HostTrack | None:
        """Return the map from a host's monotonic time to session time, or None where nothing tells it."""
        if host not in self._tracks:
            same, probes = self.is_session(host), self.probes(host)
            known = same or len(probes)
            epoch = self._recording.session.epoch_ns
            self._tracks[host] = smooth(probes, epoch, same=same) if known else None
        return self._tracks[host]

    def arrival(self, stream: StreamReader) -> Ns:
        """Return the session time (N,) at which each stamp's row arrived, ns.

        Where nothing tells the host's clock, arrivals are moved by a constant to fit the corrected times.
        """
        host_ns = stream.stamps["time_host"].astype(np.int64)
        track = self.track(stream.info.host)
        if track is not None:
            return track.to_session(host_ns)[0]
        return host_ns + np.int64(np.median(stream.stamps["time"].astype(np.int64) - host_ns))

    def probes(self, host: str) -> NDArray[Any]:
        """Return the host's probes (P,) of PROBE that can be, in order."""
        return valid(self._recording.probes.get(host, np.empty(0, PROBE)))

    def silences(self, host: str) -> list[tuple[int, float]]:
        """Return where the host's probes stopped, see :func:`silences`; none where they are not needed."""
        probes = self.probes(host)
        return [] if self.is_session(host) or not len(probes) else silences(probes, *self._span(host))

    def figures(self, host: str) -> ClockSync:
        """Measure the clock of one host; see :class:`ClockSync`."""
        probes, track = self.probes(host), self.track(host)
        if not len(probes) or track is None:
            return ClockSync()
        found = self.silences(host)
        asked = probes["t0"].astype(np.int64)
        time, bound = track.to_session(asked)
        span = int(asked[-1] - asked[0])
        trip = (probes["t3"] - probes["t0"]) - (probes["t2"] - probes["t1"])
        return ClockSync(
            probes=len(probes),
            round_trip_ms=float(np.median(trip)) * 1e-6,
            silences=len(found),
            longest_silence_s=max((length for _, length in found), default=0.0),
            skew_ppm=(int(time[-1] - time[0]) / span - 1) * 1e6 if span > 0 else 0.0,
            steps=len(track.steps),
            bound_ms=float(np.median(bound)) * 1e-6,
        )

    def problems(self) -> list[str]:
        """Say of each host whose probes are missing or stopped what that means, a line each."""
        lines = []
        for host in self.others:
            names = ", ".join(s.info.name for s in self._streams() if s.info.host == host and len(s))
            start, _ = self._span(host)
            if not names:
                continue
            if not len(self.probes(host)):
                lines.append(f"{names}: the clock of their host was never compared with the session's")
            for since, length in self.silences(host):
                at = max((since - start) * 1e-9, 0.0)
                lines.append(
                    f"{names}: clock probes stopped for {length:.1f} s, {at:.1f} s after the first row"
                )
        return lines

    def _streams(self) -> list[StreamReader]:
        return list(self._recording.all_streams.values())

    def _span(self, host: str) -> tuple[int, int]:
        """Host monotonic time of the first and the last stamp of a host's streams, ns."""
        stamps = [s.stamps["time_host"] for s in self._streams() if s.info.host == host and len(s)]
        if not stamps:
            return 0, 0
        return min(int(s.min()) for s in stamps), max(int(s.max()) for s in stamps)


def valid(probes: NDArray[Any]) -> NDArray[Any]:
    """Return the probes (P,) of PROBE that can be, in the order of their t0, each once."""
    return np.unique(probes[possible(probes)])


def silences(probes: NDArray[Any], start_ns: int, stop_ns: int) -> list[tuple[int, float]]:
    """Find where no probe came for longer than :data:`SILENCE_S`.

    Args:
        probes: (P,) of PROBE.
        start_ns, stop_ns: host monotonic time of the host's first and last row.

    Returns:
        host monotonic time of the last probe before (``start_ns`` where none was), and how long, s.
    """
    answers = np.sort(probes["t3"].astype(np.int64))
    earlier = answers[answers <= start_ns]
    begin = max(int(earlier[-1]), start_ns - int(SILENCE_S * 1e9)) if len(earlier) else start_ns
    within = answers[(answers > start_ns) & (answers < stop_ns)]
    edges = np.concatenate(([begin], within, [max(stop_ns, start_ns)])).astype(np.int64)
    lengths = np.diff(edges) * 1e-9
    return [(int(edges[i]), float(lengths[i])) for i in np.flatnonzero(lengths > SILENCE_S)]
