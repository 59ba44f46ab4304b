"""The sync figures of a recording: stamps and probes from the file, figures from ``recordings.sync``."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from recordings.stream_reader import StreamReader
from recordings.sync import StreamSync, stream_sync
from recordings.sync_clocks import HostClocks


def measure_stream(clocks: HostClocks, stream: StreamReader) -> StreamSync:
    """Return the figures of one stream, those of shared events apart."""
    stamps = stream.stamps
    return stream_sync(
        stamps["seq"],
        stamps["time"].astype(np.int64),
        stamps["time_bound"].astype(np.int64),
        clocks.arrival(stream),
        rate_hz=stream.info.rate_hz,
        regular=stream.info.regular,
        rows_of=np.diff(stream.block_rows),
    )


def with_shared_events(found: dict[str, StreamSync], residuals: dict[str, Any]) -> dict[str, StreamSync]:
    """Add what shared events tell: ``residuals`` maps a stream to (residual ms, spread ms, events)."""
    added = dict(found)
    for name, (residual, spread, events) in residuals.items():
        if name in added and events:
            added[name] = dataclasses.replace(
                added[name],
                cross_modal_ms=float(residual),
                cross_modal_spread_ms=float(spread),
                cross_modal_events=int(events),
            )
    return added
