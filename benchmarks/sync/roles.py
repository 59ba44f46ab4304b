"""The processes of one run of ``benchmarks.sync.hosts``; each prints one line of JSON at its end.

python -m benchmarks.sync.roles hub|far|outlet|inlet '{...}'
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from benchmarks.sync.conditions import CONDITIONS, Clocks, clocks

AHEAD_S = 1000
"""How far the far side's monotonic clock is ahead: its time namespace says so, to the nanosecond."""

EACH_S = 0.05


def hub(told: dict[str, Any]) -> None:
    """Be the session's host until stdin ends."""
    from drivers.bus import Hub

    with Hub(f"tcp://{told['address']}:*", insecure=True) as running:
        print(running.address, flush=True)
        sys.stdin.read()


def far(told: dict[str, Any]) -> None:
    """Publish from a host whose clock is another, and write down what it takes the time to be."""
    true_ns, begin = time.monotonic_ns, time.monotonic_ns()
    moved: Clocks | None = None
    if told["moved"]:  # a drifting, stepping clock, made from this one: the truth stays known
        condition = next(c for c in CONDITIONS if c.name == told["condition"])
        moved = clocks(condition, np.random.default_rng(told["seed"]), told["seconds"])
        if moved.step_ns > 0:  # only this side's clock can be moved here
            moved = Clocks(moved.rate, moved.begin_ns, moved.step_at_ns, -moved.step_ns)

    def host_of(true: int) -> int:
        return true if moved is None else moved.host(true - begin)

    def host_ns() -> int:
        return host_of(true_ns())

    time.monotonic_ns = host_ns
    from drivers.bus import Publisher
    from drivers.clock.host import HostClock

    probes: list[tuple[int, int, int, int, int]] = []
    rows: list[tuple[int, int, int, int, int]] = []
    update = HostClock.update

    def noting(clock: HostClock, *chain: Any) -> None:
        update(clock, *chain)
        probes.extend((true_ns(), *probe) for probe in chain)

    HostClock.update = noting  # type: ignore[method-assign]
    with Publisher(told["address"], "far", timeout_s=20) as publisher:
        clock = publisher.host_clock
        due = time.monotonic()
        for _ in range(int(told["seconds"] / EACH_S)):
            true = true_ns()
            host = host_of(true)
            session, bound = clock.to_session(host)
            truth = true - AHEAD_S * 10**9 - publisher.session.epoch_ns
            line = clock.estimate
            assert line is not None
            newest = host + line.offset_ns + round(line.skew * (host - line.at_ns))
            rows.append((true - begin, session - truth, bound, clock.steps, newest - truth - clock.epoch_ns))
            due += EACH_S
            time.sleep(max(0.0, due - time.monotonic()))
    delays = []
    if moved is None:  # forward, back
        delays = [
            (at - begin, t1 - t0 + AHEAD_S * 10**9, t3 - t2 - AHEAD_S * 10**9)
            for at, t0, t1, t2, t3 in probes
        ]
    step = None if moved is None or not moved.step_ns else [moved.step_at_ns, moved.step_ns]
    print(json.dumps({"rows": rows, "delays": delays, "step": step}), flush=True)


def outlet(told: dict[str, Any]) -> None:
    """Be LSL's far side until stdin ends."""
    import pylsl

    made = pylsl.StreamOutlet(
        pylsl.StreamInfo("sync", "test", 1, 100, pylsl.cf_float32, f"sync{told['run']}_{told['seed']}")
    )
    print("up", flush=True)
    sys.stdin.read()
    del made


def inlet(told: dict[str, Any]) -> None:
    """Ask LSL for the offset of the far side's clock."""
    import pylsl

    found = pylsl.resolve_byprop("source_id", f"sync{told['run']}_{told['seed']}", timeout=20)
    if not found:
        print(json.dumps({"rows": [], "error": "LSL found no stream"}), flush=True)
        return
    pulled = pylsl.StreamInlet(found[0])
    rows = []
    begin = time.monotonic()
    while time.monotonic() < begin + told["seconds"]:
        try:
            offset = pulled.time_correction(timeout=10)
        except Exception as error:
            rows.append((time.monotonic() - begin, None, str(error)))
        else:
            rows.append((time.monotonic() - begin, (offset + AHEAD_S) * 1e3, ""))
        time.sleep(0.25)
    print(json.dumps({"rows": [row[:2] for row in rows if row[1] is not None]}), flush=True)


if __name__ == "__main__":
    {"hub": hub, "far": far, "outlet": outlet, "inlet": inlet}[sys.argv[1]](json.loads(sys.argv[2]))
