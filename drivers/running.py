"""One driver while it runs: read and hand on, and when its device is gone, open it again until it is back."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from drivers.absence import Reckoner, lost_before
from drivers.base import Batch, Driver, EndOfStream, Samples, StreamInfo
from drivers.bus.messages import BACK, LOST, Event
from drivers.bus.publisher import Publisher
from drivers.calibration import CalibrationFile
from drivers.checked import checked_info, checked_samples
from drivers.count import RowCount
from drivers.errors import ChorusError, DeviceError, Fault
from drivers.stamper import Stamper

log = logging.getLogger(__name__)

READ_S = 0.1
"""Longest wait of one read: how fast a driver obeys a stop."""
WAITS_S = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Before each attempt to open a device again; the last holds for all that follow."""
HOLD_NS = 400_000_000
"""Rows of a regular device that is back are held so long: their least delay tells when the first was."""
STEADY_S = 1.0
"""A device that is there for less before it fails again is waited for longer and longer."""
TOLD_S = 2.0
"""Opening that fails so long for another reason than absence (permission, another form) is told."""


class _Gone(Exception):
    """The device failed midway; the argument is the error, typed."""


class Running:
    """One driver while it runs; see :func:`drivers.loop.pump`.

    Attributes:
        count: rows so far.
    """

    def __init__(
        self,
        driver: Driver[Any],
        publisher: Publisher,
        latency_ms: float,
        worn_on: str,
        calibration: CalibrationFile | None,
        stop: Callable[[], bool],
    ) -> None:
        self.count = RowCount()
        self._driver, self._publisher = driver, publisher
        self._latency_ms, self._worn_on, self._calibration = latency_ms, worn_on, calibration
        self._stop = stop
        self._shift = 0  # what is added to the driver's row numbers since it was opened again
        self._away: ChorusError | None = None  # why the device is away
        self._held: list[tuple[Samples, tuple[int, int] | None]] = []  # since it is back
        self._there_s = 0.0  # since when it is there, monotonic
        self._tries = 0

    def run(self) -> None:
        """Run the driver to its end.

        Raises:
            Exception: it failed, or was away when all was stopped.
        """
        self._info = self._opened()
        self._publisher.announce(self._info)
        self._block = self._info.stamping == "block"
        self._stamper = Stamper(self._info, self._publisher.host_clock, self._latency_ms)
        self._reckoner = Reckoner(self._info)
        self._there_s = time.monotonic()
        while True:
            try:
                self._read_all()
            except _Gone as gone:
                error: ChorusError = gone.args[0]
                if not (self.count.published and self._driver.reopens):
                    raise error from gone.__cause__
                self._lose(error)
                if self._open_again():
                    continue
            if self._away is not None:
                _stay_away(self._away, self._publisher.stream)
            return

    def _opened(self) -> StreamInfo:
        info = checked_info(self._driver.open(), self._publisher.stream)
        return _complete(info, self._publisher, self._worn_on, self._calibration)

    @property
    def _stopped(self) -> bool:
        return self._publisher.stop_requested or self._stop()

    def _read_all(self) -> None:
        """Hand on what is read, until the stream ends or all is stopped.

        Raises:
            _Gone: the device failed.
        """
        try:
            self._read_on()
        finally:
            self._release()

    def _read_on(self) -> None:
        while not self._stopped:
            try:
                samples = self._driver.read(READ_S)
                counter = self._driver.counter()
                events = self._driver.events()
            except EndOfStream:
                self._tell(self._driver.events())
                self._release()
                self._away = None
                return
            except (Exception, SystemExit) as error:
                if isinstance(error, ChorusError) and not isinstance(error, DeviceError):
                    raise  # no device: a recording that is replayed, an option
                raise _Gone(typed(error, self._publisher.stream)) from error
            samples = checked_samples(samples, self._info)
            if samples is not None and (len(samples) or samples.lost):
                self._take(samples, counter)
            self._tell(events)

    def _take(self, samples: Samples, counter: tuple[int, int] | None) -> None:
        if self._away is None:
            self._hand_on(samples, counter)
        elif len(samples) or self._held:  # what is lost before the first row is part of the gap
            self._held.append((samples, counter))
            first, newest = self._held[0][0], samples.time_host
            held_ns = int(newest[-1] - first.time_host[0]) if len(newest) else 0
            if not self._reckoner.improves or held_ns >= HOLD_NS:
                self._release()

    def _release(self) -> None:
        """Hand on what was held back."""
        held, self._held = self._held, []
        first_ns = None
        if held and self._reckoner.improves:
            first_ns = self._stamper.arrival(self._reckoner.first_ns([samples for samples, _ in held]))
        for samples, counter in held:
            self._hand_on(samples, counter, first_ns)

    def _hand_on(
        self, samples: Samples, counter: tuple[int, int] | None, first_ns: int | None = None
    ) -> None:
        stamps = self._stamper(samples)
        lost = dict(samples.lost)
        back = None
        if self._away is not None:
            missed = self._reckoner.missed(samples, stamps, counter, first_ns)
            told = lost_before(samples, block=self._block)
            if self._driver.counted():
                missed = dataclasses.replace(missed, rows=0, how="by its own count")
            if missed.rows:
                lost["device_gap"] = lost.get("device_gap", 0) + missed.rows
            self._shift = self.count.next + told + missed.rows - int(samples.seq[0])
            reckoned = f"{told + missed.rows} rows were not recorded ({missed.how})"
            words = f"{self._info.name}: is back after {missed.away_s:.2f} s; {reckoned}"
            back = Event(int(stamps["time"][0]), BACK, words, self._info.name)
            self._away = None
        self._reckoner.note(samples, stamps, counter)
        if self._shift:
            stamps["seq"] = (stamps["seq"].astype(np.int64) + self._shift).astype(np.uint64)
        numbered = dataclasses.replace(samples, seq=stamps["seq"], lost=lost)
        if back is not None:
            self._publisher.event(back)
            log.info("%s", back.label)
        self._publisher.publish(Batch(self._info.name, stamps, samples.data, lost))
        self.count.add(numbered, block=self._block)

    def _lose(self, error: ChorusError) -> None:
        """Tell that the device is gone, once for each time that rows came."""
        if time.monotonic() - self._there_s > STEADY_S:
            self._tries = 0
        with contextlib.suppress(Exception):  # other people's code, that failed already
            self._tell(self._driver.events())
        if self._away is None:
            self._reckoner.lost()
            self._tell_lost(error)

    def _tell_lost(self, error: ChorusError) -> None:
        self._away = error
        self._event(time.monotonic_ns(), LOST, error.what)
        log.info("%s", error.what)

    def _open_again(self) -> bool:
        """Open the device as soon as it is back; return False if all was stopped before."""
        failing: tuple[str, float] | None = None  # the fault of the newest attempts, and since when
        while True:
            close(self._driver, self._publisher.stream)
            if not self._rest():
                return False
            try:
                self._accept(self._opened())
                return True
            except (Exception, SystemExit) as caught:
                error = typed(caught, self._publisher.stream)
                fault, now = fault_of(error), time.monotonic()
                if failing is None or failing[0] != fault:
                    failing = fault, now
                assert self._away is not None
                lasting = now - failing[1] >= TOLD_S
                if lasting and fault not in _ABSENT and error.what != self._away.what:
                    self._tell_lost(error)

    def _rest(self) -> bool:
        """Wait before the next attempt; return False if all is stopped."""
        wait_s, self._tries = WAITS_S[min(self._tries, len(WAITS_S) - 1)], self._tries + 1
        until = time.monotonic() + wait_s
        while not self._stopped:
            left = until - time.monotonic()
            if left <= 0:
                return True
            time.sleep(min(left, 0.05))
        return False

    def _accept(self, info: StreamInfo) -> None:
        """Go on with a device that was opened again.

        Raises:
            DeviceError: its rows are of another form.
        """
        mine, new = _form(self._info), _form(info)
        if new != mine:
            differ = next(name for name in mine if mine[name] != new[name])
            raise DeviceError(
                info.name,
                Fault.UNSUPPORTED,
                f"came back with {differ} {new[differ]}, not {mine[differ]}",
                mend="Plug in the same device, set up as before; another one is another stream",
            )
        self._there_s = time.monotonic()
        self._stamper.begin_anew(info)
        told = {"device": info.device, "properties": info.properties}
        if any(getattr(self._info, name) != value for name, value in told.items()):
            fields = {field: getattr(self._info, field) for field in info.__struct_fields__}
            self._info = StreamInfo(**{**fields, **told})
            self._publisher.announce(self._info)

    def _tell(self, events: list[tuple[int, str, str]]) -> None:
        for host_ns, kind, label in events:
            self._event(int(host_ns), kind, label)

    def _event(self, host_ns: int, kind: str, label: str) -> None:
        when, _ = self._publisher.host_clock.to_session(host_ns)
        self._publisher.event(Event(when, kind, label, self._publisher.stream))


_ABSENT = (Fault.NOT_FOUND, Fault.SILENT, Fault.UNPLUGGED)
"""What opening a device that is away fails with; no news."""


def _form(info: StreamInfo) -> dict[str, Any]:
    """What must be the same when a device is back."""
    names = ("kind", "encoding", "dtype", "shape", "channels", "units", "stamping", "regular")
    return {name: getattr(info, name) for name in names}


def _stay_away(error: ChorusError, stream: str) -> NoReturn:
    what = f"{error.what.removeprefix(f'{stream}: ').rstrip('.')}, and did not come back"
    raise DeviceError(stream, fault_of(error), what, mend=error.mend) from error


def fault_of(error: ChorusError) -> Fault:
    """Return the typed reason of an error."""
    return error.fault if isinstance(error, DeviceError) else Fault.FAILED


def typed(error: BaseException, stream: str) -> ChorusError:
    """Return what a driver raised as an error of ours, whatever it was."""
    if isinstance(error, ChorusError):
        return error
    log.debug("%s failed", stream, exc_info=error)
    return DeviceError(
        stream,
        Fault.FAILED,
        f"its driver failed with {type(error).__name__}: {error}",
        mend="Report it to the driver's author",
    )


def _complete(
    info: StreamInfo, publisher: Publisher, worn_on: str, calibration: CalibrationFile | None
) -> StreamInfo:
    fields = {field: getattr(info, field) for field in info.__struct_fields__}
    fields["host"] = publisher.host
    fields["name"] = publisher.stream
    fields["worn_on"] = info.worn_on or worn_on
    if calibration is not None:
        named = StreamInfo(**fields)
        fields["properties"] = info.properties | calibration.properties_for(named)
    return StreamInfo(**fields)


def close(driver: Driver[Any], stream: str) -> None:
    """Close a driver, even one that fails at that."""
    try:
        driver.close()
    except Exception as error:
        log.warning("%s could not be closed: %s", stream, error)
