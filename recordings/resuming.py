"""May a recorder go on with a session file? ``chorus record --resume FILE``."""

from __future__ import annotations

import re
from pathlib import Path

from drivers.bus.session import SessionInfo
from drivers.clock.host import clock_identity
from drivers.errors import RecordingError
from drivers.rig import Rig
from recordings import layout
from recordings.reader import open_recording

_ID = re.compile(r"[0-9a-f]{32}\Z")


def session_to_resume(path: Path, rig: Rig) -> layout.SessionAttributes:
    """Return what a session file says of itself, if it can be gone on with.

    Raises:
        RecordingUnreadable: it can't be read.
        RecordingError: it is damaged, edited, or from before this machine was last started; or a camera that
            stores no picture in the rig did so in the file, or the other way round.
    """
    with open_recording(path) as recording:
        session = recording.session
        if recording.damaged:
            raise RecordingError(
                f"{path}: {next(iter(recording.damaged.values()))}",
                mend="chorus repair makes a sound copy first",
            )
        if session.edits or not _ID.match(session.id):
            raise RecordingError(
                f"{path} was not made by chorus record, or was edited since",
                mend="Record into another file; chorus merge joins them",
            )
        if session.clock != clock_identity():
            raise RecordingError(
                f"{path} is from another machine, or from before this one was last started",
                mend="Record into another file; chorus merge --by_utc joins them",
            )
        for name, stream in recording.all_streams.items():
            private = name in rig.streams and rig.streams[name].store == "none"
            if name in rig.streams and private != stream.withheld:
                how = "with" if private else "without"
                raise RecordingError(
                    f"{path}: {name} was recorded {how} its data, and the rig says otherwise",
                    mend=f"Set streams.{name}.store as it was, or record into another file",
                )
        return session


def session_info(session: layout.SessionAttributes) -> SessionInfo:
    """Return the bus's session of a file."""
    return SessionInfo(
        id=session.id,
        epoch_ns=session.epoch_ns,
        utc_ns=session.utc_ns,
        utc_uncertainty_ns=session.utc_uncertainty_ns,
        clock=session.clock,
    )
