"""Times of a device from its row numbers: rising, and within their bound of the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import NO_TIME, Samples, StreamInfo
from drivers.clock.device import ArrivalClock, DeviceClock, ExactClock, RegularClock, device_clock

START = 10**13
DELAYS = {
    "exponential": lambda rng, n: rng.exponential(2e6, n),
    "gamma": lambda rng, n: rng.gamma(2, 2e6, n),
    "uniform": lambda rng, n: rng.uniform(0, 15e6, n),
    "spikes": lambda rng, n: rng.uniform(0, 2e6, n) + (rng.random(n) < 0.01) * 200e6,
}


def arrivals(truth, delays, poll=0.0):
    """Rows keep their order, and come when they are polled."""
    came = np.maximum.accumulate(truth + delays)
    if poll:
        came = np.ceil(came / poll) * poll
    return came.astype(np.int64)


def run(clock, came, seq, step=4):
    times, bounds = [], []
    for i in range(0, len(came), step):
        one, bound = clock.update(came[i : i + step], seq[i : i + step])
        times.append(one)
        bounds.append(bound)
    return np.concatenate(times), np.concatenate(bounds)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rate=st.sampled_from([25.0, 60.0, 100.0, 200.0]),
    off=st.floats(-0.015, 0.015),
    kind=st.sampled_from(sorted(DELAYS)),
    poll=st.sampled_from([0.0, 7e6, 16e6]),
)
def test_times_rise_and_the_bound_contains_the_truth(seed, rate, off, kind, poll):
    rng = np.random.default_rng(seed)
    n = int(20 * rate)
    seq = np.cumsum(1 + (rng.random(n) < 0.01)).astype(np.uint64)  # one row in a hundred is lost
    truth = START + seq.astype(np.float64) * 1e9 / rate * (1 + off)
    if poll < 1e9 / rate:  # polls in step with single rows cannot be told from a later device
        poll = 0.0
    times, bounds = run(DeviceClock(rate), arrivals(truth, DELAYS[kind](rng, n), poll), seq)
    assert np.all(np.diff(times) > 0)
    assert np.all(bounds > 0)
    held = np.abs(times - truth) <= bounds
    assert held.mean() > 0.99
    settled = seq > 5 * rate
    assert held[settled].mean() > 0.99


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**62), st.integers(0, 2**62)), min_size=1, max_size=60),
    st.integers(1, 7),
    st.floats(0.1, 1e5),
)
def test_any_input_gives_rising_times(rows, step, rate):
    came, seq = (np.array(column) for column in zip(*rows, strict=True))
    times, bounds = run(DeviceClock(rate), came.astype(np.int64), seq.astype(np.uint64), step)
    assert len(times) == len(bounds) == len(rows)
    assert np.all(bounds >= 0)
    if came.max() < 2**60 and seq.max() * 1e9 / rate < 2**60:  # the rest would not fit 64 bits
        assert np.all(np.diff(times) > 0)


def test_a_minute_through_a_jittery_line_is_better_than_a_tenth_of_its_jitter():
    rng = np.random.default_rng(0)
    rate, n = 200.0, 200 * 60
    truth = START + np.arange(n) * 1e9 / rate * (1 + 80e-6)
    came = arrivals(truth, rng.exponential(5e6, n))
    clock = DeviceClock(rate)
    times, bounds = run(clock, came, np.arange(n, dtype=np.uint64))
    error = np.abs(times - truth)[1000:]
    assert np.median(came - truth) > 3e6
    assert np.max(error) < 0.5e6
    assert np.median(bounds) < 5e6
    assert clock.effective_hz == pytest.approx(rate / (1 + 80e-6), rel=20e-6)
    assert clock.segments == 1


def test_a_minute_in_one_call_is_a_minute_in_many():
    rng = np.random.default_rng(8)
    truth = START + np.arange(6000) * 10e6 * (1 - 90e-6)
    came, seq = arrivals(truth, rng.exponential(3e6, 6000)), np.arange(6000, dtype=np.uint64)
    at_once, _ = run(DeviceClock(100.0), came, seq, step=6000)
    assert np.max(np.abs(at_once - truth)[1000:]) < 0.5e6
    assert np.all(np.diff(at_once) > 0)


def test_polling_in_step_with_the_rows_widens_the_bound():
    n = 3000
    truth = START + 3e6 + np.arange(n) * 10e6
    came = arrivals(truth, np.zeros(n), poll=20e6)  # each pair has waited 17 and 7 ms, always
    times, bounds = run(DeviceClock(100.0), came, np.arange(n, dtype=np.uint64), step=2)
    assert np.all(np.abs(times - truth) <= bounds)


@pytest.mark.parametrize("jump_ms", [-200, 200])
def test_a_step_that_no_counter_shows_begins_a_new_segment(jump_ms):
    rng = np.random.default_rng(1)
    n = 4000
    truth = START + np.arange(n) * 10e6
    truth[2000:] += jump_ms * 1e6
    came = (truth + rng.uniform(0, 1e6, n)).astype(np.int64)
    clock = DeviceClock(100.0)
    times, bounds = run(clock, came, np.arange(n, dtype=np.uint64))
    assert clock.segments == 2
    assert np.all(np.diff(times) > 0)
    assert np.all(np.abs(times - truth)[2600:] < 5e6)
    assert np.all((np.abs(times - truth) <= bounds)[2600:])


def test_a_stall_of_the_host_is_no_step():
    n = 3000
    truth = START + np.arange(n) * 10e6
    came = truth.copy()
    came[1000:1300] = np.maximum(came[1000:1300], truth[1300])  # three seconds come at once
    clock = DeviceClock(100.0)
    times, _ = run(clock, came.astype(np.int64), np.arange(n, dtype=np.uint64))
    assert clock.segments == 1
    assert np.max(np.abs(times - truth)) < 1e6


def test_a_device_that_counts_from_zero_again_begins_a_new_segment():
    truth = START + np.arange(1000) * 10e6
    truth[500:] += 3e9
    seq = np.concatenate([np.arange(500), np.arange(500)]).astype(np.uint64)
    clock = DeviceClock(100.0)
    times, _ = run(clock, truth.astype(np.int64), seq, step=7)
    assert clock.segments == 2
    assert np.max(np.abs(times - truth)) < 1e6


def test_a_device_without_a_rate_is_refused():
    for rate in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="rate"):
            DeviceClock(rate)


def test_a_camera_clock_that_keeps_pace_is_used_and_one_that_does_not_is_not():
    rng = np.random.default_rng(2)
    n = 1200
    truth = START + np.arange(n) * 33_333_333 + rng.normal(0, 5e6, n)  # exposure varies
    truth = np.sort(truth)
    came = arrivals(truth, rng.exponential(8e6, n))
    stamped = (truth * (1 + 30e-6)).astype(np.int64)
    times, bounds = run(ArrivalClock(30.0), came, stamped, step=1)
    assert np.all(np.diff(times) > 0)
    settled = slice(200, None)
    assert np.median(np.abs(times - truth)[settled]) < 0.2 * np.median((came - truth)[settled])
    assert np.mean((np.abs(times - truth) <= bounds)[settled]) > 0.99
    for useless in (stamped * 2, stamped[::-1].copy(), np.full(n, NO_TIME), np.zeros(n, np.int64)):
        times, bounds = run(ArrivalClock(30.0), came, useless, step=1)
        assert np.all(np.abs(times - came)[40:] < 100_000)  # rows that come at once are set apart by 1 ns
        assert np.mean(np.abs(came - truth - 1e6) <= bounds) > 0.95


def test_the_model_follows_from_what_is_announced():
    fields = {"name": "s", "kind": "imu"}
    assert isinstance(device_clock(StreamInfo(**fields, regular=True, rate_hz=100)), RegularClock)
    assert isinstance(device_clock(StreamInfo(**fields, regular=True)), ArrivalClock)
    assert isinstance(device_clock(StreamInfo(**fields, rate_hz=30)), ArrivalClock)
    exact = device_clock(StreamInfo(**fields, properties={"time_host_bound_ns": "1000"}))
    assert isinstance(exact, ExactClock)
    came = np.array([5, 9], np.int64)
    samples = Samples(np.zeros((2, 1)), came, came, came.astype(np.uint64))
    times, bounds = exact.correct(samples)
    assert times.tolist() == [5, 9]
    assert bounds.tolist() == [1000, 1000]
