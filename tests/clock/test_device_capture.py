"""Stamps on the host's own clock are believed as long as they can be true."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import NO_TIME, Samples, StreamInfo
from drivers.clock.device import CLOCK, HOST, CaptureClock, DeviceClock, RegularClock, device_clock

START = 10**13


def run(clock, came, stamps, seq=None):
    seq = np.arange(len(came), dtype=np.uint64) if seq is None else seq
    parts = [
        clock.correct(Samples((b"",), came[i : i + 1], stamps[i : i + 1], seq[i : i + 1]))
        for i in range(len(came))
    ]
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def test_the_property_chooses_the_clock():
    info = StreamInfo(name="mic", kind="audio", rate_hz=48000.0, regular=True, properties={CLOCK: HOST})
    assert isinstance(device_clock(info), CaptureClock)


def test_a_kernels_stamps_are_the_times_of_pictures():
    rng = np.random.default_rng(1)
    truth = (START + np.cumsum(rng.uniform(20e6, 50e6, 200))).astype(np.int64)
    clock = CaptureClock(30.0, regular=False)
    times, bounds = run(clock, truth + rng.exponential(9e6, 200).astype(np.int64), truth)
    assert clock.believed
    assert np.array_equal(times, truth)
    assert np.all(bounds == 1_000_000)


def test_stamps_after_their_arrival_are_not_believed():
    rng = np.random.default_rng(2)
    came = START + np.arange(300) * 33_000_000 + rng.exponential(2e6, 300).astype(np.int64)
    for stamps in (came + 50_000_000, came - 10**11, np.full(300, NO_TIME), np.arange(300) * 33_000_000):
        clock = CaptureClock(30.0, regular=False)
        times, _ = run(clock, came, stamps)
        assert not clock.believed
        assert np.all(np.abs(times - came) < 50_000_000)


def test_jittery_adc_times_are_smoothed_by_the_sample_count():
    rng = np.random.default_rng(3)
    n = 3000
    truth = START + np.arange(n) * 20_000_000
    stamps = truth + rng.normal(0, 2e6, n).astype(np.int64)
    came = truth + 30_000_000 + rng.exponential(3e6, n).astype(np.int64)
    seq = (np.arange(n) * 960).astype(np.uint64)
    times, bounds = run(CaptureClock(48000.0, regular=True), came, stamps, seq)
    error = np.abs(times - truth)
    assert np.all(np.diff(times) > 0)
    assert np.max(error[500:]) < 0.8e6
    assert np.mean(error <= bounds) > 0.99
    assert np.median(bounds[500:]) < 2e6


@given(
    st.lists(st.tuples(st.integers(0, 2**55), st.integers(-(2**63), 2**62)), min_size=1, max_size=60),
    st.booleans(),
)
def test_anything_gives_rising_times(rows, regular):
    came, stamps = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    times, bounds = run(CaptureClock(100.0, regular=regular), came, stamps)
    assert np.all(np.diff(times) > 0)
    assert np.all(bounds >= 0)


@given(st.integers(0, 2**31))
def test_rows_that_come_again_or_late_change_no_other(seed):
    rng = np.random.default_rng(seed)
    n = 600
    truth = START + np.arange(n) * 5_000_000
    came = np.maximum.accumulate(truth + rng.exponential(1e6, n).astype(np.int64))
    order = np.argsort(np.arange(n) + rng.integers(0, 3, n), kind="stable")
    order = np.sort(np.concatenate([order, order[rng.integers(0, n, 30)]]), kind="stable")
    swapped = order.copy()
    at = rng.integers(0, len(order) - 1, 30)
    swapped[at], swapped[at + 1] = order[at + 1], order[at]
    clock = DeviceClock(200.0)
    arrivals = np.maximum.accumulate(came[swapped])
    times = np.concatenate(
        [
            clock.update(arrivals[i : i + 4], swapped[i : i + 4].astype(np.uint64))[0]
            for i in range(0, len(swapped), 4)
        ]
    )
    assert clock.segments == 1
    assert np.all(np.diff(times) > 0)
    assert np.median(np.abs(times - truth[swapped])[200:]) < 1e6


def test_rows_that_only_the_stamps_show_to_be_missing_make_no_steps():
    rng = np.random.default_rng(5)
    row = np.flatnonzero(rng.random(12_000) > 0.02)
    truth = START + row * 5_000_000
    came = np.maximum.accumulate(truth + rng.exponential(2e6, len(row)).astype(np.int64))
    seq = np.arange(len(row), dtype=np.uint64)  # no counter: lost rows leave no gap
    clock = RegularClock(200.0)
    times, _ = run(clock, came, (row * 5_000_000).astype(np.int64), seq)
    assert np.max(np.abs(times - truth)[2000:]) < 1e6
