"""The one loop that runs every driver: times, totals, events and failures."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

from drivers.base import NO_TIME, Driver, DriverContext, EndOfStream, Samples, StreamInfo
from drivers.bus import Publisher, Subscriber
from drivers.bus.messages import Batch, Ended, Event, Failed
from drivers.count import RowCount
from drivers.errors import DeviceError, Fault
from drivers.loop import pump

CONTEXT = DriverContext("wrist")


@dataclasses.dataclass(frozen=True)
class Script:
    """What a scripted device does: (row numbers, losses) of each read, then how it ends."""

    reads: tuple[tuple[tuple[int, ...], dict[str, int]], ...]
    finish: BaseException = dataclasses.field(default_factory=EndOfStream)
    refuse: Exception | None = None
    shape: tuple[int, ...] = (2,)
    gone: Exception | None = None  # what opening it again fails with; None: it is there again at once


class Scripted(Driver[Script]):
    """A device whose rows are known beforehand; everything else is the real road."""

    Config = Script

    opened = 0

    def open(self):
        self.opened += 1
        if self.config.refuse is not None:
            raise self.config.refuse
        if self.opened > 1 and self.config.gone is not None:
            raise self.config.gone
        self.left = list(self.config.reads)
        self.came = []
        self.happened = []
        self.closed = 0
        return StreamInfo(name="wrist", kind="imu", shape=(2,), rate_hz=100.0)

    def read(self, timeout_s):
        if not self.left:
            raise self.config.finish
        numbers, lost = self.left.pop(0)
        now = time.monotonic_ns()
        self.came.append(now)
        self.happened.append((now, "mark", f"read {len(self.came)}"))
        seq = np.array(numbers, np.uint64)
        times = np.full(len(seq), now)
        return Samples(
            np.ones((len(seq), *self.config.shape), "<f4"), times, np.full(len(seq), NO_TIME), seq, lost
        )

    def close(self):
        self.closed += 1

    def events(self):
        happened, self.happened = self.happened, []
        return happened


def drive(hub, script, until_ended, closing, **options):
    driver = Scripted(script, CONTEXT)
    with Subscriber(hub.address) as subscriber:
        publisher = Publisher(hub.address, "wrist")
        failure = pump(driver, publisher, **options)
        closing(publisher)
        return driver, failure, until_ended(subscriber)


def test_rows_events_and_totals_reach_the_bus(hub, until_ended, closing):
    script = Script(reads=(((0, 1, 2), {}), ((5, 6), {"device_gap": 2}), ((7,), {}), ((), {"checksum": 3})))
    driver, failure, got = drive(hub, script, until_ended, closing, latency_ms=4.0, worn_on="head")
    assert failure is None
    assert driver.closed == 1
    batches = [message for message in got if isinstance(message, Batch)]
    stamps = np.concatenate([batch.stamps for batch in batches])
    assert stamps["seq"].tolist() == [0, 1, 2, 5, 6, 7]
    assert [batch.lost for batch in batches] == [{}, {"device_gap": 2}, {}, {"checksum": 3}]
    assert got[-1] == Ended("wrist", 11, {"device_gap": 2, "checksum": 3})
    assert np.all(np.diff(stamps["time"]) > 0)
    epoch = hub.session.epoch_ns
    expected = stamps["time_host"] - epoch - 4_000_000
    assert np.all(stamps["time"] - expected < 1000)  # rows that came at once are kept 1 ns apart
    assert np.all(stamps["time"] >= expected)
    assert np.all(stamps["time_device"] == NO_TIME)
    events = [message for message in got if isinstance(message, Event)]
    assert [event.time + epoch for event in events] == driver.came
    assert [event.label for event in events] == ["read 1", "read 2", "read 3", "read 4"]
    info = next(message for message in got if hasattr(message, "info")).info
    assert info.worn_on == "head"
    assert info.host == hub.session.clock


def test_a_gap_that_the_driver_forgot_shows_in_the_totals(hub, until_ended, closing):
    _, _, got = drive(hub, Script(reads=(((0, 1), {}), ((9,), {}))), until_ended, closing)
    published = sum(len(message) for message in got if isinstance(message, Batch))
    assert got[-1].produced - published - sum(got[-1].lost.values()) == 7


@pytest.mark.parametrize(
    ("error", "fault", "says"),
    [
        (
            DeviceError("wrist", Fault.UNPLUGGED, "it is gone", mend="Plug it in"),
            "was unplugged",
            "Plug it in",
        ),
        (RuntimeError("broken\ncode"), "failed", "RuntimeError: broken code"),
    ],
)
def test_a_driver_that_fails_and_stays_away_loses_no_row_and_says_why(
    hub, until_ended, closing, error, fault, says
):
    script = Script(reads=(((0, 1, 2), {}),), finish=error, gone=OSError("no such device"))
    stop = iter([False] * 8)  # some attempts, then it is told to stop
    driver, failure, got = drive(hub, script, until_ended, closing, stop=lambda: next(stop, True))
    assert driver.closed >= driver.opened > 1
    assert isinstance(failure, DeviceError)
    failed = next(message for message in got if isinstance(message, Failed))
    assert failed.fault == fault
    assert says in failed.error
    assert "did not come back" in failed.error
    assert "\n" not in failed.error
    assert str(failure) == failed.error
    assert [event.kind for event in got if isinstance(event, Event)] == ["mark", "lost"]
    assert sum(len(message) for message in got if isinstance(message, Batch)) == 3
    assert got[-1] == Ended("wrist", 3, {})


def test_ctrl_c_ends_a_driver_in_order(hub, until_ended, closing):
    script = Script(reads=(((0, 1, 2), {}),), finish=KeyboardInterrupt())
    driver, failure, got = drive(hub, script, until_ended, closing)
    assert failure is None
    assert driver.closed == 1
    assert got[-1] == Ended("wrist", 3, {})


def test_a_driver_that_cannot_open_says_why(hub, until_ended, closing):
    refuse = DeviceError("wrist", Fault.NOT_FOUND, "there is no port /dev/ttyUSB7", mend="Plug it in")
    _driver, failure, got = drive(hub, Script(reads=(), refuse=refuse), until_ended, closing)
    assert failure is refuse
    assert [type(message) for message in got if isinstance(message, Failed | Ended)] == [Failed, Ended]
    assert got[-1] == Ended("wrist", 0, {})


def test_a_driver_that_sends_what_it_did_not_announce_fails_cleanly(hub, until_ended, closing):
    script = Script(reads=(((0, 1), {}),), shape=(3,))
    _, failure, got = drive(hub, script, until_ended, closing)
    assert "wrist" in str(failure)
    assert got[-1] == Ended("wrist", 0, {})


def samples(numbers, lost=None, rows=None):
    count = len(numbers) if rows is None else rows
    times = np.zeros(len(numbers), np.int64)
    return Samples(np.zeros((count, 1)), times, times, np.array(numbers, np.uint64), lost or {})


@pytest.mark.parametrize(
    ("reads", "block", "produced", "published"),
    [
        ([samples([0, 1]), samples([2])], False, 3, 3),
        ([samples([100, 101]), samples([105], {"device_gap": 3})], False, 6, 3),
        ([samples([3, 4], {"checksum": 3})], False, 5, 2),  # lost before the first row
        ([samples([3, 6], {"checksum": 2})], False, 4, 2),  # lost between the first rows
        ([samples([0]), samples([], {"driver_queue": 4})], False, 5, 1),  # lost after the last row
        ([samples([0]), samples([], {"checksum": 1}), samples([2])], False, 3, 2),
        ([samples([7, 8]), samples([0, 1])], False, 4, 4),  # the device was restarted
        ([samples([0], rows=480), samples([480], rows=480)], True, 960, 960),
        ([samples([0], rows=480), samples([960], {"driver_queue": 480}, rows=100)], True, 1060, 580),
        ([], False, 0, 0),
    ],
)
def test_produced_rows_are_counted_by_their_numbers(reads, block, produced, published):
    count = RowCount()
    for read in reads:
        count.add(read, block=block)
    assert (count.produced, count.published) == (produced, published)
    assert count.produced == count.published + sum(count.lost.values())
