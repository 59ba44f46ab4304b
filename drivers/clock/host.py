"""A host's monotonic clock, and how far it is from the session's.

A probe is four stamps: the asking host sends at t0 and has the answer at t3 (its own clock); the
session's host received at t1 and answered at t2 (the session's clock). Messages take time, never
less than none, so that

    t2 - t3  <=  offset  <=  t1 - t0          offset = session's clock - this host's clock

holds for *every* probe, whatever the network does. The offset is taken as a line in time; the lines
that satisfy all probes of the last minute form a convex set, and the ends of that set are the
bound. Nothing is assumed of the two directions being alike: what asymmetry could hide is inside the
bound. (One-sided delays as linear constraints: Duda et al., "Estimating global time in distributed
systems", 1987.)
"""

from __future__ import annotations

import dataclasses
import functools
import platform
import subprocess
import time
import uuid
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.bus.messages import PROBE

WINDOW_NS = 60 * 10**9
"""Probes older than this do not count: crystals warm up and change their rate."""

MAX_SKEW = 700e-6
"""Two clocks slewed by NTP differ at most by 500 ppm and what their crystals differ, about 100."""

WANDER = 1e-6
"""How far a rate may stray from a line within the window: 1 ppm, a crystal that warms up."""


SEARCH_NS = 5
"""What rounding, and the searches that stop within 1e-11 of a slope, can add up to over a minute."""


@functools.cache
def clock_identity() -> str:
    """Name the monotonic clock of this process.

    Equal names are one clock: times can be compared without any estimate. On Linux a clock lives as
    long as the boot and belongs to a time namespace; elsewhere host and boot are all that is known.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return _identity_elsewhere()
    try:
        namespace = str(Path("/proc/self/ns/time").readlink())
    except OSError:  # kernels before 5.6 have one clock
        namespace = "time:[0]"
    return f"{boot}/{namespace}"


def _identity_elsewhere() -> str:
    boot = ""
    if platform.system() == "Darwin":
        try:
            command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
            boot = subprocess.run(
                command, capture_output=True, text=True, timeout=5, check=False
            ).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            boot = ""
    if not boot:
        # Minutes, because the clock of day may be set meanwhile. Where two processes fall on two
        # minutes they estimate an offset that they need not: safe.
        boot = str((time.time_ns() - time.monotonic_ns()) // (60 * 10**9))
    return f"{platform.node()}/{uuid.getnode():012x}/{boot}"


@dataclasses.dataclass(frozen=True, slots=True)
class OffsetEstimate:
    """A line with an error: offset(t) = offset_ns + skew * (t - at_ns).

    Attributes:
        at_ns: host monotonic time the estimate refers to, ns.
        offset_ns: session host's clock minus this host's, ns.
        skew: change of the offset, ns per ns.
        bound_ns: largest error of ``offset_ns``, ns.
        skew_bound: largest error of ``skew``, ns per ns.
        probes: how many of the newest probes agree with one line.
    """

    at_ns: int
    offset_ns: int
    skew: float
    bound_ns: int
    skew_bound: float
    probes: int


def estimate_offset(
    probes: NDArray[Any], at_ns: int, *, max_skew: float = MAX_SKEW, wander: float = WANDER
) -> OffsetEstimate:
    """Estimate the offset from all probes that agree with one line, newest first.

    Args:
        probes: (N,) of PROBE in the order they were taken, N >= 1, each with t0 <= t3, t1 <= t2 and
            t2 - t1 <= t3 - t0.
        at_ns: host time that the estimate shall refer to, ns.
        max_skew: largest rate difference of the two clocks.
        wander: largest departure from a line, ns per ns of distance from ``at_ns``.

    Returns:
        the estimate; where the clock stepped, from the probes after the step only.
    """
    keep = len(probes)
    while True:
        found = _feasible(probes[len(probes) - keep :], at_ns, max_skew, wander)
        if found is not None:
            return found
        keep = max(1, keep - max(1, keep // 8))


def _feasible(probes: NDArray[Any], at_ns: int, max_skew: float, wander: float) -> OffsetEstimate | None:
    upper = probes["t1"] - probes["t0"]
    lower = probes["t2"] - probes["t3"]
    base = int(lower[-1])  # small numbers, so that floats hold them to the nanosecond
    when = (probes["t0"] + (probes["t3"] - probes["t0"]) // 2 - at_ns).astype(np.float64)
    # The hub was asked somewhere between t0 and t3, and the clocks drifted apart meanwhile.
    slack = wander * np.abs(when) + max_skew * (probes["t3"] - probes["t0"]) / 2
    high = (upper - base).astype(np.float64) + slack
    low = (lower - base).astype(np.float64) - slack

    def ceiling(skew: float) -> float:
        return float(np.min(high - skew * when))

    def floor(skew: float) -> float:
        return float(np.max(low - skew * when))

    def gap(skew: float) -> float:
        return ceiling(skew) - floor(skew)

    best = _argmax(gap, -max_skew, max_skew)
    if gap(best) < 0 and len(probes) > 1:
        return None
    left = -max_skew if gap(-max_skew) >= 0 else _edge(gap, best, -max_skew)
    right = max_skew if gap(max_skew) >= 0 else _edge(gap, best, max_skew)
    top = ceiling(_argmax(ceiling, left, right))
    bottom = floor(_argmax(lambda skew: -floor(skew), left, right))
    middle = (ceiling(best) + floor(best)) / 2
    return OffsetEstimate(
        at_ns=at_ns,
        offset_ns=base + round(middle),
        skew=best,
        bound_ns=max(0, int(np.ceil(max(top - middle, middle - bottom)))) + SEARCH_NS,
        skew_bound=max(right - best, best - left) + wander,
        probes=len(probes),
    )


def _argmax(concave: Any, left: float, right: float) -> float:
    """Golden-section search; 40 steps narrow 1.4e-3 to 6e-12, a nanosecond in minutes."""
    ratio = 0.6180339887498949
    a, b = right - ratio * (right - left), left + ratio * (right - left)
    at_a, at_b = concave(a), concave(b)
    for _ in range(40):
        if at_a >= at_b:
            right, b, at_b = b, a, at_a
            a = right - ratio * (right - left)
            at_a = concave(a)
        else:
            left, a, at_a = a, b, at_b
            b = left + ratio * (right - left)
            at_b = concave(b)
    return a if at_a >= at_b else b


def _edge(gap: Any, inside: float, outside: float) -> float:
    """Bisect for where a concave function leaves zero; the result lies just outside."""
    for _ in range(40):
        middle = (inside + outside) / 2
        if gap(middle) >= 0:
            inside = middle
        else:
            outside = middle
    return outside


class HostClock:
    """Turns this host's monotonic time into session time.

    One thread may update it while another converts.

    Args:
        epoch_ns: zero of session time on the session host's monotonic clock, ns.
        same: the two hosts have one clock (see :func:`clock_identity`): exact, no probe needed.
        window_ns: age at which probes stop counting, ns.
    """

    def __init__(self, epoch_ns: int, *, same: bool, window_ns: int = WINDOW_NS) -> None:
        self.epoch_ns = epoch_ns
        self.same = same
        self.refused = 0
        """Probes that cannot be: an answer that took longer than the question and answer together."""
        self.steps = 0
        """Times that older probes had to be given up, because a clock was stepped or slewed."""
        self._window_ns = window_ns
        self._probes: deque[tuple[int, int, int, int]] = deque(maxlen=256)
        self._estimate: OffsetEstimate | None = OffsetEstimate(0, 0, 0.0, 0, 0.0, 0) if same else None

    @property
    def estimate(self) -> OffsetEstimate | None:
        """The newest estimate, or None before the first probe."""
        return self._estimate

    def update(self, probe: tuple[int, int, int, int] | Any) -> None:
        """Take in one probe (t0, t1, t2, t3), ns; one that cannot be is refused and counted."""
        t0, t1, t2, t3 = (int(stamp) for stamp in tuple(probe))
        if t3 < t0 or t2 < t1 or t2 - t1 > t3 - t0:
            self.refused += 1
            return
        if self.same:
            return
        self._probes.append((t0, t1, t2, t3))
        while self._probes[0][0] < t0 - self._window_ns:
            self._probes.popleft()
        estimate = estimate_offset(np.array(self._probes, dtype=PROBE), t3)
        if estimate.probes < len(self._probes):
            self.steps += 1
            while len(self._probes) > estimate.probes:
                self._probes.popleft()
        self._estimate = estimate

    def to_session(self, host_ns: Any) -> tuple[Any, Any]:
        """Convert host monotonic time.

        Args:
            host_ns: an int or an array (N,) int64, ns.

        Returns:
            session time, ns, and a bound on its error, ns, of the same type.

        Raises:
            RuntimeError: there was no probe yet.
        """
        line = self._estimate
        if line is None:
            raise RuntimeError("a HostClock of another host needs a probe first")
        if isinstance(host_ns, np.ndarray):
            away = (host_ns - line.at_ns).astype(np.float64)
            shift = np.rint(line.skew * away).astype(np.int64)
            spread = np.ceil(line.skew_bound * np.abs(away)).astype(np.int64)
            return host_ns + (line.offset_ns - self.epoch_ns) + shift, spread + line.bound_ns
        ago = int(host_ns) - line.at_ns
        shift_ns = round(line.skew * ago)
        return (
            int(host_ns) + line.offset_ns - self.epoch_ns + shift_ns,
            int(np.ceil(line.skew_bound * abs(ago))) + line.bound_ns,
        )

    def to_host(self, session_ns: int) -> int:
        """Convert session time to this host's monotonic time, ns: the inverse of ``to_session``."""
        line = self._estimate
        if line is None:
            raise RuntimeError("a HostClock of another host needs a probe first")
        guess = session_ns + self.epoch_ns - line.offset_ns
        return guess - round(line.skew * (guess - line.at_ns) / (1 + line.skew))
