"""Python, open files and the clock."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fusion.doctor.finding import Finding
from fusion.tracking.turn import PRIORITY, allowed

TESTED = ((3, 11), (3, 13))
"""Oldest and newest Python that the tests run on."""
FILES_EACH, FILES_AT_LEAST = 32, 256
"""Files a stream needs in the recorder (sockets, pipes), and what the program needs besides."""
SLOW_CLOCK_NS = 2_000
"""A reading of a good clock takes a twentieth of this."""
CLOCKS = Path("/sys/devices/system/clocksource/clocksource0")


def python() -> Iterator[Finding]:
    """A Python that nobody tried, or of 32 bits."""
    version, (oldest, newest) = sys.version_info[:2], TESTED
    if not oldest <= version <= newest:
        told = ".".join(map(str, version))
        mend = f"make PYTHON=python{newest[0]}.{newest[1]} install"
        yield Finding(f"Python {told} has not been tried with Chorus", mend, note=version > newest)
    if sys.maxsize < 2**32:
        yield Finding("this Python has 32 bits, and cannot map large recordings", "Install one of 64 bits")


def open_files(streams: int) -> Iterator[Finding]:
    """A limit on open files that a rig would meet."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_AT_LEAST + FILES_EACH * streams
    if soft != resource.RLIM_INFINITY and soft < needed:
        want = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
        mend = f"ulimit -n {want}" if want >= needed else "sudo prlimit --pid $$ --nofile=4096:4096"
        yield Finding(f"only {soft} files may be open at once, and {needed} may be needed", mend)


def clock() -> Iterator[Finding]:
    """A clock of the system that is slow to read: each row of each stream reads it."""
    cost = min(_reading_ns() for _ in range(5))
    if cost <= SLOW_CLOCK_NS:
        return
    now, offered = _text("current_clocksource"), _text("available_clocksource").split()
    mend = "Leave it if this is a virtual machine; its host sets the clock"
    if "tsc" in offered and now != "tsc":
        mend = f"echo tsc | sudo tee {CLOCKS}/current_clocksource"
    yield Finding(f"reading the clock ({now or 'unknown'}) takes {cost / 1000:.1f} us", mend, note=True)


def busy() -> Iterator[Finding]:
    """Other programs that take the processor."""
    if not hasattr(os, "getloadavg"):
        return
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores:
        what = f"{load:.1f} programs want the processor, which has {cores} cores"
        yield Finding(what, "Close what is not needed ('top' names it), or some rows may be lost", note=True)


def turn() -> Iterator[Finding]:
    """No real-time priority for the threads of live tracking."""
    if sys.platform == "linux" and not allowed():
        what = "live tracking gets no real-time priority: poses come later while other programs are busy"
        mend = f"sudo prlimit --pid $$ --rtprio={PRIORITY}:{PRIORITY}"
        yield Finding(what, f"{mend}; in a container: --ulimit rtprio={PRIORITY}", note=True)


def _reading_ns(times: int = 1000) -> float:
    begin = time.perf_counter_ns()
    for _ in range(times):
        time.monotonic_ns()
    return (time.perf_counter_ns() - begin) / times


def _text(name: str) -> str:
    try:
        return (CLOCKS / name).read_text().strip()
    except OSError:
        return ""
