"""Real-time priority: who gets it, how many, and that nobody else is given it by the way."""

import os
import subprocess
import sys
import threading

import pytest

from fusion.tracking import turn
from fusion.tracking.turn import Turns, allowed, go_first

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setscheduler"), reason="this system has no such priority"
)


def in_thread(task):
    """Return what a task gives in a thread of its own."""
    given = []
    thread = threading.Thread(target=lambda: given.append(task()))
    thread.start()
    thread.join()
    return given[0]


def policy():
    return os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK


@pytest.mark.skipif(not allowed(), reason="this system gives no real-time priority")
def test_the_thread_has_it_and_what_it_starts_does_not():
    def task():
        assert go_first()
        program = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"]
        child = subprocess.run(program, capture_output=True, text=True, check=True)
        return policy(), os.sched_getparam(0).sched_priority, in_thread(policy), int(child.stdout)

    assert in_thread(task) == (os.SCHED_FIFO, turn.PRIORITY, os.SCHED_OTHER, os.SCHED_OTHER)
    assert policy() == os.SCHED_OTHER


@pytest.mark.skipif(not allowed(), reason="this system gives no real-time priority")
def test_what_was_given_from_outside_stays():
    def task():
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(7))
        return go_first(), policy(), os.sched_getparam(0).sched_priority

    assert in_thread(task) == (True, os.SCHED_RR, 7)


def test_without_permission_the_thread_stays_as_it_is():
    code = (
        "import os, resource\n"
        "from fusion.doctor import system\n"
        "from fusion.tracking.turn import Turns, allowed\n"
        "resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "turns = Turns(True); turns.take(0)\n"
        "print(allowed(), turns.first, os.sched_getscheduler(0) == os.SCHED_OTHER)\n"
        "(finding,) = system.turn(); print(finding.note, finding.mend)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first.split() == ["False", "0", "True"]
    assert second.startswith("True sudo prlimit --pid $$ --rtprio=1:1")


@pytest.mark.skipif(not allowed(), reason="this system gives no real-time priority")
@pytest.mark.parametrize(
    ("cores", "cameras", "first"), [(1, 1, 1), (2, 1, 2), (2, 3, 2), (4, 3, 4), (4, 8, 4)]
)
def test_a_core_is_left_to_all_others(monkeypatch, cores, cameras, first):
    monkeypatch.setattr(turn, "usable_cores", lambda: cores)
    turns = Turns(True)
    for needed in (0, *[1] * cameras):  # the thread that fuses, then one for each camera
        in_thread(lambda needed=needed: turns.take(needed))
    assert turns.first == first
    unwanted = Turns(False)
    in_thread(lambda: unwanted.take(0))
    assert unwanted.first == 0
