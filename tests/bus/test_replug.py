"""A device that is unplugged and comes back: its stream goes on, the gap is on the ledger exactly once."""

from __future__ import annotations

import dataclasses
import threading
import time

import numpy as np
import pytest

from drivers.base import NO_TIME, Driver, DriverContext, EndOfStream, Samples, StreamInfo
from drivers.bus import Publisher, Subscriber
from drivers.bus.messages import Batch, Ended, Event, Failed
from drivers.errors import DeviceError, Fault
from drivers.loop import pump

RATE = 100
CONTEXT = DriverContext("wrist")


class Device:
    """What is at the end of the cable: it produces a row each 10 ms of its own, whether anybody looks or not.

    Attributes:
        ahead_ns: how far its time is ahead of the test's clock: an unplugging need not be waited for.
    """

    def __init__(self) -> None:
        self.begun_ns = time.monotonic_ns()
        self.ahead_ns = 0

    def now_ns(self) -> int:
        return time.monotonic_ns() + self.ahead_ns

    def produced(self) -> int:
        return (self.now_ns() - self.begun_ns) * RATE // 10**9


@dataclasses.dataclass(frozen=True)
class Plugs:
    """How a device is read: rows of each stretch that it is plugged in, and what it tells of itself.

    Attributes:
        stretches: rows read before it fails, each time.
        error: what it fails with.
        refusals: attempts to open it that fail, each time.
        clock: its rows carry its own time.
        wraps: it counts, and where that wraps; 0: never. None: it does not count.
        absolute: its driver's row numbers are the device's own.
        reset: it begins to count anew when it is plugged in.
        shapes: the shape of a row, each time it is opened (the last holds).
    """

    stretches: tuple[int, ...] = (40, 40)
    error: Exception = dataclasses.field(
        default_factory=lambda: DeviceError("wrist", Fault.UNPLUGGED, "it was unplugged", mend="Plug it in")
    )
    refusals: int = 2
    clock: bool = False
    wraps: int | None = None
    absolute: bool = False
    reset: bool = False
    shapes: tuple[tuple[int, ...], ...] = ((2,),)


class PluggedDriver(Driver[Plugs]):
    """Reads a :class:`Device`; everything else is the real road."""

    Config = Plugs

    def __init__(self, config: Plugs) -> None:
        super().__init__(config, CONTEXT)
        self.device = Device()
        self.stretch = -1
        self.refused = 0
        self.held = False
        self.read_rows: list[int] = []  # the device's own numbers of the rows that were read
        self.first = 0

    def open(self):
        assert not self.held, "it was opened twice"
        if self.stretch >= 0 and self.refused < self.config.refusals:
            self.refused += 1
            raise DeviceError("wrist", Fault.NOT_FOUND, "there is no port", mend="Plug it in")
        self.stretch, self.refused, self.left = self.stretch + 1, 0, None
        if self.stretch >= len(self.config.stretches):
            raise EndOfStream
        self.held = True
        self.next = self.device.produced()
        self.first = self.next
        shape = self.config.shapes[min(self.stretch, len(self.config.shapes) - 1)]
        return StreamInfo(name="wrist", kind="imu", shape=shape, rate_hz=RATE, regular=True)

    def read(self, timeout_s):
        done = len(self.read_rows) - sum(self.config.stretches[: self.stretch])
        if done >= self.config.stretches[self.stretch]:
            if self.stretch == len(self.config.stretches) - 1:
                raise EndOfStream
            self.device.ahead_ns += AWAY_NS
            raise self.config.error
        due = self.device.begun_ns + self.next * 10**9 // RATE - self.device.ahead_ns
        time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
        number, self.next = self.next, self.next + 1
        self.read_rows.append(number)
        own = number if self.config.absolute else number - self.first
        stamp = (number - (self.first if self.config.reset else 0)) * 10**9 // RATE
        return Samples(
            np.full((1, 2), number, "<f4"),
            np.array([due + self.device.ahead_ns]),  # it arrived at once, however busy this machine is
            np.array([stamp if self.config.clock else NO_TIME]),
            np.array([own], np.uint64),
        )

    def counter(self):
        if self.config.wraps is None:
            return None
        count = self.read_rows[-1] - (self.first if self.config.reset else 0)
        return (count % self.config.wraps if self.config.wraps else count), self.config.wraps

    def close(self):
        self.held = False


AWAY_NS = 1_234_000_000
"""How long the device is away, besides the time that opening it again takes."""


def drive(hub, plugs, until_ended, closing, **options):
    driver = PluggedDriver(plugs)
    with Subscriber(hub.address) as subscriber:
        publisher = Publisher(hub.address, "wrist")
        failure = pump(driver, publisher, **options)
        closing(publisher)
        return driver, failure, until_ended(subscriber)


def batches(got):
    return [message for message in got if isinstance(message, Batch)]


def events(got):
    return [message for message in got if isinstance(message, Event)]


@pytest.mark.parametrize(
    ("plugs", "exact", "how"),
    [
        (Plugs(), False, "by its rate"),
        (Plugs(wraps=0), True, "by its own count"),
        (Plugs(wraps=256), True, "by its own count"),
        (Plugs(wraps=65536), True, "by its own count"),
        (Plugs(absolute=True), True, "by its own count"),
        (Plugs(clock=True), True, "by its own clock"),
        (Plugs(wraps=0, reset=True), False, "by its rate"),
        (Plugs(clock=True, reset=True), False, "by its rate"),
    ],
)
def test_what_a_device_produced_while_it_was_away_is_on_the_ledger_once(
    hub, until_ended, closing, plugs, exact, how
):
    driver, failure, got = drive(hub, plugs, until_ended, closing)
    assert failure is None
    assert not driver.held
    read = np.array(driver.read_rows)
    missing = int(np.diff(read).max()) - 1
    assert missing >= 123
    counted = sum(batch.lost.get("device_gap", 0) for batch in batches(got))
    assert abs(counted - missing) <= (0 if exact else 1)
    assert got[-1] == Ended("wrist", 80 + counted, {"device_gap": counted})
    stamps = np.concatenate([batch.stamps for batch in batches(got)])
    assert (np.diff(stamps["time"]) > 0).all()
    gaps = np.diff(stamps["seq"].astype(int))
    assert sorted(gaps)[-2:] == [1, counted + 1]
    data = np.concatenate([batch.data for batch in batches(got)])
    assert data[:, 0].tolist() == driver.read_rows
    assert [event.kind for event in events(got)] == ["lost", "back"]
    assert how in events(got)[1].label
    assert events(got)[1].time == stamps["time"][40]
    assert not [message for message in got if isinstance(message, Failed)]


def test_it_comes_back_again_and_again_and_each_gap_counts(hub, until_ended, closing):
    driver, failure, got = drive(hub, Plugs(stretches=(30,) * 6, wraps=0), until_ended, closing)
    assert failure is None
    missing = driver.read_rows[-1] - driver.read_rows[0] + 1 - len(driver.read_rows)
    assert got[-1] == Ended("wrist", 180 + missing, {"device_gap": missing})
    assert [event.kind for event in events(got)] == ["lost", "back"] * 5


def test_a_driver_that_breaks_with_any_exception_is_opened_again(hub, until_ended, closing):
    plugs = Plugs(error=ZeroDivisionError("the author did not think of it"))
    _, failure, got = drive(hub, plugs, until_ended, closing)
    assert failure is None
    assert "ZeroDivisionError" in events(got)[0].label
    assert events(got)[1].kind == "back"


def test_another_form_of_rows_is_told_and_the_right_device_waited_for(hub, until_ended, closing, monkeypatch):
    monkeypatch.setattr("drivers.running.TOLD_S", 0.3)
    stop = threading.Event()
    plugs = Plugs(stretches=(30, 0, 0, 0, 0, 30), shapes=((2,), (3,), (3,), (3,), (3,), (2,)), refusals=0)
    driver, failure, got = drive(hub, plugs, until_ended, closing, stop=stop.is_set)
    assert failure is None
    assert driver.stretch == 5
    told = [event.label for event in events(got) if event.kind == "lost"]
    assert len(told) == 2
    assert "came back with shape (3,), not (2,)" in told[1]
    assert sum(map(len, batches(got))) == 60


def test_a_file_that_fails_midway_is_not_begun_anew(hub, until_ended, closing, monkeypatch):
    monkeypatch.setattr(PluggedDriver, "reopens", False)
    driver, failure, got = drive(hub, Plugs(), until_ended, closing)
    assert driver.stretch == 0
    assert "unplugged" in str(failure)
    assert got[-1].produced == 40


def test_a_device_that_fails_before_its_first_row_has_failed(hub, until_ended, closing):
    driver, failure, got = drive(hub, Plugs(stretches=(0, 40)), until_ended, closing)
    assert driver.stretch == 0
    assert "unplugged" in str(failure)
    assert [type(message) for message in got if isinstance(message, Failed | Ended)] == [Failed, Ended]


def test_attempts_to_open_again_are_spread_over_seconds(hub, until_ended, closing):
    driver, failure, got = drive(hub, Plugs(refusals=9), until_ended, closing)
    assert failure is None
    lost, back = (event.time for event in events(got))
    assert (back - lost - driver.device.ahead_ns) * 1e-9 > 2.0


def test_a_stop_while_the_device_is_away_ends_in_order(hub, until_ended, closing):
    driver = PluggedDriver(Plugs(refusals=10**9))
    with Subscriber(hub.address) as subscriber:
        publisher = Publisher(hub.address, "wrist")
        done: list[object] = []
        thread = threading.Thread(target=lambda: done.append(pump(driver, publisher)))
        thread.start()
        got = []
        while not any(event.kind == "lost" for event in events(got)):
            got.append(subscriber.receive(10.0))
        hub.request_stop()
        thread.join(10)
        assert not thread.is_alive()
        closing(publisher)
        got += until_ended(subscriber)
    assert "did not come back" in str(done[0])
    failed = next(message for message in got if isinstance(message, Failed))
    assert failed.fault == Fault.UNPLUGGED
    assert got[-1] == Ended("wrist", 40, {})
