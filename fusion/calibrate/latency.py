"""The constant latency of every stream of a recording against one of them.

::

    sound, accelerometers ── impacts ── latency against the reference ──┐
                                └─ claps: what an arm felt              ├── Calibration
    pictures ── hands meet, or a hand stops ── latency by the claps ────┘
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from drivers.errors import RecordingError
from fusion.calibrate.hands import Hands, seen_in, stored_in
from fusion.calibrate.meetings import CLAPS, SOFT, TAPS, Shape, fit, meetings, stops
from fusion.features.cache import Seen
from fusion.features.offline import vision_of
from fusion.vision.base import front_end
from recordings.latency.compare import compare_shocks, compare_sound, latency_from, whole
from recordings.latency.events import Array, Events
from recordings.latency.found import Latency
from recordings.latency.match import FEWEST, match
from recordings.latency.streams import SECOND, Span, feels, hears, shock_events, sound_events

if TYPE_CHECKING:
    from recordings.reader import Recording

SOUND_M_S = 343.0
"""Speed of sound in air at 20 degrees Celsius, m/s."""
ARMS = ("hand", "forearm", "upper_arm")
"""Who claps feels it here: blows of other places are steps."""
PICTURE_TOLERANCES_S = (0.005, 0.01, 0.02, 0.035)

Progress = Callable[[str, float], None]


@dataclasses.dataclass(frozen=True)
class Options:
    """How to look for latencies.

    Attributes:
        reference: the stream that is taken as right; empty: sound, or else the first accelerometer.
        max_ms: latencies beyond this are not looked for.
        distance_m: from the claps to the microphone; what sound takes on the way is no latency.
        vision: name of the front end; empty: the one of the session's rig.
        start_s, stop_s: stretch of the session to look at; a negative stop is the end.
    """

    reference: str = ""
    max_ms: float = 300.0
    distance_m: float = 0.0
    vision: str = ""
    start_s: float = 0.0
    stop_s: float = -1.0


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What was found.

    Attributes:
        reference: name of the stream that was taken as right.
        found: latency of each other stream that shares impacts with it.
        missed: streams for which none was found, and why.
    """

    reference: str
    found: dict[str, Latency]
    missed: dict[str, str]


def calibrate(
    recording: Recording, options: Options | None = None, progress: Progress | None = None
) -> Calibration:
    """Find by how much each stream is late against the reference.

    Args:
        recording: an open session with at least three claps or taps, five better.
        options: how.
        progress: called with a stream and the fraction of its pictures done.

    Raises:
        RecordingError: there is no stream to be the reference, or no other shares impacts with it.
        WeightsError: the pose network could not be obtained.
    """
    options = options or Options()
    span = _span(recording, options)
    max_lag, travel = options.max_ms * 1e-3, options.distance_m / SOUND_M_S
    reference = options.reference or _reference(recording)
    stream = recording.streams.get(reference)
    if stream is None or not (hears(stream) or feels(stream)):
        usable = [name for name, one in recording.streams.items() if hears(one) or feels(one)]
        raise RecordingError(
            f"{recording.path}: '{reference}' is no stream of sound or acceleration to compare with",
            mend=f"choose --reference of {', '.join(usable) or 'a recording that has one'}",
        )
    events = sound_events(stream, span) if hears(stream) else shock_events(stream, span)
    events = dataclasses.replace(events, time=events.time - (travel if hears(stream) else 0.0))
    found: dict[str, Latency] = {}
    missed: dict[str, str] = {}
    for name, other in recording.streams.items():
        if name == reference or not (hears(other) or feels(other)):
            continue
        if hears(other):
            late = compare_sound(events, reference, other, span, max_lag)
            late = late and dataclasses.replace(late, latency_ms=late.latency_ms - travel * 1e3)
        else:
            late = compare_shocks(events, reference, other, span, max_lag)
        if late is None:
            missed[name] = f"it shares no impacts with {reference}"
        else:
            found[name] = late
    claps = _claps(events, reference, recording, found)
    for name, hands in _pictures(recording, options, span, progress):
        late = None if hands is None else compare_hands(claps, events, reference, hands, max_lag)
        if late is None:
            missed[name] = (
                "its pictures were not kept" if hands is None else f"no hands meet as in {reference}"
            )
        else:
            found[name] = late
    if not found:
        raise RecordingError(
            f"{recording.path}: no claps or taps that {reference} and another stream share were found",
            mend="record five claps with sensors on the forearms, in view of the camera; chorus check "
            "tells whether a stream is empty",
        )
    return Calibration(reference, found, missed)


def compare_hands(
    claps: Events, events: Events, reference: str, hands: Hands, max_lag_s: float
) -> Latency | None:
    """Return the latency of pictures, by hands that meet, or else by a hand that stops.

    Args:
        claps: impacts of the reference that an arm felt as well; tried first.
        events: all impacts of the reference.
        reference: its name.
        hands: where they were seen.
        max_lag_s: latencies beyond this are not looked for.
    """
    ways: tuple[tuple[str, Array, tuple[Shape, ...]], ...] = (
        ("hands meet", hands.left - hands.right, CLAPS),
        ("hand stops", hands.left, TAPS),
        ("hand stops", hands.right, TAPS),
    )
    for known in (claps, events):
        for method, way, shapes in ways:
            rough = (meetings if shapes is CLAPS else stops)(hands.time, way)
            if min(len(rough), len(known)) < FEWEST:
                continue
            # Roughly, hands meet in the middle of their rest; the shape is told by all meetings together.
            fitted = fit(hands.time, way, rough.time, SOFT if shapes is CLAPS else shapes).time
            order = np.argsort(fitted)
            rough = Events(fitted[order], rough.strength[order])
            same = match(
                known, rough, max_lag_s=max_lag_s, tolerances_s=PICTURE_TOLERANCES_S, ways=2 * len(ways)
            )
            if same is None:
                continue
            fine = fit(hands.time, way, same.reference + same.lag_s, shapes, locked=True)
            late = latency_from(same, fine, reference, method)
            if late is not None:
                return late
    return None


def _reference(recording: Recording) -> str:
    for fits in (hears, feels):
        for name, stream in recording.streams.items():
            if fits(stream):
                return name
    raise RecordingError(
        f"{recording.path} holds neither sound nor acceleration to compare with",
        mend="record a microphone or an IMU along with the rest",
    )


def _span(recording: Recording, options: Options) -> Span:
    first, last = whole(recording)
    start = max(first, round(options.start_s * SECOND))
    stop = last if options.stop_s < 0 else min(last, round(options.stop_s * SECOND))
    return start, max(start, stop)


def _claps(events: Events, reference: str, recording: Recording, found: dict[str, Latency]) -> Events:
    """Return the reference's impacts that a sensor on an arm felt as well."""
    arms = [
        late
        for name, late in found.items()
        if recording.streams[name].info.worn_on.removeprefix("left_").removeprefix("right_") in ARMS
    ]
    times = np.array([time for late in arms for time in late.time]) / SECOND
    near = [bool((np.abs(times - time) < 1e-6).any()) if len(times) else False for time in events.time]
    return Events(events.time[near], events.strength[near])


def _pictures(
    recording: Recording, options: Options, span: Span, progress: Progress | None
) -> list[tuple[str, Hands | None]]:
    cameras = {name: s for name, s in recording.streams.items() if s.info.kind == "camera" and len(s)}
    points = {name: s for name, s in recording.features.items() if "skeleton" in s.info.properties and len(s)}
    out: list[tuple[str, Hands | None]] = []
    for name, camera in cameras.items():
        if camera.withheld:
            kept = [s for s in points.values() if s.info.properties.get("camera", name) == name]
            out.append((name, stored_in(kept[0], span) if kept else None))
            continue
        told = None if progress is None else (lambda done, name=name: progress(name, done))
        seen: dict[int, Seen] = {}
        with front_end(options.vision or vision_of(recording)) as eyes:
            out.append((name, seen_in(camera, eyes, span, seen, told)))
    return out
