"""A session without what tells who was recorded, where and when: ``chorus anonymise``.

By default nothing stays but rows of sensors, key points and poses with their times from the session's start,
and markers. Taken away: pictures and sound, subject and metadata, the rig's text, names of devices and hosts,
what drivers told of themselves, events that programs wrote, and the date.
"""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path

import msgspec

from drivers.base import NO_TIME
from recordings import layout
from recordings.editing.copying import Copy, history, refuse_damage
from recordings.reader import Recording, open_recording
from recordings.stream_reader import StreamReader

KEPT_EVENTS = ("mark", "label_start", "label_stop")
"""Kinds of events whose words stay: those that a person chose."""


@dataclasses.dataclass(frozen=True)
class AnonymiseReport:
    """What was taken away, and what stays that a person should look at.

    Attributes:
        output: the new file.
        removed: a line each.
        remains: a line each.
    """

    output: Path
    removed: tuple[str, ...]
    remains: tuple[str, ...]


def anonymise(
    path: Path | str,
    output: Path | str,
    *,
    keep_pictures: bool = False,
    keep_sound: bool = False,
    keep_date: bool = False,
    subject: str = "",
) -> AnonymiseReport:
    """Copy a session without what identifies a person.

    Args:
        path: the session file.
        output: the new file; it has no default, so that its name gives nothing away by accident.
        keep_pictures, keep_sound: leave them in; faces and voices identify people.
        keep_date: leave the time of the recording in.
        subject: a pseudonym to put in place of the subject.

    Raises:
        RecordingError: the session must be repaired first.
        RecordingExists: the output is there already.
    """
    removed: list[str] = []
    remains: list[str] = []
    with open_recording(path) as recording:
        refuse_damage(recording)
        old = recording.session
        session = layout.SessionAttributes(
            id=uuid.uuid4().hex,
            utc_ns=old.utc_ns if keep_date else 0,
            utc_uncertainty_ns=old.utc_uncertainty_ns if keep_date else 0,
            clock=_clock(1),
            subject=subject,
            task=old.task,
            software=old.software,
            expected=old.expected,
            start_ns=old.start_ns,
            stop_ns=old.stop_ns,
        )
        date = {} if keep_date else {"utc_ns": 0}
        session = dataclasses.replace(session, edits=history(session, "anonymise", **date))
        removed += ["subject, metadata, rig, history, and identity of the session"]
        removed += [] if keep_date else ["date and time of day"]
        hosts = {old.clock: _clock(1)}
        begins = _begins(recording)
        with Copy(output, session) as copy:
            for name, stream in recording.all_streams.items():
                sees = stream.info.kind in ("camera", "depth") and not keep_pictures
                hears = stream.info.kind == "audio" and not keep_sound
                if stream.info.kind in ("camera", "depth", "audio") and not stream.withheld:
                    what = {"camera": "pictures", "depth": "depth maps"}.get(stream.info.kind, "sound")
                    (removed if sees or hears else remains).append(f"{what} of {name}")
                host = hosts.setdefault(stream.info.host, _clock(len(hosts) + 1)) if stream.info.host else ""
                info = msgspec.structs.replace(stream.info, device="", host=host, properties={})
                ended = stream.ended if stream.ended in ("", "ended") else "its driver failed"
                first_device_ns = 0 if keep_date else _first_device_time(stream)
                copy.stream(
                    stream,
                    info=info,
                    withheld=sees or hears,
                    ended=ended,
                    plain=True,
                    device_shift_ns=-first_device_ns,
                    host_shift_ns=-begins.get(stream.info.host, 0),
                )
            removed += ["names and properties of devices and hosts"]
            chosen = [event for event in recording.events if event.kind in KEPT_EVENTS]
            if len(chosen) < len(recording.events):
                removed.append(f"{len(recording.events) - len(chosen)} events that programs wrote")
            known = set(recording.all_streams)
            copy.events(
                [dataclasses.replace(event, source=_source(event.source, known)) for event in chosen],
                [dataclasses.replace(label, who=_source(label.who, known)) for label in recording.labels],
            )
            for host, probes in recording.probes.items():
                moved = probes.copy()
                for name, clock in (("t0", host), ("t1", old.clock), ("t2", old.clock), ("t3", host)):
                    moved[name] -= begins.get(clock, 0)
                copy.probes(hosts.setdefault(host, _clock(len(hosts) + 1)), moved)
        words = sorted({event.label for event in chosen} | {label.action for label in recording.labels})
        remains += [f"task '{old.task}'"] if old.task else []
        remains += [f"markers and labels: {', '.join(words)[:200]}"] if words else []
        names = ", ".join(recording.all_streams)
        remains += [f"names of streams: {names}"] if names else []
    return AnonymiseReport(Path(output), tuple(removed), tuple(remains))


def _begins(recording: Recording) -> dict[str, int]:
    """Return what each host's clock is moved by, to begin near 0; uncut it links sessions."""
    begins = {recording.session.clock: recording.session.epoch_ns}
    for stream in recording.all_streams.values():
        if len(stream) and stream.info.host:
            begins.setdefault(stream.info.host, int(stream.stamps["time_host"][0]))
    return begins


def _source(source: str, known: set[str]) -> str:
    """Return who said something: a stream, or nobody in particular; hosts have names."""
    return source if source in known or source in ("keyboard", "truth", "") else "somebody"


def _first_device_time(stream: StreamReader) -> int:
    """Return the first time of a device's own clock, which may tell the date; 0 where it has none."""
    times = stream.stamps["time_device"]
    times = times[times != NO_TIME]
    return int(times[0]) if len(times) else 0


def _clock(number: int) -> str:
    return f"host-{number}"
