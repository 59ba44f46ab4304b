"""Host clocks on simulated probes, beside the best round trip of a burst (LSL's published way).

    python -m benchmarks.sync.simulated --seeds 20 --seconds 60

No network and no privileges: the estimators that run in every driver get probes whose delays are
drawn from the conditions, and the truth is known. ``unavoidable`` is half of what the least delays
of the last minute's probes sum up to: with the clocks' rates known exactly, those probes still could
not tell more.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections import deque

import numpy as np
from numpy.typing import NDArray

from benchmarks.sync.conditions import CONDITIONS, Clocks, Condition, Path, clocks, percent
from drivers.bus.messages import PROBE
from drivers.clock.host import HostClock, smooth
from drivers.clock.probe_schedule import BURST, ProbeSchedule

LSL_PROBES, LSL_APART_S, LSL_EACH_S, LSL_LONGEST_S = 8, 0.064, 2.0, 0.128
"""liblsl's defaults: TimeProbeCount, TimeProbeInterval, TimeUpdateInterval, TimeProbeMaxRTT."""

SAMPLE_NS = 50_000_000
Probe = tuple[int, int, int, int]


@dataclasses.dataclass
class Run:
    """What one run gave, at each sample.

    Attributes:
        at: true time since the first probe, s.
        error: of handed-out time, ms. bound: ms. unavoidable: ms.
        estimate: error of the newest estimate before smoothing, ms.
        lsl: error of the best round trip, ms.
        smoothed, smoothed_bound: of the offline smoother, ms.
        backward: how often handed-out time did not rise.
        found_s: time from the step to its detection, s.
    """

    at: NDArray[np.float64]
    error: NDArray[np.float64]
    bound: NDArray[np.float64]
    unavoidable: NDArray[np.float64]
    estimate: NDArray[np.float64]
    lsl: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    smoothed_bound: NDArray[np.float64]
    backward: int
    found_s: float
    false_steps: int


def exchange(sent: int, there: Path, back: Path, both: Clocks) -> tuple[Probe, int, int, int] | None:
    """Send one probe at a true time; the stamps, when it is back, and its two true delays, ns."""
    arrived = there.arrival(sent)
    returned = None if arrived is None else back.arrival(arrived + 30_000)
    if arrived is None or returned is None:
        return None
    probe = (both.host(sent), both.session(arrived), both.session(arrived + 30_000), both.host(returned))
    return probe, returned, arrived - sent, returned - arrived - 30_000


def chains(condition: Condition, both: Clocks, rng: np.random.Generator, seconds: float, clock: HostClock):
    """Yield chains of exchanges as a publisher takes them, starting anew after a step."""
    there, back = Path(condition.there, rng), Path(condition.back, rng)
    now, number, steps = 0, BURST, clock.steps
    schedule: ProbeSchedule | None = None
    while now < seconds * 1e9:
        chain = []
        for _ in range(number if schedule is None else 10**6):
            got = exchange(now, there, back, both)
            assert got is not None
            chain.append(got)
            now = got[1] + 30_000
            if schedule is not None and not schedule.answered(now / 1e9):
                break
        yield chain
        schedule = schedule or ProbeSchedule(same=False, now_s=now / 1e9)
        if clock.steps != steps:
            steps = clock.steps
            schedule.restart(now / 1e9)
        now = max(now, round(schedule.due_s * 1e9))
        schedule.begin(now / 1e9, clock.scatter_ns)


def run(condition: Condition, seed: int, seconds: float) -> Run:
    """Run one condition once."""
    rng = np.random.default_rng(seed)
    both = clocks(condition, rng, seconds)
    clock = HostClock(0, same=False)
    lsl = lsl_offsets(condition, both, np.random.default_rng(seed + 10**6), seconds)
    rows: list[tuple[float, ...]] = []
    taken: list[Probe] = []
    delays: deque[tuple[int, int, int]] = deque()
    asked: list[tuple[int, int]] = []
    sample, last, backward, found, false_steps = 0, -(2**62), 0, np.nan, 0
    for chain in chains(condition, both, rng, seconds, clock):
        when = chain[-1][1]
        while sample < when and taken:
            host, session = both.host(sample), both.session(sample)
            time, bound = clock.to_session(host)
            line = clock.estimate
            assert line is not None
            newest = host + line.offset_ns + round(line.skew * (host - line.at_ns)) - session
            backward += time <= last
            last = time
            stepped = both.step_ns and sample >= both.step_at_ns
            while delays and (
                delays[0][0] < sample - 60 * 10**9 or (stepped and delays[0][0] < both.step_at_ns)
            ):
                delays.popleft()
            least = (min((d[1] for d in delays), default=0) + min((d[2] for d in delays), default=0)) / 2
            rows.append((sample, time - session, bound, least, newest, lsl(sample, host) - session))
            asked.append((host, session))
            sample += SAMPLE_NS
        before = clock.steps
        clock.update(*(got[0] for got in chain))
        sample = sample if taken else -(-when // SAMPLE_NS) * SAMPLE_NS
        taken += [got[0] for got in chain]
        delays += [(got[1], got[2], got[3]) for got in chain]
        if clock.steps > before:
            if both.step_ns and when >= both.step_at_ns and np.isnan(found):
                found = (when - both.step_at_ns) / 1e9
            else:
                false_steps += 1
    table = np.array(rows).T / 1e6
    hosts = np.array([host for host, _ in asked])
    times, bounds = smooth(np.array(taken, PROBE)).to_session(hosts)
    truth = np.array([session for _, session in asked])
    at, error, bound, least, estimate, others = table
    least = np.maximum(least, 1e-3)  # just after a step there is no probe yet
    return Run(
        at / 1e3, error, bound, least, estimate, others, (times - truth) / 1e6, bounds / 1e6,
        backward, found, false_steps,
    )  # fmt: skip


def lsl_offsets(condition: Condition, both: Clocks, rng: np.random.Generator, seconds: float):
    """Return a function (true ns, host ns) -> session time by the best round trip of each burst."""
    there = Path(condition.there, rng, datagrams=True)
    back = Path(condition.back, rng, datagrams=True)
    when, offsets = [], []
    for start in np.arange(0, seconds, LSL_EACH_S):
        best, at = None, 0
        for number in range(LSL_PROBES):
            sent = round((start + number * LSL_APART_S) * 1e9)
            got = exchange(sent, there, back, both)
            if got is None or got[1] - sent > LSL_LONGEST_S * 1e9:
                continue
            (t0, t1, t2, t3), at = got[0], got[1]
            if best is None or t3 - t0 - (t2 - t1) < best[0]:
                best = (t3 - t0 - (t2 - t1), (t1 - t0 + t2 - t3) // 2)
        if best is not None:
            when.append(at)
            offsets.append(best[1])

    def session(true_ns: int, host_ns: int) -> int:
        number = max(0, int(np.searchsorted(when, true_ns, "right")) - 1)
        return host_ns + offsets[number]

    return session


def settles(run: Run, error: NDArray[np.float64], since_s: float, limit_ms: float = 1.0) -> float:
    """Return how long after ``since_s`` the error stays below the limit for good, s."""
    above = np.flatnonzero((np.abs(error) >= limit_ms) & (run.at >= since_s))
    return 0.0 if not len(above) else float(run.at[above[-1]] - since_s + SAMPLE_NS / 1e9)


def report(condition: Condition, runs: list[Run], seconds: float) -> None:
    """Print the rows of one condition."""
    calm = [(r.at >= 15) & ~((r.at >= seconds / 2 - 2) & (r.at < seconds / 2 + 15) & bool(condition.step_s))
            for r in runs]  # fmt: skip
    parts = {
        "Chorus": [np.abs(r.error[c]) for r, c in zip(runs, calm, strict=True)],
        "Chorus afterwards": [np.abs(r.smoothed[c]) for r, c in zip(runs, calm, strict=True)],
        "LSL's way": [np.abs(r.lsl[c]) for r, c in zip(runs, calm, strict=True)],
    }
    print(f"\n{condition.name}: {condition.there.text()} there, {condition.back.text()} back")
    for name, errors in parts.items():
        whole = np.concatenate(errors)
        print(
            f"  {name:18s} error after 15 s: median {np.median(whole):8.4f} ms, "
            f"max of a run: median {np.median([e.max() for e in errors]):8.4f}, worst {whole.max():8.4f} ms"
        )
    inside = percent(np.concatenate([np.abs(r.error) <= r.bound for r in runs]))
    after = percent(np.concatenate([np.abs(r.smoothed) <= r.smoothed_bound for r in runs]))
    ratio = np.concatenate([(r.bound / r.unavoidable)[c] for r, c in zip(runs, calm, strict=True)])
    early = np.concatenate([(r.bound / r.unavoidable)[(r.at > 1) & (r.at < 15)] for r in runs])
    off = np.concatenate([(r.smoothed_bound / r.unavoidable)[c] for r, c in zip(runs, calm, strict=True)])
    print(
        f"  bound              contains the truth {inside:6.2f} % (from the first sample), "
        f"bound/unavoidable: median {np.median(ratio):.2f}, p99 {np.quantile(ratio, 0.99):.2f}; "
        f"1-15 s: {np.median(early):.2f}; afterwards {after:.2f} %, {np.median(off):.2f}"
    )
    if condition.step_s:
        found = [r.found_s for r in runs]
        newest = max(settles(r, r.estimate, seconds / 2) for r in runs)
        handed = [settles(r, r.error, seconds / 2) for r in runs]
        line = (
            f"  step               found after median {np.median(found):.2f}, worst {np.max(found):.2f} s; "
            f"estimate < 1 ms after {newest:.2f} s, handed-out time after {max(handed):.2f} s"
        )
    else:
        line = f"  settles < 1 ms     worst {max(settles(r, r.error, 0.0) for r in runs):.2f} s"
    line += f"; back steps of time {sum(r.backward for r in runs)}"
    print(line + f"; false steps {sum(r.false_steps for r in runs)}", flush=True)


def main() -> None:
    """Run all conditions."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", default="", help="part of a condition's name")
    arguments = parser.parse_args()
    for condition in CONDITIONS:
        if arguments.only not in condition.name:
            continue
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        report(condition, [run(condition, seed, arguments.seconds) for seed in seeds], arguments.seconds)


if __name__ == "__main__":
    main()
