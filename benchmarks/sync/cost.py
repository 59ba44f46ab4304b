"""What keeping time costs: clock service, host estimators, device estimators, for 8 streams.

    python -m benchmarks.sync.cost --seconds 40

A hub and eight publishers that are told to have another clock than the hub, in two processes, with
nothing to publish; once as they are and once without probes. The difference in processor time is the
clock service with its estimators, once they have settled. Device
clocks and stamping are timed over rows as they come from six IMUs, a camera and a microphone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import numpy as np

STREAMS = 8
WARM_S = EARLY_S = 20  # probes are frequent until then, and device clocks young


def hub() -> None:
    """Run a hub until stdin ends; on each line, tell the processor time so far."""
    from drivers.bus import Hub

    with Hub() as running:
        print(running.address, flush=True)
        for _ in sys.stdin:
            print(time.process_time(), flush=True)


def publishers(address: str, probing: bool, another: bool) -> None:
    """Run the publishers until stdin ends; on each line, tell the processor time so far."""
    from drivers.bus import publisher
    from drivers.bus.prober import Prober

    if another:
        publisher.clock_identity = lambda: "another clock"
    if not probing:
        Prober.tick = lambda self, now_s: self._schedule.begin(now_s) if now_s >= self.due_s else None  # type: ignore
    running = [publisher.Publisher(address, f"stream{n}", outage_s=1e9) for n in range(STREAMS)]
    print("up", flush=True)
    for _ in sys.stdin:
        print(time.process_time(), flush=True)
    for one in running:
        one.close()


def processor_s(seconds: float, *, probing: bool, another: bool = True) -> tuple[float, float]:
    """Return processor time per second of hub and publishers."""
    command = [sys.executable, "-m", "benchmarks.sync.cost", "--role"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "hub"], **pipes) as far:
        assert far.stdout is not None
        told = json.dumps([far.stdout.readline().strip(), probing, another])
        with subprocess.Popen([*command, "publishers", "--told", told], **pipes) as near:
            assert near.stdout is not None
            near.stdout.readline()
            time.sleep(WARM_S)
            before = [ask(one) for one in (far, near)]
            time.sleep(seconds)
            after = [ask(one) for one in (far, near)]
            for one in (near, far):
                assert one.stdin is not None
                one.stdin.close()
    used = [(b - a) / seconds for a, b in zip(before, after, strict=True)]
    return used[0], used[1]


def ask(process: subprocess.Popen[str]) -> float:
    """Ask a process for its processor time."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def stamping_s(seconds: int) -> tuple[float, float]:
    """Return processor time per second of stamping the rows of all eight streams: early, and settled."""
    from drivers.base import NO_TIME, Samples, StreamInfo
    from drivers.clock.host import HostClock
    from drivers.stamper import Stamper

    rng = np.random.default_rng(0)
    used = np.zeros(seconds)
    for n in range(STREAMS):
        kind, rate, rows = ("imu", 200.0, 3)
        if n >= 6:
            kind, rate, rows = ("camera", 30.0, 1) if n == 6 else ("audio", 48000.0, 480)
        block = kind == "audio"
        info = StreamInfo(
            name=f"s{n}",
            kind=kind,
            encoding="array",
            dtype="<f4",
            shape=(1,),
            channels=("x",),
            units=("1",),
            rate_hz=rate,
            regular=True,
            stamping="block" if block else "row",
            device="simulated",
        )
        clock = HostClock(0, same=False)
        clock.update((0, 60_000, 70_000, 130_000))
        stamper = Stamper(info, clock)
        seq = 0
        for at in range(seconds):
            second = []
            for _ in range(int(rate / rows)):
                arrival = int((seq + rows) / rate * 1e9 + rng.exponential(1e6)) + 10**9
                held = 1 if block else rows
                second.append(
                    Samples(
                        data=np.zeros((rows, 1), np.float32),
                        time_host=np.full(held, arrival, np.int64),
                        time_device=np.full(held, NO_TIME, np.int64),
                        seq=np.arange(seq, seq + held, dtype=np.uint64),
                    )
                )
                seq += rows
            began = time.process_time()
            for samples in second:
                stamper(samples)
            used[at] += time.process_time() - began
    return float(used[:EARLY_S].mean()), float(used[EARLY_S:].mean())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--role", default="", help=argparse.SUPPRESS)
    parser.add_argument("--told", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role == "hub":
        hub()
        return
    if arguments.role == "publishers":
        publishers(*json.loads(arguments.told))
        return
    idle = processor_s(arguments.seconds, probing=False)
    early, stamping = stamping_s(60)
    print(f"{STREAMS} streams, percent of one core")
    print(f"  stamping (device clocks of 6 IMUs, camera, microphone; session time): "
          f"{100 * stamping:.2f}, in the first {EARLY_S} s {100 * early:.2f}")  # fmt: skip
    for what, another in (("on the hub's own clock", False), ("all on another host's clock", True)):
        busy = processor_s(arguments.seconds, probing=True, another=another)
        hub_s, near_s = (max(0.0, b - a) for a, b in zip(idle, busy, strict=True))
        print(
            f"  {what}: hub {100 * hub_s:.2f}, publishers {100 * near_s:.2f}, "
            f"with stamping {100 * (hub_s + near_s + stamping):.2f} "
            f"(idle besides: {100 * sum(idle):.2f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
