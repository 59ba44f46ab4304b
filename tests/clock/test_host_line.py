"""What probes allow of an offset: whatever the network does, the truth is among it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bus.messages import PROBE
from drivers.clock.probe_line import (
    MAX_SKEW,
    allowed_by,
    departure,
    departure_at,
    estimate_offset,
    possible,
    thin,
)

delays = st.floats(0, 3e9)
"""Any delay that is not negative; ns."""


@st.composite
def probe_sets(draw, least=1):
    """Probes between two clocks with a constant rate difference, and the offset at their end."""
    number = draw(st.integers(least, 40))
    offset = draw(st.integers(-(10**17), 10**17))
    skew = draw(st.floats(-MAX_SKEW * 0.99, MAX_SKEW * 0.99))
    now = 10**12
    start = now
    rows = []
    for _ in range(number):
        there, back, worked = (int(draw(delays)) for _ in range(3))
        t0, asked, t3 = now, now + there, now + there + worked + back
        t1, t2 = (
            t + offset + math.floor(skew * (t - start)) + carry
            for t, carry in ((asked, 1), (asked + worked, 0))  # rounded away from the line
        )
        rows.append((t0, t1, max(t1, t2), t3))
        now += draw(st.integers(0, 10**9)) if draw(st.booleans()) else t3 - t0
    return np.array(rows, PROBE), offset, skew, start


@settings(max_examples=150, deadline=None)
@given(probe_sets(), st.randoms(use_true_random=False))
def test_the_true_line_is_always_allowed(made, random):
    probes, offset, skew, start = made
    at = int(probes["t3"].max())
    found = allowed_by(probes, at, offset, unlikely=np.inf)
    truth = skew * (at - start)
    assert found.gap >= -8
    if found.gap < 0:  # by rounding to whole ns
        return
    assert found.low - 4 <= truth <= found.high + 4
    assert found.low - 1 <= found.middle <= found.high + 1
    assert found.slope_low <= found.slope <= found.slope_high
    shuffled = list(range(len(probes))) * 2  # in any order, twice
    random.shuffle(shuffled)
    again = allowed_by(probes[shuffled], at, offset, unlikely=np.inf)
    assert again.low == pytest.approx(found.low, abs=1)
    assert again.high == pytest.approx(found.high, abs=1)


@settings(max_examples=100, deadline=None)
@given(probe_sets(least=2), st.floats(-MAX_SKEW, MAX_SKEW), st.integers(1, 10**10))
def test_to_drop_probes_never_excludes_the_truth(made, skew, bucket):
    probes, offset, true_skew, start = made
    kept = thin(probes, skew, bucket)
    assert 1 <= len(kept) <= len(probes)
    at = int(probes["t3"].max())
    found = allowed_by(kept, at, offset, unlikely=np.inf)
    if found.gap >= 0:
        assert found.low - 4 <= true_skew * (at - start) <= found.high + 4


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-(2**61), 2**61)] * 4), min_size=1, max_size=20))
def test_no_probes_that_can_be_make_a_number_that_is_none(rows):
    rows = [(min(a, b), min(c, d), max(c, d), max(a, b)) for a, b, c, d in rows]
    probes = np.array(rows, PROBE)
    probes = probes[np.abs(probes["t3"] - probes["t0"]) < 2**60]
    probes = probes[possible(probes)]
    probes = probes[np.abs(probes["t1"] // 2 - probes["t0"] // 2) < 2**60]
    if not len(probes):
        return
    found = estimate_offset(probes, int(probes["t3"][-1]))
    assert 1 <= found.probes <= len(probes)
    assert found.bound_ns >= 0
    assert all(map(math.isfinite, (found.skew, found.skew_bound, found.conflict_ns)))


@given(st.floats(-1e12, 1e12))
def test_a_clock_strays_the_more_the_farther(away):
    one = float(departure(np.array([away]))[0])
    assert one == pytest.approx(departure_at(away), rel=1e-9, abs=1e-6)
    assert 0 <= one <= float(departure(np.array([away * 1.1]))[0])


def test_a_queue_in_one_direction_does_no_harm():
    rng = np.random.default_rng(0)
    rows, now = [], 0
    for _ in range(240):
        there, back = int(2e6 + rng.exponential(20e6)), int(2e6)
        rows.append((now, now + there, now + there, now + there + back))
        now += 250_000_000
    found = estimate_offset(np.array(rows, PROBE), now)
    assert abs(found.offset_ns) < 1_000_000  # half of the mean queue would be 10 ms
    assert abs(found.offset_ns) <= found.bound_ns < 4_000_000


def test_slow_queues_are_not_taken_for_drift():
    """Neighbouring delays that are alike tell no more than one: the bound must stay wide."""
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(20):
        queues, rows, now = rng.normal(0, 20e6, 2), [], 0
        for _ in range(120):
            queues = 0.975 * queues + 20e6 * math.sqrt(1 - 0.975**2) * rng.normal(size=2)
            there, back = (int(2e6 + abs(queue)) for queue in queues)
            rows.append((now, now + there, now + there, now + there + back))
            now += 500_000_000
        found = estimate_offset(np.array(rows, PROBE), now)
        inside.append(abs(found.offset_ns) <= found.bound_ns + found.skew_bound * 5e8)
    assert all(inside)
