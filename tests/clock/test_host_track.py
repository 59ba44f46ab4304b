"""A whole recording's host times: from probes on both sides, whatever their order, over steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bus.messages import PROBE
from drivers.clock.host import HostClock, smooth

S = 10**9


def taken(rng, seconds, *, skew=0.0, least=(2e6, 2e6), jitter=(5e6, 5e6), jump_ns=0, begin=0):
    """Probes each half second; host time runs from 0, session = host + skew; half way one jumps ahead."""
    rows = []
    for t in np.arange(0, seconds, 0.5):
        there, back = (int(a + rng.exponential(b)) for a, b in zip(least, jitter, strict=True))
        t0 = begin + round(t * S)

        def session(host):
            return host + 77 * S + round(skew * (host - begin))

        row = [t0, session(t0 + there), session(t0 + there), t0 + there + back]
        if jump_ns and t >= seconds / 2:
            shift = [0, jump_ns, jump_ns, 0] if jump_ns > 0 else [-jump_ns, 0, 0, -jump_ns]
            row = [a + b for a, b in zip(row, shift, strict=True)]
        rows.append(tuple(row))
    return np.array(rows, PROBE)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    skew=st.floats(-500e-6, 500e-6),
    least=st.tuples(st.floats(0, 20e6), st.floats(0, 20e6)),
    jitter=st.tuples(st.floats(1e3, 50e6), st.floats(1e3, 50e6)),
    seconds=st.integers(1, 120),
)
def test_the_bound_contains_the_truth_in_any_order_and_time_rises(seed, skew, least, jitter, seconds):
    rng = np.random.default_rng(seed)
    probes = taken(rng, seconds, skew=skew, least=least, jitter=jitter)
    mixed = rng.permutation(np.concatenate((probes, probes[:: max(1, seconds // 5)])))
    track = smooth(mixed, epoch_ns=70 * S)
    host = np.sort(rng.integers(-5 * S, (seconds + 5) * S, 500))
    time, bound = track.to_session(host)
    truth = host + 7 * S + np.rint(skew * host).astype(np.int64)
    assert np.mean(np.abs(time - truth) <= bound) >= 0.99
    assert np.all(np.diff(time) >= 0)
    assert np.all((bound >= 0) & (bound < 10 * S))
    assert len(track.steps) == 0
    same, _ = smooth(probes, epoch_ns=70 * S).to_session(host)
    assert np.array_equal(same, time)
    one = track.to_session(int(host[7]))
    assert one == (time[7], bound[7])


@pytest.mark.parametrize("silence", [100, 130, 600])
@pytest.mark.parametrize("skew", [-80e-6, 0.0, 80e-6])
def test_over_a_silence_of_minutes_the_bound_holds_from_both_sides(silence, skew):
    rng = np.random.default_rng(silence)
    probes = taken(rng, 120 + silence, skew=skew)
    probes = probes[(probes["t0"] < 60 * S) | (probes["t0"] >= (60 + silence) * S)]
    track = smooth(probes)
    host = np.arange(0, (120 + silence) * S, S // 3)
    time, bound = track.to_session(host)
    truth = host + 77 * S + np.rint(skew * host).astype(np.int64)
    assert np.all(np.abs(time - truth) <= bound)
    assert np.all(np.diff(time) >= 0)
    assert bound.max() < 15_000_000
    assert len(track.steps) == 0


def test_both_directions_of_time_are_better_than_one():
    online, after = [], []
    for seed in range(6):
        probes = taken(np.random.default_rng(seed), 60, skew=50e-6, jitter=(10e6, 10e6))
        host = np.arange(15 * S, 55 * S, S)
        truth = host + 77 * S + np.rint(50e-6 * host).astype(np.int64)
        clock = HostClock(0, same=False)
        for probe in probes:
            clock.update(probe)
            if 15 * S < probe["t3"] < 55 * S:
                now = int(probe["t3"])
                online.append(clock.to_session(now)[0] - now - 77 * S - 50e-6 * now)
        after.append(smooth(probes).to_session(host)[0] - truth)
    assert np.median(np.abs(np.concatenate(after))) < np.median(np.abs(online))


@pytest.mark.parametrize("jump_ns", [20_000_000, -20_000_000, S, 10 * S, -10 * S])
def test_a_step_is_found_and_stays_within_the_bound(jump_ns):
    probes = taken(np.random.default_rng(5), 60, jump_ns=jump_ns, least=(1e6, 1e6), jitter=(1e6, 1e6))
    track = smooth(probes)
    assert len(track.steps) == 1
    before, after = np.arange(0, 29 * S, S // 10), np.arange(31 * S, 60 * S, S // 10)
    host = np.concatenate((before, after + max(0, -jump_ns)))
    truth = np.concatenate((before + 77 * S, after + 77 * S + max(0, jump_ns)))
    time, bound = track.to_session(host)
    assert np.all(np.abs(time - truth) <= bound)
    assert np.max(bound) < 2_000_000
    assert np.all(np.diff(time) > 0)
    # When exactly it stepped is not known: the bound says so, from the probe before to the one after.
    unsure = np.arange(29.5 * S, 30 * S, S // 50).astype(np.int64)
    time, bound = track.to_session(unsure)
    assert np.all(np.abs(time - (unsure + 77 * S)) <= bound)


@pytest.mark.parametrize("seed", range(4))
def test_a_clock_that_wanders_fast_does_not_step_and_keeps_its_bound(seed):
    rng = np.random.default_rng(seed)
    period = 20 * S  # 10 ppm to either side within 5 s: ten times what crystals do

    def session(host):
        return host + 77 * S + round(10e-6 * period / (2 * np.pi) * np.sin(2 * np.pi * host / period + seed))

    rows = []
    for t in np.arange(0, 120 * S, S // 2).tolist():
        there, back = (round(100e3 + rng.exponential(20e3)) for _ in range(2))
        rows.append((t, session(t + there), session(t + there), t + there + back))
    track = smooth(np.array(rows, PROBE))
    assert len(track.steps) == 0
    host = np.arange(0, 119 * S, S // 7)
    time, bound = track.to_session(host)
    error = np.abs(time - np.array([session(t) for t in host.tolist()]))
    assert np.mean(error <= bound) >= 0.99
    assert np.max(error) < 100_000


def test_one_clock_needs_no_probe():
    track = smooth(np.empty(0, PROBE), epoch_ns=5, same=True)
    assert track.to_session(12) == (7, 0)


def test_without_a_probe_that_can_be_there_is_no_track():
    with pytest.raises(ValueError, match="no usable clock probe"):
        smooth(np.array([(10, 0, 0, 5)], PROBE))


def test_long_recordings_of_several_streams_keep_their_accuracy():
    rng = np.random.default_rng(1)
    probes = np.sort(np.concatenate([taken(rng, 1200, skew=-30e-6, begin=k) for k in range(2)]), order="t3")
    track = smooth(probes)
    host = np.arange(0, 1200 * S, 7 * S)
    time, bound = track.to_session(host)
    error = np.abs(time - (host + 77 * S + np.rint(-30e-6 * host).astype(np.int64)))
    assert np.all(error <= bound)
    assert np.max(error) < 1_000_000
