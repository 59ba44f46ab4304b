"""Counters that wrap, and rows that only the stamps show to be missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import NO_TIME
from drivers.clock.device import unwrap
from drivers.clock.device_count import Recount


@given(
    st.integers(3, 32),
    st.integers(0, 2**32),
    st.lists(st.integers(-3, 3), max_size=200),
)
def test_unwrapping_gives_back_every_step_of_less_than_half_the_range(bits, start, steps):
    count = start + np.concatenate(([0], np.cumsum(steps))).astype(np.int64)
    found = unwrap(count % 2**bits, bits)
    assert np.array_equal(found - found[0], count - start)


def test_a_width_that_no_counter_has_is_refused():
    for bits in (0, 63):
        with pytest.raises(ValueError, match="bits"):
            unwrap(np.array([1]), bits)
    assert len(unwrap(np.zeros(0, np.uint8), 8)) == 0


@given(st.integers(0, 2**31), st.integers(1, 9), st.floats(-0.02, 0.02))
def test_gaps_that_only_stamps_show_are_found(seed, step, off):
    rng = np.random.default_rng(seed)
    row = np.flatnonzero(rng.random(1000) > 0.03)
    stamps = 10**12 + np.rint(row * 5e6 * (1 + off) + rng.uniform(-5e5, 5e5, len(row))).astype(np.int64)
    recount = Recount(5e6)
    seq = np.arange(len(row))
    parts = [recount(seq[i : i + step], stamps[i : i + step]) for i in range(0, len(row), step)]
    count = np.concatenate(parts)
    assert np.all(np.diff(count) > 0)
    late = slice(300, None)  # it takes some rows until the stamps have shown to be faithful
    assert np.array_equal(np.diff(count[late]), np.diff(row[late]))


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=100), st.integers(1, 5))
def test_stamps_that_are_no_clock_change_nothing(stamps, step):
    device = np.array(stamps, np.int64)
    device[::2] = NO_TIME
    seq, recount = np.arange(len(device)), Recount(5e6)
    parts = [recount(seq[i : i + step], device[i : i + step]) for i in range(0, len(seq), step)]
    assert np.array_equal(np.concatenate(parts), seq)


@pytest.mark.parametrize("step", [1, 4])
@pytest.mark.parametrize("faster", [2, 3, 5])
def test_a_film_shown_faster_than_it_was_taken_lacks_no_pictures(faster, step):
    seq, recount = np.arange(600), Recount(1e9 / 60)
    stamps = np.rint(seq % 230 * faster * 1e9 / 60).astype(np.int64)  # presentation times, shown in a loop
    parts = [recount(seq[i : i + step], stamps[i : i + step]) for i in range(0, len(seq), step)]
    assert np.array_equal(np.concatenate(parts), seq)
