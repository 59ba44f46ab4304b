"""The IMUs of a rig, live, for a wizard: their drivers run as when recording, rows are kept in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

import numpy as np

from drivers.base import Batch, StreamInfo
from drivers.bus import Hub, Subscriber
from drivers.bus.messages import Announcement, Failed
from drivers.errors import CalibrationError, ConfigError
from drivers.process import DriverProcesses
from drivers.rig import Rig, hub_options
from drivers.typed import nearest
from fusion.calibrate.trace import ImuTrace, trace_of

FIRST_S = 20.0
"""How long sensors may take until their first rows are here."""
POLL_S = 0.05
SILENT_S = 8.0
"""A sensor that sends nothing for so long is waited for no longer."""


class Listener:
    """A context manager that runs the drivers of some streams and keeps what they send.

    Args:
        rig: the rig.
        streams: names.
        corrected: see :func:`~fusion.calibrate.trace.trace_of`.
        first_s: how long sensors may take until their first rows are here.

    Raises:
        ConfigError: the rig has no such stream.
        CalibrationError: a sensor sends nothing, or is no IMU.
    """

    def __init__(
        self, rig: Rig, streams: Sequence[str], *, corrected: bool = True, first_s: float = FIRST_S
    ) -> None:
        for name in streams:
            if name not in rig.streams:
                raise ConfigError(
                    f"the rig has no stream '{name}'", mend=nearest(name, rig.streams, "Streams")
                )
        self._corrected = corrected
        self._infos: dict[str, StreamInfo] = {}
        self._batches: dict[str, list[Batch]] = {name: [] for name in streams}
        self._heard: dict[str, float] = {}
        self._hub = Hub(**hub_options(rig.bus))
        self._processes: DriverProcesses | None = None
        self._subscriber: Subscriber | None = None
        try:
            self._subscriber = Subscriber(self._hub, streams=list(streams))
            self._processes = DriverProcesses(rig, self._hub.address, streams)
            self._wait(first_s)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def now(self) -> float:
        """Session time up to which every sensor was heard, s."""
        last = [int(kept[-1].stamps["time"][-1]) for kept in self._batches.values() if kept]
        return min(last) * 1e-9 if last else 0.0

    def listen(self, seconds: float = POLL_S) -> None:
        """Take what comes within ``seconds``.

        Raises:
            CalibrationError: a sensor failed, or fell silent.
        """
        assert self._subscriber is not None
        assert self._processes is not None
        deadline = time.monotonic() + seconds
        while True:
            message = self._subscriber.receive(max(0.0, deadline - time.monotonic()))
            if isinstance(message, Announcement):
                self._infos[message.info.name] = message.info
            elif isinstance(message, Batch) and len(message):
                self._batches[message.stream].append(message)
                self._heard[message.stream] = time.monotonic()
            elif isinstance(message, Failed):
                raise CalibrationError(message.error.rstrip("."), mend="see to it, and begin again")
            if message is None or time.monotonic() >= deadline:
                break
        for name, heard in self._heard.items():
            if time.monotonic() - heard > SILENT_S:
                raise CalibrationError(
                    f"{name} sends nothing any more", mend="check its cable or battery, and begin again"
                )
        for over in self._processes.check():
            raise CalibrationError(
                (over.error or f"{over.stream}: its driver ended").rstrip("."),
                mend="see to it, and begin again",
            )

    def trace(self, stream: str) -> ImuTrace:
        """Return what a sensor sent so far."""
        kept = self._batches[stream]
        rows = np.concatenate([np.asarray(batch.data) for batch in kept])
        stamps = np.concatenate([batch.stamps for batch in kept])
        return trace_of(self._infos[stream], rows, stamps, corrected=self._corrected)

    def traces(self) -> dict[str, ImuTrace]:
        """Return what all sensors sent so far."""
        return {name: self.trace(name) for name in self._batches}

    def close(self) -> None:
        """Stop the drivers; can be called twice."""
        self._hub.request_stop()
        if self._processes is not None:
            self._processes.stop(2.0)
            self._processes = None
        if self._subscriber is not None:
            self._subscriber.close()
            self._subscriber = None
        self._hub.close()

    def _wait(self, first_s: float) -> None:
        deadline = time.monotonic() + first_s
        while waiting := [name for name, kept in self._batches.items() if not kept]:
            self.listen()
            for name in waiting:
                if name in self._infos and self._infos[name].kind != "imu":
                    raise CalibrationError(
                        f"{name} is no IMU but {self._infos[name].kind}", mend="name an IMU with --stream"
                    )
            if time.monotonic() > deadline:
                raise CalibrationError(
                    f"{waiting[0]} sent nothing within {first_s:g} s",
                    mend="switch it on, and look with chorus doctor",
                )


def imu_streams(rig: Rig, stream: str = "") -> list[str]:
    """Return the streams of a rig that are IMUs by their drivers' names, or the one that is named.

    Raises:
        ConfigError: there is none, or none of this name.
    """
    if stream:
        if stream not in rig.streams:
            raise ConfigError(
                f"the rig has no stream '{stream}'", mend=nearest(stream, rig.streams, "Streams")
            )
        return [stream]
    found = [name for name, one in rig.streams.items() if ".imu" in f".{one.driver}" and not one.remote]
    if not found:
        raise ConfigError("the rig has no IMU", mend="Name the stream with --stream")
    return found
