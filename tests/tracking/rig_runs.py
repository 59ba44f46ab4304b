"""A rig tracked live, and what it says on the bus."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drivers.base import Batch, StreamInfo
from drivers.bus.messages import Ended
from drivers.bus.subscriber import Subscriber
from drivers.rig import load_rig
from fusion.tracking.meter import Summary
from fusion.tracking.options import LiveOptions
from fusion.tracking.run import run


@dataclass
class Tracked:
    """What came of it, and one stream as the bus had it.

    Attributes:
        summary: of the run.
        folder: with its files.
        info: of the stream.
        ended: its last message, if it came.
        times: session time of the first row of each message, ns.
        rows: those rows.
    """

    summary: Summary
    folder: Path
    info: StreamInfo
    ended: Ended | None
    times: list[int]
    rows: list[np.ndarray]


def track_rig(rig: Path, options: LiveOptions, stream: str) -> Tracked:
    """Track a rig to its end, in a thread, and read a stream of the bus meanwhile."""
    said: queue.Queue[str] = queue.Queue()
    result: list[tuple[Summary, Path] | BaseException] = []

    def track() -> None:
        try:
            result.append(run(options, load_rig(rig), said.put))
        except BaseException as error:
            result.append(error)

    tracker = threading.Thread(target=track)
    tracker.start()
    address = said.get(timeout=60).removeprefix("bus at ")
    times: list[int] = []
    rows: list[np.ndarray] = []
    ended = None
    with Subscriber(address, {stream}) as subscriber:
        while ended is None and tracker.is_alive():
            message = subscriber.receive(0.2)
            if isinstance(message, Batch):
                times.append(int(message.stamps["time"][0]))
                rows.append(np.array(message.data)[0])
            elif isinstance(message, Ended):
                ended = message
        info = subscriber.streams[stream]
    tracker.join(60)
    (outcome,) = result
    assert not isinstance(outcome, BaseException), outcome
    return Tracked(*outcome, info, ended, times, rows)
