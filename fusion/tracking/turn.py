"""Real-time priority for the threads that poses wait for, where the system allows it (Linux).

On cores that are busy a thread that sees or fuses would be interrupted some ten times a picture, by drivers
that have one row to read each: on two cores that doubles how old poses are when they come out. So these few
threads go first. What they need comes from the others, which therefore get their turn all the same, and a
core at least is left to them altogether.
"""

from __future__ import annotations

import os
import threading

PRIORITY = 1
"""The least that goes before programs without real-time priority, and after those that ask for more."""


class Turns:
    """Gives threads real-time priority as long as a core is left to all others.

    Args:
        wanted: whether to give it at all.

    Attributes:
        first: how many threads have it.
    """

    def __init__(self, wanted: bool) -> None:
        self.first = 0
        self._cores = usable_cores() if wanted else 0

    def take(self, cores: int) -> None:
        """Give it to the calling thread, which takes up to so many cores for itself, if it may have them."""
        if self._cores - cores >= 1 and go_first():
            self._cores -= cores
            self.first += 1


def go_first() -> bool:
    """Give the calling thread, but none that it starts, real-time priority; return whether it has it."""
    if not hasattr(os, "sched_setscheduler"):
        return False
    try:
        if os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK in (os.SCHED_FIFO, os.SCHED_RR):
            return True  # whoever started this program gave it
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except OSError:
        return False
    return True


def allowed() -> bool:
    """Return whether the system gives this program's threads real-time priority."""
    given: list[bool] = []
    thread = threading.Thread(target=lambda: given.append(go_first()), name="turn")
    thread.start()
    thread.join()
    return given[0]


def usable_cores() -> int:
    """Return how many processors this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
