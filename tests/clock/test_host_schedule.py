"""Probes are frequent when little is known, and their failing is told."""

from __future__ import annotations

from drivers.clock.probe_schedule import BURST, CHAIN, INTERVAL_S, NO_ANSWER_S, SCATTER_NS, ProbeSchedule


def sent_in(schedule, start_s, seconds, scatter_ns=0, answer_s=0.001):
    """Play a schedule; return how many probes were sent."""
    now, sent = start_s, 0
    while schedule.due_s < start_s + seconds:
        now = max(now, schedule.due_s)
        schedule.begin(now, scatter_ns)
        sent += 1
        now += answer_s
        while schedule.answered(now):
            sent += 1
            now += answer_s
    return sent


def test_probes_become_rarer_once_the_clock_is_known():
    schedule = ProbeSchedule(same=False, now_s=0.0)
    first, later = sent_in(schedule, 0.0, 10.0), sent_in(schedule, 20.0, 10.0)
    assert first >= 3 * later
    assert abs(later - CHAIN * 10 / INTERVAL_S) <= CHAIN


def test_scattered_delays_are_probed_more_often():
    quiet, scattered = (ProbeSchedule(same=False, now_s=0.0) for _ in range(2))
    for schedule in (quiet, scattered):
        sent_in(schedule, 0.0, 30.0)
    assert sent_in(scattered, 30.0, 10.0, 2 * SCATTER_NS) >= 3 * sent_in(quiet, 30.0, 10.0)


def test_one_clock_is_only_asked_for_a_sign_of_life():
    assert sent_in(ProbeSchedule(same=True, now_s=0.0), 0.0, 10.0) == 5


def test_after_a_step_all_begins_anew_with_a_long_chain():
    schedule = ProbeSchedule(same=False, now_s=0.0)
    sent_in(schedule, 0.0, 60.0)
    schedule.restart(60.0)
    assert schedule.due_s == 60.0
    schedule.begin(60.0)
    assert sum(schedule.answered(60.0 + n / 100) for n in range(20)) == BURST - 1


def test_time_that_was_slept_through_is_not_made_up_for():
    schedule = ProbeSchedule(same=False, now_s=0.0)
    schedule.begin(0.0)
    schedule.begin(1000.0)
    assert schedule.due_s > 1000.0


def test_silence_is_told_once_and_so_is_its_end():
    schedule = ProbeSchedule(same=False, now_s=0.0)
    changes = []
    for now in range(20):
        schedule.begin(now)
        if now not in range(3, 12):
            schedule.answered(now)
        if schedule.changes(now):
            changes.append((now, schedule.silent))
    assert changes == [(3 + NO_ANSWER_S, True), (12, False)]
