"""The sync figures of a recording: stamps and probes from the file, figures from ``recordings.sync``."""

from __future__ import annotations

from typing import Any

import numpy as np

from recordings.latency import cross_modal
from recordings.reader import Recording
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


def shared_events(recording: Recording) -> dict[str, dict[str, Any]]:
    """Return what impacts that several streams saw say of each: the ``cross_modal`` fields of StreamSync.

    Raises:
        RecordingUnreadable: a chunk is damaged.
    """
    return {
        name: {
            "cross_modal_ms": found.latency_ms,
            "cross_modal_spread_ms": found.spread_ms,
            "cross_modal_events": found.events,
            "cross_modal_reference": found.reference,
        }
        for name, found in cross_modal(recording).items()
    }
