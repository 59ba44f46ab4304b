"""A whole recording at once: rising, finite, within its bound, and better than online."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import NO_TIME, StreamInfo
from drivers.clock.device import CLOCK, EXACT, HOST, DeviceClock, smooth

START = 10**13
IMU = StreamInfo(name="imu", kind="imu", rate_hz=200.0, regular=True)


def draw(rng, n, period=5e6, drift=80e-6, jitter=4e6, lump=16e6, loss=0.02):
    truth = START + np.arange(n) * period * (1 + drift)
    came = np.maximum.accumulate(truth + rng.exponential(jitter, n))
    if lump:
        came = np.ceil(came / lump) * lump
    kept = rng.random(n) >= loss
    return np.flatnonzero(kept).astype(np.uint64), truth[kept].astype(np.int64), came[kept].astype(np.int64)


def unknown(n):
    return np.full(n, NO_TIME)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    drift=st.floats(-200e-6, 200e-6),
    jitter=st.floats(0, 10e6),
    lump=st.sampled_from([0.0, 16e6]),
)
def test_times_rise_and_the_bound_contains_the_truth(seed, drift, jitter, lump):
    seq, truth, came = draw(np.random.default_rng(seed), 4000, drift=drift, jitter=jitter, lump=lump)
    times, bounds = smooth(seq, came, unknown(len(seq)), IMU)
    assert np.all(np.diff(times) > 0)
    assert np.mean(np.abs(times - truth) <= bounds) > 0.99


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**50), st.integers(0, 2**50)), max_size=50),
    st.sampled_from(
        [
            IMU,
            StreamInfo(name="camera", kind="camera", rate_hz=30.0),
            StreamInfo(name="slow", kind="imu", rate_hz=1e-310, regular=True),
            StreamInfo(name="mic", kind="audio", rate_hz=48e3, regular=True, properties={CLOCK: HOST}),
        ]
    ),
    st.booleans(),
)
def test_anything_gives_rising_times(rows, info, stamped):
    seq, came = (np.array([row[k] for row in rows], np.int64) for k in (0, 1))
    device = came[::-1].copy() if stamped else unknown(len(rows))
    times, bounds = smooth(seq.astype(np.uint64), came, device, info)
    assert len(times) == len(bounds) == len(rows)
    assert np.all(np.diff(times) > 0)
    assert np.all(bounds >= 0)


def test_both_directions_of_time_are_better_than_one():
    seq, truth, came = draw(np.random.default_rng(7), 24_000)
    clock = DeviceClock(200.0)
    online = np.concatenate([clock.update(came[i : i + 3], seq[i : i + 3])[0] for i in range(0, len(seq), 3)])
    times, _ = smooth(seq, came, unknown(len(seq)), IMU)
    assert np.std(times - truth) < 0.5 * np.std(online - truth)
    assert np.std(times - truth) < 0.15e6


def test_a_step_is_where_it_was_not_where_it_was_noticed():
    rng = np.random.default_rng(2)
    seq, truth, came = draw(rng, 12_000, jitter=1e6, lump=0.0, loss=0.0)
    truth[6000:] += 300_000_000  # the device stood still and did not count
    came[6000:] += 300_000_000
    times, _ = smooth(seq, came, unknown(len(seq)), IMU)
    assert np.max(np.abs(times - truth)[:5900]) < 1e6
    assert np.max(np.abs(times - truth)[6100:]) < 1e6


def test_a_device_that_counts_from_zero_again_is_two_segments():
    rng = np.random.default_rng(3)
    seq, truth, came = draw(rng, 8000, jitter=1e6, lump=0.0, loss=0.0)
    truth[4000:] += 2_000_000_000
    came[4000:] += 2_000_000_000
    seq[4000:] -= 4000
    times, bounds = smooth(seq, came, unknown(len(seq)), IMU)
    assert np.mean(np.abs(times - truth) <= bounds) > 0.99


def test_stamps_on_the_hosts_clock_are_used_when_they_can_be_true():
    rng = np.random.default_rng(4)
    n = 1500
    truth = START + np.arange(n) * 20_000_000
    came = truth + 20_000_000 + rng.exponential(5e6, n).astype(np.int64)
    stamps = truth + rng.normal(0, 2e6, n).astype(np.int64)
    info = StreamInfo(name="mic", kind="audio", rate_hz=50.0, regular=True, properties={CLOCK: HOST})
    times, bounds = smooth(np.arange(n, dtype=np.uint64), came, stamps, info)
    assert np.max(np.abs(times - truth)) < 0.5e6
    assert np.mean(np.abs(times - truth) <= bounds) > 0.99
    impossible, _ = smooth(np.arange(n, dtype=np.uint64), came, came + 15_000_000, info)
    assert np.all(impossible <= came + 1_000_000)


def test_exact_times_are_kept():
    came = np.array([5, 9, 20])
    info = StreamInfo(name="truth", kind="pose", rate_hz=60.0, regular=True, properties={EXACT: "7"})
    times, bounds = smooth(np.arange(3, dtype=np.uint64), came, unknown(3), info)
    assert times.tolist() == [5, 9, 20]
    assert bounds.tolist() == [7, 7, 7]


def test_a_camera_with_stamps_is_mapped_and_one_without_keeps_its_arrivals():
    rng = np.random.default_rng(6)
    n = 1800
    truth = (START + np.cumsum(rng.uniform(25e6, 40e6, n))).astype(np.int64)
    came = truth + rng.exponential(6e6, n).astype(np.int64)
    info = StreamInfo(name="camera", kind="camera", rate_hz=30.0)
    seq = np.arange(n, dtype=np.uint64)
    times, bounds = smooth(seq, came, ((truth - START) * (1 + 50e-6)).astype(np.int64), info)
    assert np.std(times - truth) < 0.2e6
    assert np.mean(np.abs(times - truth) <= bounds) > 0.99
    plain, _ = smooth(seq, came, unknown(n), info)
    assert np.max(np.abs(plain - np.maximum.accumulate(came))) < 1000


@pytest.mark.parametrize(("before", "after"), [(200, 100), (100, 200), (200, 190)])
def test_a_changed_rate_is_a_new_segment_with_its_own_pace(before, after):
    rng = np.random.default_rng(0)
    truth = (
        START + np.concatenate([np.arange(20 * before) / before, 20 + np.arange(20 * after) / after]) * 1e9
    )
    came = np.maximum.accumulate(truth + rng.exponential(2e6, len(truth))).astype(np.int64)
    info = StreamInfo(name="imu", kind="imu", rate_hz=float(before), regular=True)
    times, _ = smooth(np.arange(len(truth), dtype=np.uint64), came, unknown(len(truth)), info)
    late = truth > START + 26e9
    assert np.all(np.diff(times) > 0)
    assert np.max(np.abs(times - truth)[late]) < 1e6
