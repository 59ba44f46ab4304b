"""Sessions recorded at the same time as one: ``chorus merge``.

The first one's clock is the clock of the whole. Where another was recorded on the same host, its times follow
exactly, for both count from the same monotonic clock; between hosts only UTC is common, and the bound on the
times says how badly.
"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import msgspec

from drivers.base import NAME
from drivers.errors import RecordingError
from recordings.editing.copying import Copy, history, refuse_damage
from recordings.reader import Recording, open_recording


def merge(
    paths: list[Path | str], output: Path | str, *, by_utc: bool = False, rename: dict[str, str] | None = None
) -> Path:
    """Copy all streams of several sessions onto one axis of time; return the new file.

    Args:
        paths: the session files; the first one's time is kept, and its subject, task and rig.
        output: the new file.
        by_utc: sessions of different hosts may be joined by their computers' UTC; the bound on the times of
            the later ones grows by the doubt of both.
        rename: new names of streams of the later sessions, by the old ones.

    Raises:
        RecordingError: the sessions have no clock in common, a name is twice, or one must be repaired first.
        RecordingExists: the output is there already.
    """
    if len(paths) < 2:
        raise RecordingError("there is nothing to merge", mend="Give two session files or more")
    rename = rename or {}
    with contextlib.ExitStack() as stack:
        recordings = [stack.enter_context(open_recording(path)) for path in paths]
        for recording in recordings:
            refuse_damage(recording)
        if len({path.resolve() for path in map(Path, paths)}) < len(paths):
            raise RecordingError("the same file is given twice", mend="Give each session once")
        names = _names(recordings, rename)
        shifts = [_shift(recordings[0], other, by_utc=by_utc) for other in recordings]
        first = recordings[0].session
        ends = [
            (other.session.start_ns + shift, other.session.stop_ns + shift)
            for other, (shift, _) in zip(recordings, shifts, strict=True)
            if other.session.start_ns >= 0 and other.session.stop_ns >= 0
        ]
        session = dataclasses.replace(
            first,
            expected=tuple(names[0, name] for name in first.expected if (0, name) in names)
            + tuple(
                new for (at, name), new in names.items() if at and name in recordings[at].session.expected
            ),
            start_ns=min((start for start, _ in ends), default=-1),
            stop_ns=max((stop for _, stop in ends), default=-1),
            edits=history(first, "merge", sources=[recording.path.name for recording in recordings]),
        )
        with Copy(output, session) as copy:
            for at, (recording, (shift, doubt)) in enumerate(zip(recordings, shifts, strict=True)):
                for name, stream in recording.all_streams.items():
                    info = msgspec.structs.replace(stream.info, name=names[at, name])
                    copy.stream(stream, info=info, shift_ns=shift, widen_ns=doubt)
                copy.events(recording.events, recording.labels, shift_ns=shift)
                if not at:  # probes of the others compare with another clock
                    for host, probes in recording.probes.items():
                        copy.probes(host, probes)
    return Path(output)


def _names(recordings: list[Recording], rename: dict[str, str]) -> dict[tuple[int, str], str]:
    """Return the new name of each stream of each session."""
    for new in rename.values():
        if not NAME.match(new):
            raise RecordingError(
                f"'{new[:80]}' cannot name a stream", mend="Use small letters, digits and _, a letter first"
            )
    names: dict[tuple[int, str], str] = {}
    for at, recording in enumerate(recordings):
        for name in recording.all_streams:
            new = rename.get(name, name) if at else name
            if new in names.values():
                raise RecordingError(
                    f"{recording.path} and one before it both have a stream '{new}'",
                    mend=f"Give it another name there with --rename {name}={name}_{at + 1}",
                )
            names[at, name] = new
    if unknown := rename.keys() - {name for at, name in names if at}:
        raise RecordingError(
            f"no later session has a stream '{min(unknown)}' to rename",
            mend="chorus info shows their streams",
        )
    return names


def _shift(first: Recording, other: Recording, *, by_utc: bool) -> tuple[int, int]:
    """Return what is added to another session's times, and what to their bounds, ns."""
    if other is first or (other.session.clock == first.session.clock and first.session.clock):
        return other.session.epoch_ns - first.session.epoch_ns, 0
    if not by_utc:
        raise RecordingError(
            f"{first.path} and {other.path} were recorded on clocks that were never compared",
            mend="--by_utc joins them by their computers' UTC and says how sure that is; better, record both "
            "on one bus",
        )
    if not (first.session.utc_ns and other.session.utc_ns):
        raise RecordingError(f"{other.path} does not know its UTC", mend="It can't be merged")
    doubt = first.session.utc_uncertainty_ns + other.session.utc_uncertainty_ns
    return other.session.utc_ns - first.session.utc_ns, doubt
