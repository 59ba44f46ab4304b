"""While recording, a clock that is no longer compared is told at once; time is given, not slept."""

from __future__ import annotations

import msgspec
from recording_samples import IMU

from drivers.base import StreamInfo
from drivers.bus.messages import Event
from recordings.clock_watch import ClockWatch

FAR: StreamInfo = msgspec.structs.replace(IMU, name="ankle", host="far")
NEAR: StreamInfo = msgspec.structs.replace(IMU, name="wrist", host="here")


def test_a_host_whose_probes_stop_is_told_once_and_again_when_they_are_back() -> None:
    watch = ClockWatch("here")
    watch.announced(FAR, 0.0)
    for second in range(10):
        watch.probed("far", second)
        assert watch.news(second + 0.5) == []
        assert watch.warnings(second + 0.5) == ()
    (names, words), *more = watch.news(15.0)
    assert (names, more) == ("ankle", [])
    assert "no clock probe" in words
    assert watch.news(16.0) == []
    assert "ankle" in watch.warnings(16.0)[0]
    assert watch.problems == []
    watch.probed("far", 16.5)
    assert [words for _, words in watch.news(16.6)] == ["clock probes come again"]
    assert watch.warnings(16.6) == ()


def test_a_long_silence_is_a_problem_of_the_recording() -> None:
    watch = ClockWatch("here")
    watch.announced(FAR, 0.0)
    watch.news(6.0)
    watch.news(12.0)
    assert "stopped for 12 s" in watch.problems[0]


def test_the_sessions_own_clock_and_streams_that_are_over_need_no_probes() -> None:
    watch = ClockWatch("here")
    watch.announced(NEAR, 0.0)
    watch.announced(FAR, 0.0)
    watch.over("ankle")
    assert watch.news(100.0) == []
    assert watch.warnings(100.0) == ()
    watch.announced(FAR, 100.0)  # its driver was started again
    assert watch.warnings(101.0) == ()
    assert watch.warnings(106.0) != ()


def test_what_a_driver_tells_of_its_clock_is_shown_for_a_while() -> None:
    watch = ClockWatch("here")
    watch.told(Event(0, "clock", "no answer to clock probes", "ankle"), 3.0)
    assert watch.warnings(4.0) == ("ankle: no answer to clock probes",)
    assert watch.warnings(60.0) == ()
