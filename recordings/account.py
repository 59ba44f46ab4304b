"""The account that a recording gives of itself: twice a second while it goes on, and in the end."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from typing import Any

from drivers.bus import Hub
from drivers.rig import Rig
from recordings.growth import DiskWatch
from recordings.presence import Presence
from recordings.pulse import Pulse
from recordings.status import Phase, RecordStatus, RecordSummary, StreamStatus, StreamSummary
from recordings.writer import SessionWriter


class Account:
    """Puts together what the writer stored and what is known of each stream.

    Args:
        rig, hub, writer, presence, disk: of the recording.
        before: rows of each stream that a resumed file had already.
    """

    def __init__(
        self,
        rig: Rig,
        hub: Hub,
        writer: SessionWriter,
        presence: Presence,
        disk: DiskWatch,
        before: Mapping[str, int],
    ) -> None:
        self._rig, self._hub, self._writer, self._presence, self._disk = rig, hub, writer, presence, disk
        self._before = before
        self._rows = dict(before)
        self._at = time.monotonic()
        self._cpu = _cpu()

    def status(self, phase: Phase, elapsed_s: float, duration_s: float | None) -> RecordStatus:
        """Return how it goes; see :class:`RecordStatus`."""
        now = time.monotonic()
        names = [*self._rig.streams, *(n for n in self._writer.streams if n not in self._rig.streams)]
        streams = tuple(self._stream(name, phase, now - self._at) for name in names)
        self._rows = {stream.name: stream.rows for stream in streams}
        self._at = now
        disk = self._disk
        return RecordStatus(
            phase,
            self._hub.address,
            self._writer.path,
            elapsed_s,
            duration_s,
            streams,
            (*self._presence.clocks.warnings(now), *([disk.warning] if disk.warning else [])),
            disk.size,
            disk.free,
            disk.room_s,
        )

    def _required(self, name: str) -> bool:
        return name in self._rig.streams and self._rig.streams[name].required

    def _stream(self, name: str, phase: Phase, since_s: float) -> StreamStatus:
        known = self._presence
        error, required = known.errors.get(name, ""), self._required(name)
        stream, pulse = self._writer.streams.get(name), known.silence.of(name)
        if stream is None or pulse is None:
            return StreamStatus(name, "failed" if error else "waiting", error=error, required=required)
        rows = stream.ledger.stored
        state = "failed" if error else "running" if name in known.alive else "ended"
        if state == "running" and known.absences.of(name).why:
            state, error = "away", known.absences.of(name).why
        elif state == "running" and known.faults.of(name).why:
            state, error = "faulty", known.faults.of(name).why
        return StreamStatus(
            name,
            state,
            rows=rows,
            rate_hz=(rows - self._rows.get(name, 0)) / max(since_s, 1e-3),
            nominal_rate_hz=stream.info.rate_hz,
            lost=sum(stream.ledger.lost.values()),
            bytes=stream.bytes,
            error=error,
            required=required,
            kind=stream.info.kind,
            **self._beat(pulse, watched=state == "running" and phase == "recording"),
        )

    def _beat(self, pulse: Pulse, *, watched: bool) -> dict[str, Any]:
        level, unit = pulse.level() or (None, "")
        told: dict[str, Any] = {"level": level, "level_unit": unit}
        if pulse.time_ns is not None:
            now_ns = time.monotonic_ns() - self._hub.session.epoch_ns
            told |= {"bound_ms": pulse.bound_ns * 1e-6, "age_s": (now_ns - pulse.time_ns) * 1e-9}
        if watched:
            told["silent_s"] = pulse.silent_s(time.monotonic())
        return told

    def summary(self, duration_s: float, made: Collection[str]) -> RecordSummary:
        """Return what came of it; see :class:`RecordSummary`.

        Args:
            made: streams that workers make: without them it is not sound.
        """
        known = self._presence
        streams = {
            name: StreamSummary(
                rows=stream.ledger.stored,
                lost=dict(stream.ledger.lost),
                unexplained=stream.ledger.unexplained,
                bytes=stream.bytes,
                required=self._required(name),
                error=known.errors.get(name, ""),
                absences=known.absences.of(name).times,
                away_s=known.absences.of(name).seconds,
                faults=known.faults.of(name).times,
            )
            for name, stream in self._writer.streams.items()
        }
        cpu_s, drivers_cpu_s = _cpu()
        return RecordSummary(
            path=self._writer.path,
            session_id=self._hub.session.id,
            duration_s=duration_s,
            streams=streams,
            cpu_s=cpu_s - self._cpu[0],
            drivers_cpu_s=drivers_cpu_s - self._cpu[1],
            problems=tuple(self._problems(streams, made)),
        )

    def _problems(self, streams: Mapping[str, StreamSummary], made: Collection[str]) -> list[str]:
        known = self._presence
        gone = [n for n in self._before if known.silence.of(n) is None and n not in known.errors]
        silent = [n for n in sorted(known.silence.streams) if self._required(n) and n not in known.errors]
        faulty = [n for n in self._rig.streams if self._required(n) and n not in known.errors]
        return [
            *(error for name, error in known.errors.items() if name in made or self._required(name)),
            *(
                f"{name}: {stream.unexplained} rows are missing for no known reason"
                for name, stream in streams.items()
                if stream.unexplained
            ),
            *(f"{name}: did not say that it ended" for name in sorted(known.alive)),
            *(f"{name}: did not come back" for name in sorted(gone)),
            *(f"{name}: sent nothing any more when the recording was stopped" for name in silent),
            *(why for name in faulty if (why := known.faults.of(name).why)),
            *known.clocks.problems,
        ]


def _cpu() -> tuple[float, float]:
    """Processor seconds of this program, and of those it started that have ended."""
    used = os.times()
    return used.user + used.system, used.children_user + used.children_system
