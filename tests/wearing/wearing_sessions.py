"""Sessions of simulated sensors, written as a recorder writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from drivers.base import NO_TIME, STAMP, Batch, StreamInfo
from drivers.bus.messages import Event
from drivers.imu.parser import INERTIAL_CHANNELS, MAGNETIC_CHANNELS, ORIENTATION_CHANNELS, UNIT_OF
from fusion.calibrate.trace import ImuTrace
from recordings.layout import SessionAttributes
from recordings.writer import SessionWriter


def info_of(trace: ImuTrace) -> StreamInfo:
    """Return what such a sensor announces."""
    channels = INERTIAL_CHANNELS
    channels += MAGNETIC_CHANNELS if trace.field is not None else ()
    channels += ORIENTATION_CHANNELS if trace.quaternion is not None else ()
    return StreamInfo(
        name=trace.name,
        kind="imu",
        shape=(len(channels),),
        channels=channels,
        units=tuple(UNIT_OF[name] for name in channels),
        rate_hz=trace.rate_hz,
        regular=True,
        worn_on=trace.worn_on,
    )


def batch_of(trace: ImuTrace) -> Batch:
    """Return all its rows."""
    stamps = np.zeros(len(trace), STAMP)
    stamps["time"] = stamps["time_host"] = np.rint(trace.time * 1e9).astype(np.int64)
    stamps["time_device"] = NO_TIME if trace.time_device is None else trace.time_device
    stamps["seq"] = np.arange(len(trace))
    parts = [trace.force, trace.rate, trace.field, trace.quaternion]
    rows = np.hstack([part for part in parts if part is not None])
    return Batch(trace.name, stamps, rows.astype(np.float32))


def session(path: Path, traces: list[ImuTrace], marks: Mapping[str, float] | None = None) -> Path:
    """Write a session of these sensors; marks are steps by name, s of session time."""
    with SessionWriter(path, SessionAttributes(id="wearing", clock="here", expected=("imu",))) as writer:
        for trace in traces:
            writer.add_stream(info_of(trace))
            writer.append(batch_of(trace))
        for name, time in (marks or {}).items():
            writer.event(Event(round(time * 1e9), "mark", name, "test"))
    return path
