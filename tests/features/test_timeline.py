import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.timeline import SECOND, Grid, Tail, age_s, hold, interpolate, mean_since, newest

sorted_times = st.lists(st.integers(0, 1000), max_size=30).map(lambda v: np.array(sorted(v), np.int64))
ticks = st.lists(st.integers(0, 1000), min_size=1, max_size=10).map(lambda v: np.array(sorted(v), np.int64))


@given(st.integers(-(10**15), 10**15), st.sampled_from([50.0, 59.94, 60.0, 100.0]))
def test_every_time_lies_between_two_neighbouring_ticks(time, rate):
    grid = Grid(rate)
    after, before = grid.at_or_after(time), grid.at_or_before(time)
    assert grid.time(after) >= time > grid.time(after - 1)
    assert grid.time(before) <= time < grid.time(before + 1)


def test_ticks_do_not_drift_over_a_day():
    day = 24 * 3600
    assert Grid(60).time(60 * day) == day * SECOND


def test_a_rate_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="rate_hz"):
        Grid(0)


@given(sorted_times, ticks)
def test_look_up_is_causal_and_newest(times, at):
    for tick, index in zip(at, newest(times, at), strict=True):
        assert index == -1 or times[index] <= tick
        assert index + 1 == len(times) or times[index + 1] > tick


def test_hold_forgets_what_is_too_old():
    times, values = np.array([0, SECOND]), np.array([[1.0], [2.0]])
    out, known = hold(times, values, np.array([-1, 0, SECOND // 2, SECOND, 3 * SECOND]), max_age_s=0.6)
    assert known.tolist() == [False, True, True, True, False]
    assert out[:, 0].tolist() == [0, 1, 1, 2, 0]
    assert age_s(np.array([], np.int64), np.array([5])).tolist() == [np.inf]


@given(sorted_times, ticks, st.integers(1, 200))
def test_mean_of_the_span_is_the_mean_of_its_samples(times, at, span):
    values = np.sin(times.astype(float))[:, None]
    mean, count = mean_since(times, values, at, span)
    for k, tick in enumerate(at):
        inside = (times > tick - span) & (times <= tick)
        assert count[k] == inside.sum()
        if inside.any():
            assert mean[k, 0] == pytest.approx(values[inside, 0].mean(), abs=1e-12)


def test_interpolation_follows_a_line_and_stops_at_gaps_and_ends():
    times = np.array([0, 10, 20, 100])
    values = 2.0 * times[:, None]
    out, known = interpolate(times, values, np.array([-1, 0, 5, 10, 17, 50, 100, 101]), max_gap_s=30e-9)
    assert known.tolist() == [False, True, True, True, True, False, True, False]
    assert out[known, 0].tolist() == [0, 10, 20, 34, 200]
    assert not interpolate(times[:0], values[:0], np.array([1]))[1].any()


@given(sorted_times, ticks, st.integers(1, 300), st.lists(st.integers(0, 30), max_size=4))
def test_a_tail_sees_what_the_whole_stream_shows_however_it_is_cut(times, at, span, cuts):
    tail = Tail(span)
    edges = [0, *sorted(min(c, len(times)) for c in cuts), len(times)]
    for a, b in itertools.pairwise(edges):
        tail.append(times[a:b], np.arange(a, b))
    for tick in at:
        seen = tail.at(int(tick))
        wanted = np.flatnonzero((times > tick - span) & (times <= tick))
        if not len(wanted):
            wanted = np.flatnonzero(times <= tick)[-1:]
        assert (seen is None) == (not len(wanted))
        if seen is not None:
            assert seen[1].tolist() == wanted.tolist()


def test_rows_that_come_late_are_seen_by_the_next_tick_unless_they_are_too_old():
    def seen(tail, tick):
        rows = tail.at(tick)
        assert rows is not None
        return rows[1].tolist()

    tail = Tail(10)
    tail.append(np.array([1, 5]), np.array([1, 5]))
    assert seen(tail, 10) == [1, 5]
    tail.append(np.array([8, 13, 18]), np.array([8, 13, 18]))  # 8 was not there at 10
    assert seen(tail, 20) == [8, 13, 18]
    tail.append(np.array([23]), np.array([23]))
    assert seen(tail, 30) == [23]
    tail.append(np.array([40, 600]), np.array([40, 600]))  # 40 is more than 8 spans old
    assert seen(tail, 600) == [600]


def test_a_tail_never_runs_backwards():
    tail = Tail(10)
    tail.append(np.array([100, 90]), np.array([0, 1]))
    tail.append(np.array([95]), np.array([2]))
    assert tail.last_time == 100
    seen = tail.at(100)
    assert seen is not None
    assert seen[1].tolist() == [0, 1, 2]
