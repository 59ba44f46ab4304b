"""What a reader elsewhere must know of a session and its streams: units, frames, clocks, losses."""

from __future__ import annotations

import dataclasses
from typing import Any

from recordings.reader import Recording
from recordings.stream_reader import StreamReader

SESSION_CLOCK = "session time: ns since the session's epoch, corrected; utc_ns is UTC of the epoch"
RAW_CLOCK = "time_host: ns of the monotonic clock of the driver's host at arrival, uncorrected"

FRAMES = {
    "imu": "axes of the sensor; specific force contains gravity (at rest it points up)",
    "camera": "pixels, x right, y down, from the top left corner",
    "depth": "pixels as of a camera; depth along its axis, 0 where unknown; depth_scale_mm is mm a count",
    "pose": "as told in properties; poses in a camera's frame have x right, y down, z forward",
    "features": "as told in properties; key points are in pixels, x right, y down",
}


def clock_of(raw: bool) -> str:
    """Return which clock the exported times are on, in words."""
    return RAW_CLOCK if raw else SESSION_CLOCK


def session_facts(recording: Recording, raw: bool) -> dict[str, Any]:
    """Return what is known of the session, as JSON takes it."""
    return {**dataclasses.asdict(recording.session), "times": clock_of(raw), "source": recording.path.name}


def stream_facts(stream: StreamReader) -> dict[str, Any]:
    """Return what is known of a stream, as JSON takes it."""
    info = stream.info
    facts: dict[str, Any] = {
        "stream": info.name,
        "kind": info.kind,
        "encoding": info.encoding,
        "dtype": info.dtype,
        "shape": list(info.shape),
        "channels": list(info.channels),
        "units": list(info.units),
        "rate_hz": info.rate_hz,
        "rate_effective_hz": stream.rate_effective_hz,
        "device": info.device,
        "worn_on": info.worn_on,
        "host": info.host,
        "frame_of_reference": FRAMES.get(info.kind, ""),
        "withheld": stream.withheld,
        "latency_ns_taken_off": stream.latency_ns,
        "ledger": {
            "produced": stream.ledger.produced,
            "stored": stream.ledger.stored,
            "lost": dict(stream.ledger.lost),
        },
        "properties": dict(info.properties),
    }
    if stream.latency is not None:
        facts["latency_ms_found_not_taken_off"] = stream.latency.latency_ms
    return facts


def value_names(stream: StreamReader) -> list[str]:
    """Return a name for each value of a row, in C order: ``channel``, ``joint.channel`` or a number."""
    info = stream.info
    names = [""]
    for axis, size in enumerate(info.shape):
        parts = [str(index) for index in range(size)]
        if axis == len(info.shape) - 1 and len(info.channels) == size:
            parts = list(info.channels)
        skeleton = info.properties.get("skeleton", "").split(",")
        if axis == 0 and len(info.shape) > 1 and len(skeleton) == size:
            parts = skeleton
        names = [f"{name}.{part}" if name else part for name in names for part in parts]
    flat = list(info.channels)
    if len(info.shape) > 1 and len(flat) == len(names) and len(flat) != info.shape[-1]:
        names = flat
    return names if info.shape else ["value"]


def value_units(stream: StreamReader) -> list[str]:
    """Return a unit for each value of a row, or empty texts where they are not known."""
    count = len(value_names(stream))
    units = list(stream.info.units)
    return units * (count // len(units)) if units and count % len(units) == 0 else [""] * count
