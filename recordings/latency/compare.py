"""Which latency a stream has against another, from the events of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from recordings.latency.estimate import Fit, constant
from recordings.latency.events import Events
from recordings.latency.found import Latency
from recordings.latency.match import FEWEST, Match, match
from recordings.latency.shocks import instants
from recordings.latency.streams import SECOND, Span, acceleration, feels, hears, shock_events, sound_events

if TYPE_CHECKING:
    from recordings.reader import Recording
    from recordings.stream_reader import StreamReader

MAX_LAG_S = 0.3
"""Latencies beyond this are not looked for: cameras and radio links stay within 0.2 s."""
LOOKED_AT_S = 600.0
"""A longer recording is looked at in its first and last half of this by :func:`cross_modal`, s."""


def latency_from(found: Match, other: Fit, reference: str, method: str) -> Latency | None:
    """Return the latency told by matched events; None where fewer than three agree.

    Args:
        found: the match.
        other: the other stream's K instants once more, refined.
        reference: name of the reference.
        method: what was compared.
    """
    if int(other.sure.sum()) < FEWEST:
        return None
    mine = found.reference[other.sure]
    differences = (other.time[other.sure] - mine) * 1e3
    best = constant(differences)
    if int(best.used.sum()) < FEWEST:
        return None
    return Latency(
        latency_ms=best.value,
        spread_ms=best.spread,
        uncertainty_ms=float(np.hypot(best.uncertainty, 1.96 * other.doubt_s * 1e3)),
        events=int(best.used.sum()),
        reference=reference,
        method=method,
        chance=found.chance,
        time=tuple(np.rint(mine[best.used] * SECOND).astype(np.int64).tolist()),
        residual_ms=tuple((differences[best.used] - best.value).tolist()),
    )


def compare_shocks(
    reference: Events, name: str, stream: StreamReader, span: Span, max_lag_s: float = MAX_LAG_S
) -> Latency | None:
    """Return the latency of an accelerometer against a reference's events; None where they share none."""
    found = match(reference, shock_events(stream, span), max_lag_s=max_lag_s)
    if found is None:
        return None
    times, force = acceleration(stream, span)
    fine = instants(times, force, found.reference + found.lag_s, locked=True)
    return latency_from(found, fine, name, "shock")


def compare_sound(
    reference: Events, name: str, stream: StreamReader, span: Span, max_lag_s: float = MAX_LAG_S
) -> Latency | None:
    """Return the latency of a microphone against a reference's events; None where they share none."""
    found = match(reference, sound_events(stream, span), max_lag_s=max_lag_s)
    if found is None:
        return None
    return latency_from(found, Fit(found.other, np.ones(len(found.other), bool)), name, "onset of sound")


def whole(recording: Recording) -> Span:
    """Return the span of a recording, ns."""
    stamps = [stream.stamps["time"] for stream in recording.streams.values() if len(stream)]
    if not stamps:
        return 0, 0
    return min(int(time[0]) for time in stamps), max(int(time[-1]) for time in stamps) + 1


def cross_modal(recording: Recording) -> dict[str, Latency]:
    """Return what shared impacts say of the streams of sound and acceleration, pictures left aside.

    The reference is the first stream of sound, or the first accelerometer where there is no sound or
    nothing is heard. Streams that share no impacts with it are left out: no news is no news.

    Raises:
        RecordingUnreadable: a chunk is damaged.
    """
    listed: dict[str, Callable[..., Latency | None]] = {
        name: compare_sound if hears(stream) else compare_shocks
        for name, stream in recording.streams.items()
        if hears(stream) or feels(stream)
    }
    if len(listed) < 2:
        return {}
    reference = min(listed, key=lambda name: listed[name] is not compare_sound)
    out: dict[str, Latency] = {}
    stream = recording.streams[reference]
    find = sound_events if hears(stream) else shock_events
    for span in _looked_at(whole(recording)):
        events = find(stream, span)
        for name, compare in listed.items():
            if name == reference or len(events) < FEWEST:
                continue
            found = compare(events, reference, recording.streams[name], span)
            if found is not None and (name not in out or found.chance < out[name].chance):
                out[name] = found
    return out


def _looked_at(span: Span) -> list[Span]:
    half = int(LOOKED_AT_S / 2 * SECOND)
    if span[1] - span[0] <= 2 * half:
        return [span]
    return [(span[0], span[0] + half), (span[1] - half, span[1])]
