"""What a recording in progress, and one that is done, tells of itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

Phase = Literal["starting", "recording", "stopping"]


@dataclasses.dataclass(frozen=True)
class StreamStatus:
    """One stream while recording.

    Attributes:
        name: of the stream.
        state: ``waiting`` for its driver, ``running``, ``away`` (its device is gone, and waited for),
            ``faulty`` (it sends rows that are no data), ``ended`` or ``failed``.
        rows: stored so far.
        rate_hz: rows per second since the last status.
        nominal_rate_hz: what the device promised, 0 where irregular or unknown.
        lost: rows lost so far, for any reason.
        bytes: of data stored so far.
        error: why it failed, is away or faulty, or empty.
        required: the session is not sound without it.
        kind: of the stream, or empty before its announcement.
        bound_ms: bound on the error of its newest row's time, ms; None before the first row.
        age_s: since the capture of its newest row, s; None before the first.
        silent_s: for how long it has sent nothing although it should, s; 0 where all is well.
        level: peak of sound, dB relative to full scale, or an IMU's specific force; None where there is none.
        level_unit: of ``level``.
    """

    name: str
    state: Literal["waiting", "running", "away", "faulty", "ended", "failed"]
    rows: int = 0
    rate_hz: float = 0.0
    nominal_rate_hz: float = 0.0
    lost: int = 0
    bytes: int = 0
    error: str = ""
    required: bool = False
    kind: str = ""
    bound_ms: float | None = None
    age_s: float | None = None
    silent_s: float = 0.0
    level: float | None = None
    level_unit: str = ""


@dataclasses.dataclass(frozen=True)
class RecordStatus:
    """A recording in progress; handed out about twice a second.

    Attributes:
        phase: what it does now.
        address: of the hub, for ``chorus drive`` on other hosts.
        path: the file.
        elapsed_s: since all required streams were there.
        duration_s: how long it is to be, or None for until it is stopped.
        streams: those of the rig, and any others that came.
        warnings: what is wrong now and can't be seen from the rows, a line each.
        file_bytes: size of the file so far.
        free_bytes: room that the disk still has.
        room_s: how long that lasts at the present rate, s; None while that is unknown.
    """

    phase: Phase
    address: str
    path: Path
    elapsed_s: float
    duration_s: float | None
    streams: tuple[StreamStatus, ...]
    warnings: tuple[str, ...] = ()
    file_bytes: int = 0
    free_bytes: int = 0
    room_s: float | None = None


@dataclasses.dataclass(frozen=True)
class StreamSummary:
    """One stream at the end.

    Attributes:
        rows: stored.
        lost: rows lost, by reason.
        unexplained: rows nobody can account for.
        bytes: of data stored.
        required: the session is not sound without it.
        error: why its driver failed, or empty.
        absences: how often its device was away.
        away_s: for how long, those times that it came back.
        faults: how often its device sent rows that are no data.
    """

    rows: int
    lost: dict[str, int]
    unexplained: int
    bytes: int
    required: bool
    error: str = ""
    absences: int = 0
    away_s: float = 0.0
    faults: int = 0


@dataclasses.dataclass(frozen=True)
class RecordSummary:
    """A recording that is done.

    Attributes:
        path: the file.
        session_id: unique name of the session.
        duration_s: between the start and the request to stop.
        streams: by name.
        cpu_s: processor seconds this program used: hub, subscriber and writer.
        drivers_cpu_s: processor seconds the driver processes used.
        problems: what went wrong, a line each.
    """

    path: Path
    session_id: str
    duration_s: float
    streams: dict[str, StreamSummary]
    cpu_s: float
    drivers_cpu_s: float
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """All required streams came, ended in order, and add up."""
        return not self.problems

    @property
    def exit_code(self) -> int:
        """0, or 1 if something went wrong; the file is closed in good order either way."""
        return int(not self.ok)
