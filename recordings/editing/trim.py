"""A stretch of a session as a session: ``chorus trim``.

Session times stay what they were, so that a stretch still fits its session, its markers and its truth.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from drivers.errors import RecordingError
from recordings.editing.copying import Copy, history, lost_between, refuse_damage
from recordings.labels import Label
from recordings.reader import Recording, open_recording


def trim(
    path: Path | str,
    output: Path | str | None = None,
    *,
    start: str | float | None = None,
    stop: str | float | None = None,
) -> Path:
    """Copy the rows of a stretch of time; return the new file.

    A row is taken where start <= its time < stop; a block of sound by the time of its first row.

    Args:
        path: the session file.
        output: the new file; ``NAME.trimmed.h5`` beside it by default.
        start, stop: session time, s, or the words of a marker; None for the end of the session.

    Raises:
        RecordingError: there is no such marker, nothing lies between, or the session must be repaired first.
        RecordingExists: the output is there already.
    """
    path = Path(path)
    output = Path(output) if output is not None else path.with_suffix(f".trimmed{path.suffix or '.h5'}")
    with open_recording(path) as recording:
        refuse_damage(recording)
        start_ns, stop_ns = instant(recording, start, -math.inf), instant(recording, stop, math.inf)
        kept = {
            name: (stream.stamps["time"] >= start_ns) & (stream.stamps["time"] < stop_ns)
            for name, stream in recording.all_streams.items()
        }
        if not any(rows.any() for rows in kept.values()):
            raise RecordingError(
                f"{path} holds nothing between {start} and {stop}",
                mend=f"It lasts {_span(recording)}; chorus info shows its markers",
            )
        session = recording.session
        first = min(int(stream.stamps["time"][kept[name]].min()) for name, stream in _kept(recording, kept))
        last = max(int(stream.stamps["time"][kept[name]].max()) for name, stream in _kept(recording, kept))
        session = dataclasses.replace(
            session,
            start_ns=first
            if start_ns == -math.inf and session.start_ns < 0
            else max(first, session.start_ns),
            stop_ns=last if session.stop_ns < 0 else min(last, session.stop_ns),
            edits=history(session, "trim", source=path.name, start_ns=first, stop_ns=last),
        )
        with Copy(output, session) as copy:
            for name, stream in recording.all_streams.items():
                copy.stream(stream, kept[name], lost=lost_between(stream, kept[name]))
            copy.events(
                [event for event in recording.events if start_ns <= event.time < stop_ns],
                [
                    Label(max(label.start, first), min(label.stop, last), label.action, label.who)
                    for label in recording.labels
                    if label.start < stop_ns and label.stop >= start_ns
                ],
            )
            for host, probes in recording.probes.items():  # all: a clock is the better known for it
                copy.probes(host, probes)
            copy.extras(recording.extras)
    return output


def instant(recording: Recording, when: str | float | None, otherwise: float) -> float:
    """Return a session time, ns, from seconds or from the words of a marker.

    Raises:
        RecordingError: it is neither.
    """
    if when is None:
        return otherwise
    try:
        seconds = float(when)
    except ValueError:
        pass
    else:
        if math.isfinite(seconds):
            return seconds * 1e9
    times = [event.time for event in recording.events if event.kind == "mark" and event.label == when]
    if not times:
        known = list(dict.fromkeys(event.label for event in recording.events if event.kind == "mark"))
        raise RecordingError(
            f"{recording.path}: '{when}' is neither seconds nor a marker",
            mend=f"Its markers are {', '.join(known[:20])}" if known else "It has no markers: give seconds",
        )
    return float(min(times))


def _kept(recording: Recording, kept: dict) -> list:
    return [(name, stream) for name, stream in recording.all_streams.items() if kept[name].any()]


def _span(recording: Recording) -> str:
    times = [stream.stamps["time"] for stream in recording.all_streams.values() if len(stream)]
    if not times:
        return "no time at all"
    return f"from {min(t[0] for t in times) * 1e-9:.2f} to {max(t[-1] for t in times) * 1e-9:.2f} s"
