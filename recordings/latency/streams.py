"""Impacts in the sound and the acceleration of a recording, in session time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recordings.latency.events import Array, Events
from recordings.latency.shocks import instants, shocks
from recordings.latency.sound import onsets
from recordings.stream_reader import StreamReader

SECOND = 1e9
PIECE_S, OVERLAP_S = 30.0, 0.5
"""Sound is heard in pieces, so that memory does not grow with the recording."""
_FORCE = ("specific_force_x", "specific_force_y", "specific_force_z")

Span = tuple[int, int]
"""From and to, session time in ns."""


def hears(stream: StreamReader) -> bool:
    """Return whether a stream is sound that was kept."""
    return stream.info.kind == "audio" and not stream.withheld and len(stream) > 0


def feels(stream: StreamReader) -> bool:
    """Return whether a stream is an accelerometer's."""
    known = set(_FORCE) <= set(stream.info.channels)
    return stream.info.kind == "imu" and known and not stream.withheld and len(stream) > 0


def sound_events(stream: StreamReader, span: Span) -> Events:
    """Return the impacts heard in a stream of sound; times are s of session time."""
    rate = stream.rate_effective_hz or stream.info.rate_hz
    found = []
    for first, last in _pieces(stream, span, rate):
        events = onsets(mono(stream.data[first:last]), rate)
        found.append(Events(row_times(stream, first + events.time * rate), events.strength))
    return _within(Events.joined(found), span)


def shock_events(stream: StreamReader, span: Span) -> Events:
    """Return the blows felt by an accelerometer, each to a part of a sample; s of session time."""
    times, force = acceleration(stream, span)
    found = shocks(times, force)
    fine = instants(times, force, found.time).time
    order = np.argsort(fine, kind="stable")
    return Events(fine[order], found.strength[order])


def acceleration(stream: StreamReader, span: Span) -> tuple[Array, Array]:
    """Return times (N,) s and specific force (N, 3) m/s² of the rows within a span."""
    times = stream.stamps["time"].astype(np.int64)
    first, last = np.searchsorted(times, span)
    columns = [stream.info.channels.index(name) for name in _FORCE]
    rows = np.asarray(stream.data[int(first) : int(last)], np.float64)[:, columns]
    return times[first:last] / SECOND, rows


def mono(rows: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return sound (R,) as the mean of the channels of rows (R, channels) or (R,)."""
    sound = np.asarray(rows, np.float64)
    return sound.reshape(len(sound), -1).mean(axis=1) if sound.ndim > 1 else sound


def row_times(stream: StreamReader, rows: Array) -> Array:
    """Return the session time (E,) s at fractional rows (E,) of a block-stamped stream, gaps respected."""
    first = stream.block_rows[:-1]
    time = stream.stamps["time"].astype(np.float64)
    seq = stream.stamps["seq"].astype(np.int64)
    if not len(time):
        return np.zeros(0)
    steps, counts = np.diff(time), np.diff(seq)
    usual = float(np.median(steps[counts > 0] / counts[counts > 0])) if (counts > 0).any() else 0.0
    usual = usual or SECOND / (stream.rate_effective_hz or stream.info.rate_hz or 1.0)
    block = np.clip(np.searchsorted(first, rows, side="right") - 1, 0, len(time) - 1)
    return (time[block] + (rows - first[block]) * usual) / SECOND


def _pieces(stream: StreamReader, span: Span, rate: float) -> Iterator[tuple[int, int]]:
    """Yield rows from and to of pieces of sound that overlap a little."""
    time = stream.stamps["time"].astype(np.int64)
    inside = np.flatnonzero((time >= span[0]) & (time < span[1]))
    if not len(inside) or rate <= 0:
        return
    first, stop = int(stream.block_rows[inside[0]]), int(stream.block_rows[inside[-1] + 1])
    step, overlap = round(PIECE_S * rate), round(OVERLAP_S * rate)
    while first < stop:
        last = first + step + overlap
        if stop - last < step // 2:
            last = stop
        yield first, min(last, stop)
        if last >= stop:
            return
        first += step


def _within(events: Events, span: Span) -> Events:
    inside = (events.time >= span[0] / SECOND) & (events.time < span[1] / SECOND)
    return Events(events.time[inside], events.strength[inside])
