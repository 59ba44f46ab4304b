"""Host clocks over a real network stack, Lab Streaming Layer beside Chorus in the same run.

    sudo python -m benchmarks.sync.hosts --seeds 10 --seconds 60

Linux, root; ``pip install chorus-fusion[bench]`` brings LSL. Each run has two network namespaces of
its own, joined by nothing but the path under test (a veth pair, or TUN devices with an emulator that
delays and drops), so that nothing can go round it. The far side runs in a time namespace whose
monotonic clock is 1000 s ahead: the offset to be found is known exactly. Where a clock has to drift
or step, Chorus gets one made from that; LSL cannot be given one.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sync.conditions import CONDITIONS, Condition, Way, percent
from benchmarks.sync.roles import AHEAD_S

LOOPBACK = Condition("loopback", Way(0.0), Way(0.0))
VETH = Condition("quiet LAN", Way(0.0), Way(0.0))
MOVED = ("quiet, drift + wander", "wireless, drift + wander", "steps, good wireless")
EMULATED = tuple(c for c in CONDITIONS if c.name not in ("quiet LAN", "slow queues"))
ALL = (LOOPBACK, VETH, *EMULATED)

LSL_CONFIGURATION = """[ports]
IPv6 = disable
[multicast]
ResolveScope = machine
[lab]
KnownPeers = {{{near}, {far}}}
SessionID = {session}
[log]
level = -3
"""


@contextmanager
def namespaces(condition: Condition, run: int, seed: int) -> Iterator[dict[str, Any]]:
    """Make both network namespaces and what joins them; take all away again."""
    near, far = f"chorus-near{run}", f"chorus-far{run}"
    told: dict[str, Any] = {
        "run": run, "seed": seed, "near": near, "far": far, "condition": condition.name,
        "near_address": "10.78.0.1", "far_address": "10.78.0.2",
    }  # fmt: skip
    with ExitStack() as stack:
        for name in (near, far):
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)
            subprocess.run(["ip", "netns", "add", name], check=True)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
            subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        if condition is LOOPBACK:
            told |= {"far": near, "near_address": "127.0.0.1", "far_address": "127.0.0.1"}
        elif condition is VETH:
            ends = f"cv{run}a", f"cv{run}b"
            make = ["ip", "link", "add", ends[0], "netns", near, "type", "veth", "peer"]
            subprocess.run([*make, "name", ends[1], "netns", far], check=True)
            for end, name, address in zip(ends, (near, far), ("10.78.0.1/24", "10.78.0.2/24"), strict=True):
                subprocess.run(["ip", "-n", name, "addr", "add", address, "dev", end], check=True)
                subprocess.run(["ip", "-n", name, "link", "set", end, "up"], check=True)
        else:
            ways = {"there": dataclasses.asdict(condition.there), "back": dataclasses.asdict(condition.back)}
            command = [sys.executable, "-m", "benchmarks.sync.emulator", json.dumps(told | ways)]
            emulator = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(emulator.kill)
            assert emulator.stdout is not None
            if emulator.stdout.readline().strip() != "up":
                raise SystemExit("The emulator did not come up: see above")
        yield told


def start(
    role: str, told: dict[str, Any], *, far: bool, environment: dict[str, str]
) -> subprocess.Popen[str]:
    """Start a process of the run in its namespaces."""
    command = ["ip", "netns", "exec", told["far" if far else "near"]]
    if far:
        command += ["unshare", "--time", "--monotonic", str(AHEAD_S), "--fork", "--kill-child"]
    command += [sys.executable, "-m", "benchmarks.sync.roles", role, json.dumps(told)]
    pipe = subprocess.PIPE
    quiet = None if os.environ.get("CHORUS_BENCH_DEBUG") else subprocess.DEVNULL
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=quiet, text=True, env=os.environ | environment
    )


def line(process: subprocess.Popen[str]) -> str:
    """Read one line of a process."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def once(condition: Condition, run: int, seed: int, seconds: float) -> dict[str, Any]:
    """Run Chorus and LSL over one path at the same time."""
    with (
        namespaces(condition, run, seed) as told,
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as stack,
    ):
        told |= {"seconds": seconds, "moved": condition.name in MOVED}
        settings = Path(folder, "lsl.cfg")
        settings.write_text(
            LSL_CONFIGURATION.format(
                near=told["near_address"], far=told["far_address"], session=f"chorus{run}_{seed}"
            ),
            encoding="ascii",
        )
        environment = {"LSLAPICFG": str(settings), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

        def begin(role: str, *, far: bool, **more: Any) -> subprocess.Popen[str]:
            process = start(role, told | more, far=far, environment=environment)
            stack.callback(end, process)
            return process

        hub = begin("hub", far=False, address=told["near_address"])
        address = line(hub)
        peer = not told["moved"]
        inlet = None
        if peer:
            outlet = begin("outlet", far=True)
            line(outlet)
            inlet = begin("inlet", far=False)
        far = begin("far", far=True, address=address)
        result = json.loads(line(far) or '{"rows": []}')
        result["lsl"] = json.loads(line(inlet) or '{"rows": []}')["rows"] if inlet is not None else []
        return result


def end(process: subprocess.Popen[str]) -> None:
    """End a process in order, or else at once."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def report(condition: Condition, results: list[dict[str, Any]], settled_s: float, seconds: float) -> None:
    """Print one condition."""
    print(f"\n{condition.name}: {condition.there.text()} there, {condition.back.text()} back")
    results = [result for result in results if result["rows"]]
    chorus, lsl, inside, ratio, least = [], [], [], [], []
    for result in results:
        at, error, bound, _, _ = np.array(result["rows"], np.float64).T
        at, error, bound = at / 1e9, error / 1e6, bound / 1e6
        calm = at >= settled_s
        if result.get("step"):
            calm &= (at < seconds / 2) | (at > seconds / 2 + 15)
        chorus.append(np.abs(error[calm]))
        inside.append(np.abs(error) <= bound)
        if len(result["delays"]):
            when, forth, back = np.array(result["delays"], np.float64).T
            for now, wide in zip(at[calm], bound[calm], strict=True):
                recent = (when / 1e9 <= now) & (when / 1e9 > now - 60)
                least.append((forth[recent].min() + back[recent].min()) / 2e6)
                ratio.append(wide / least[-1])
        rows = np.array([row for row in result["lsl"] if row[0] >= settled_s])
        if len(rows):
            lsl.append(np.abs(rows[:, 1]))
    for name, errors in (("Chorus", chorus), ("LSL", lsl)):
        if errors:
            worst, common = [run.max() for run in errors], np.median(np.concatenate(errors))
            print(
                f"  {name:7s} error after {settled_s:g} s: median {common:8.4f} ms, max of a run: "
                f"median {np.median(worst):8.4f}, worst {max(worst):8.4f} ms ({len(worst)} runs)"
            )
    if lsl and chorus:
        medians, maxima = (
            (np.median(np.concatenate(lsl)), np.median(np.concatenate(chorus))),
            (max(run.max() for run in lsl), max(run.max() for run in chorus)),
        )
        print(f"  LSL / Chorus: median {medians[0] / medians[1]:.1f}, worst {maxima[0] / maxima[1]:.1f}")
    text = f"  bound contains the truth {percent(np.concatenate(inside)):.2f} % (from the first sample)"
    if ratio:
        text += (
            f"; unavoidable {np.median(least):.3f} ms, bound/unavoidable median {np.median(ratio):.2f}, "
            f"p99 {np.quantile(ratio, 0.99):.2f}"
        )
    print(text, flush=True)
    steps = [result for result in results if result.get("step")]
    if steps:
        found, settled = [], []
        for result in steps:
            at, error, _, count, newest = np.array(result["rows"], np.float64).T
            after = at >= result["step"][0]
            risen = np.flatnonzero(after & (count > count[~after][-1]))
            found.append((at[risen[0]] - result["step"][0]) / 1e9 if len(risen) else np.inf)
            off = np.flatnonzero(after & (np.abs(newest) >= 1e6))
            settled.append((at[off[-1]] - result["step"][0]) / 1e9 if len(off) else 0.0)
        print(
            f"  step found after median {np.median(found):.2f}, worst {max(found):.2f} s; "
            f"estimate < 1 ms after {max(settled):.2f} s"
        )


def main() -> None:
    """Run all conditions."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--settled", type=float, default=15.0, help="errors count from here on, s")
    parser.add_argument("--parallel", type=int, default=2, help="runs at the same time")
    parser.add_argument("--only", default="", help="part of a condition's name")
    arguments = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None:
        raise SystemExit("This needs root, ip (iproute2) and unshare (util-linux). Run it with sudo")
    with concurrent.futures.ThreadPoolExecutor(arguments.parallel) as pool:
        for condition in (c for c in ALL if arguments.only in c.name):
            futures = [
                pool.submit(once, condition, os.getpid() % 1000 * 10 + n % 10, seed, arguments.seconds)
                for n, seed in enumerate(range(arguments.first_seed, arguments.first_seed + arguments.seeds))
            ]
            report(condition, [f.result() for f in futures], arguments.settled, arguments.seconds)


if __name__ == "__main__":
    main()
