"""A recording back onto the bus, at its own pace.

::

    rig:     streams: {wrist: {driver: replay, path: walk.h5, stream: right_wrist}}   -> ReplayDriver
    command: chorus replay walk.h5                                                   -> replay()

Both wait for the recorded instants on this host's monotonic clock. What is sent late because this
program was held up still carries the instant it was due: streams keep their alignment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers.base import Batch, Driver, DriverContext, EndOfStream, Samples, StreamInfo
from drivers.bus import Hub, Publisher
from drivers.bus.messages import Ended, Event
from drivers.clock.device import CLOCK, EXACT
from drivers.clock.host import clock_identity
from drivers.errors import DeviceError, Fault, RecordingError
from drivers.files import find_file
from recordings.reader import Recording, open_recording

LEAD_S = 2.0
"""From the session's epoch to the first recorded instant: time for all drivers to start."""


@dataclasses.dataclass(frozen=True)
class ReplayConfig:
    """Settings of the driver ``replay``.

    Attributes:
        path: session file, relative to the current folder or the rig's.
        stream: name of the stream in it; by default the stream's own name in the rig.
        speed: 2 plays twice as fast.
        lead_s: when to begin after the session's epoch, s; all replayed streams of a rig must agree.
    """

    path: str
    stream: str = ""
    speed: float = 1.0
    lead_s: float = LEAD_S


class ReplayDriver(Driver[ReplayConfig]):
    """One stream of a recording as a device. Every replayed stream keeps its place in time."""

    Config = ReplayConfig
    reopens = False

    def __init__(self, config: ReplayConfig, context: DriverContext) -> None:
        super().__init__(config, context)
        self._recording: Recording | None = None
        self._batches: Iterator[Batch] = iter(())
        self._next: Batch | None = None
        self._gaps = Gaps()

    def open(self) -> StreamInfo:
        name, stream = self.context.stream, self.config.stream or self.context.stream
        if not self.config.speed > 0:
            raise DeviceError(
                name, Fault.UNSUPPORTED, f"speed {self.config.speed} replays nothing", mend="Give speed: 1"
            )
        self.close()
        try:
            self._recording = open_recording(find_file(self.context, self.config.path))
        except RecordingError as error:
            raise DeviceError(name, Fault.NOT_FOUND, error.what, mend=error.mend) from error
        if stream not in self._recording.all_streams or self._recording.all_streams[stream].withheld:
            names = [n for n, s in self._recording.all_streams.items() if not s.withheld]
            self.close()
            raise DeviceError(
                name,
                Fault.NOT_FOUND,
                f"{self.config.path} holds no data of a stream {stream}",
                mend=f"Set stream to one of {', '.join(names) or 'another recording'}",
            )
        reader = self._recording.all_streams[stream]
        self._first_ns = first_time(self._recording)
        self._batches = self._recording.batches([stream])
        self._gaps = Gaps()
        return msgspec.structs.replace(
            reader.info,
            name=name,
            rate_hz=reader.info.rate_hz * self.config.speed,
            worn_on=self.context.worn_on or reader.info.worn_on,
            device=f"replay of {stream} from {self.config.path}",
            properties=self._vouched(reader.info.properties, reader.stamps["time_bound"]),
        )

    def _vouched(self, properties: dict[str, str], bounds: NDArray[Any]) -> dict[str, str]:
        """Say that times are those of the recording, not to be estimated again, and how good these are."""
        bound = round(float(np.quantile(bounds, 0.99)) / self.config.speed) if len(bounds) else 0
        return {key: text for key, text in properties.items() if key != CLOCK} | {EXACT: str(bound)}

    def read(self, timeout_s: float) -> Samples | None:
        if self._next is None:
            self._next = next(self._batches, None)
        if self._next is None:
            raise EndOfStream
        due = self._host_times(self._next.stamps["time"])
        # The rows came when the last of them was there.
        wait = (int(due[-1]) - time.monotonic_ns()) * 1e-9
        if wait > timeout_s:
            time.sleep(timeout_s)
            return None
        if wait > 0:
            time.sleep(wait)
        batch, self._next = self._next, None
        return Samples(
            data=batch.data,
            time_host=due,
            time_device=batch.stamps["time_device"].copy(),
            seq=batch.stamps["seq"].copy(),
            lost=self._gaps.before(batch),
        )

    def close(self) -> None:
        if self._recording is not None:
            self._recording.close()
        self._recording = None
        self._batches, self._next = iter(()), None

    def _host_times(self, recorded: NDArray[Any]) -> NDArray[Any]:
        start = self.context.epoch_ns + round(self.config.lead_s * 1e9)
        return start + np.round((recorded - self._first_ns) / self.config.speed).astype(np.int64)


class Gaps:
    """Rows that a recording lacks, told by the numbers of those it has."""

    def __init__(self) -> None:
        self._next: int | None = None

    def before(self, batch: Batch) -> dict[str, int]:
        """Return the rows lacking since the last batch and within this one, by reason."""
        seq = batch.stamps["seq"].astype(np.int64)
        rows = len(batch) if len(seq) == 1 else 1  # rows that the last stamp stands for
        before = int(seq[0]) - self._next if self._next is not None else 0
        lost = max(before, 0) + int(np.maximum(np.diff(seq) - 1, 0).sum())
        self._next = int(seq[-1]) + rows
        return {"device_gap": lost} if lost else {}


def first_time(recording: Recording) -> int:
    """Return the session time of the first row of any stream, ns; 0 in an empty recording."""
    times = [int(s.stamps["time"][0]) for s in recording.all_streams.values() if len(s)]
    return min(times, default=0)


def replay(
    path: Path | str,
    address: str = "",
    *,
    speed: float = 1.0,
    listen: str = "tcp://127.0.0.1:*",
    insecure: bool = False,
    on_start: Callable[[str], None] | None = None,
    on_progress: Callable[[float, float], None] | None = None,
    wait_s: float = LEAD_S,
) -> int:
    """Publish all streams and events of a recording at their own pace.

    Times are moved so that the recording begins ``wait_s`` from now; sequence numbers, bounds and
    the distances between times stay (at speed 1). Rows the recording lacks count as ``device_gap``.

    Args:
        path: the recording.
        address: of a hub; without one a hub is opened here.
        speed: 2 plays twice as fast.
        listen: where a hub of our own listens.
        insecure: it may listen where other machines reach it.
        on_start: told the hub's address once all streams are announced.
        on_progress: told seconds done and seconds in all.
        wait_s: time for listeners to join, s.

    Returns:
        Rows published.

    Raises:
        RecordingUnreadable: the file can't be read.
        BusError: the bus can't be opened or reached.
    """
    with contextlib.ExitStack() as stack:
        recording = stack.enter_context(open_recording(path))
        hub = None if address else stack.enter_context(Hub(listen, insecure=insecure))
        address = hub.address if hub is not None else address
        publishers = {
            name: stack.enter_context(Publisher(address, _again(reader.info, speed)))
            for name, reader in recording.all_streams.items()
            if not reader.withheld
        }
        if not publishers:
            raise RecordingError(f"{path} holds no data to replay", mend="give another recording")
        if on_start is not None:
            on_start(address)
        return _play(recording, publishers, speed, wait_s, on_progress)


def _play(
    recording: Recording,
    publishers: dict[str, Publisher],
    speed: float,
    wait_s: float,
    on_progress: Callable[[float, float], None] | None,
) -> int:
    any_publisher = next(iter(publishers.values()))
    clock = _Clock(first_time(recording), time.monotonic_ns() + round(wait_s * 1e9), speed, any_publisher)
    events = sorted(recording.events, key=lambda event: event.time)
    gaps = {name: Gaps() for name in publishers}
    rows, lost = dict.fromkeys(publishers, 0), dict.fromkeys(publishers, 0)
    for batch in recording.batches(list(publishers)):
        due = int(batch.stamps["time"][-1])
        if not clock.wait(due):
            break
        while events and events[0].time <= due:
            event = events.pop(0)
            source = publishers.get(event.source, any_publisher)
            source.event(Event(clock.session(event.time), event.kind, event.label, event.source))
        missing = gaps[batch.stream].before(batch)
        publishers[batch.stream].publish(Batch(batch.stream, clock.moved(batch), batch.data, missing))
        rows[batch.stream] += len(batch)
        lost[batch.stream] += sum(missing.values())
        if on_progress is not None:
            on_progress((due - clock.first) * 1e-9, recording.duration_s)
    for name, publisher in publishers.items():
        missing = {"device_gap": lost[name]} if lost[name] else {}
        publisher.end(Ended(name, rows[name] + lost[name], missing))
    return sum(rows.values())


class _Clock:
    """Carries recorded times over to now.

    Args:
        first: recorded session time that is replayed first, ns.
        begin_ns: when to, on this host's monotonic clock, ns.
        speed: 2 plays twice as fast.
        publisher: knows the session's clock, and when to stop.
    """

    def __init__(self, first: int, begin_ns: int, speed: float, publisher: Publisher) -> None:
        self.first = first
        self._begin_ns = begin_ns
        self._begin_session = int(publisher.host_clock.to_session(begin_ns)[0])
        self._speed = speed
        self._publisher = publisher

    def _after(self, recorded: Any) -> Any:
        return np.round((recorded - self.first) / self._speed).astype(np.int64)

    def session(self, recorded: int) -> int:
        """Return the session time at which a recorded one comes again, ns."""
        return self._begin_session + int(self._after(np.int64(recorded)))

    def moved(self, batch: Batch) -> NDArray[Any]:
        """Return a batch's stamps carried over; arrival is the instant they were due."""
        stamps = batch.stamps.copy()
        after = self._after(stamps["time"])
        stamps["time"] = self._begin_session + after
        stamps["time_host"] = self._begin_ns + after
        return stamps

    def wait(self, recorded: int) -> bool:
        """Wait for a recorded instant; False if the bus asks to stop before it."""
        due = self._begin_ns + int(self._after(np.int64(recorded)))
        while not self._publisher.stop_requested:
            wait = (due - time.monotonic_ns()) * 1e-9
            if wait <= 0:
                return True
            time.sleep(min(wait, 0.2))
        return False


def _again(info: StreamInfo, speed: float) -> StreamInfo:
    return msgspec.structs.replace(
        info,
        rate_hz=info.rate_hz * speed,
        host=clock_identity(),
        device=f"replay of {info.device or info.name}",
    )
