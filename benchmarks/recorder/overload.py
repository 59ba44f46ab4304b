"""Recorders and drivers that cannot keep up: is every row that is not in the file on the ledger?

    python -m benchmarks.recorder.overload [--runs 100]

A run is a whole recording of a few seconds, `chorus record`'s own, under one of five faults in turn:

* the disk is slow: for a while each write takes as long as on a disk of 0.3 MB/s,
* the encoder is slow: more pictures a second than x264 can take,
* queues are full: thousands of messages at once, and publishers that keep little to send again,
* the recorder is stopped (SIGSTOP) for up to 2 s, twice, in the middle of such a load,
* a driver is stopped for up to 2 s; these are real driver processes of simulated devices.

Afterwards the file must agree with what the publishers say that they published: produced = stored + the
losses, each with its reason, for each stream; no row twice, none in a wrong place, none changed.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from drivers.base import NO_TIME, STAMP, Batch, StreamInfo
from recordings.reader import Recording, open_recording
from recordings.stream_reader import StreamReader

FAULTS = ("slow disk", "slow encoder", "full queue", "recorder stopped", "driver stopped")
LOAD_S = 3.0
SLOW_BYTES_PER_S = 300_000
KEPT_BYTES = 128 << 10
"""What a publisher keeps to send again: little, so that losses happen."""

WRIST = StreamInfo(name="wrist", kind="imu", shape=(6,), rate_hz=200.0)
ROOM = StreamInfo(name="room", kind="audio", dtype="<i4", shape=(1,), rate_hz=48000.0, stamping="block")
SIDE = StreamInfo(
    name="side", kind="camera", encoding="jpeg", dtype="|u1", shape=(720, 1280, 3), rate_hz=30.0
)
FILM = StreamInfo(name="film", kind="camera", dtype="|u1", shape=(720, 1280, 3), rate_hz=2.0)
REMOTE = "{driver: imu.serial, port: x, protocol: witmotion, remote: true"

ELSEWHERE = f"""
streams:
  wrist: {REMOTE}}}
  room: {REMOTE}}}
  side: {REMOTE}}}
"""
ENCODED = f"""
streams:
  wrist: {REMOTE}}}
  film: {REMOTE}, store: h264, h264: {{preset: medium, crf: 1}}}}
"""
LOCAL = """
streams:
  wrist: {driver: simulator.imu, worn_on: right_forearm, rate_hz: 200}
  room: {driver: simulator.microphone}
"""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One run: its fault, rows lost by reason, and what does not add up or an empty text."""

    fault: str
    lost: dict[str, int]
    problem: str


def rows_of(info: StreamInfo, first: int, count: int) -> Any:
    """Return rows that tell their own numbers."""
    numbers = np.arange(first, first + count)
    if info.encoding == "jpeg":
        return tuple(int(number).to_bytes(8, "little") * 12_000 for number in numbers)
    if info.kind == "camera":
        return np.random.default_rng(first).integers(0, 255, (count, *info.shape), np.uint8)
    return np.broadcast_to(numbers.reshape(-1, *(1,) * len(info.shape)), (count, *info.shape)).astype(
        info.dtype
    )


class Source:
    """Publishes one stream and remembers how much; a part of it is lost in the driver already."""

    def __init__(self, address: str, info: StreamInfo, chance: random.Random) -> None:
        from drivers.bus import Publisher

        self.info, self.chance = info, chance
        self.publisher = Publisher(address, info, resend_bytes=KEPT_BYTES, timeout_s=30.0)
        self.produced, self.lost = 0, 0

    def send(self, count: int) -> None:
        """Publish ``count`` rows in one message."""
        lost = self.chance.randrange(1, 9) if self.chance.random() < 0.02 else 0
        self.lost += lost
        self.produced += lost
        stamps = np.zeros(1 if self.info.stamping == "block" else count, STAMP)
        stamps["seq"] = self.produced + np.arange(len(stamps))
        now = time.monotonic_ns() - self.publisher.session.epoch_ns
        stamps["time"] = stamps["time_host"] = now + np.arange(len(stamps))
        stamps["time_device"] = NO_TIME
        data = rows_of(self.info, self.produced, count)
        self.publisher.publish(Batch(self.info.name, stamps, data, {"driver_queue": lost} if lost else {}))
        self.produced += count

    def end(self) -> None:
        """End the stream with its totals."""
        from drivers.bus.messages import Ended

        self.publisher.end(
            Ended(self.info.name, self.produced, {"driver_queue": self.lost} if self.lost else {})
        )


def load(address: str, seed: int, fault: str) -> int:
    """Publish for a while; the last line printed says what."""
    chance = random.Random(seed)
    infos = (WRIST, FILM) if fault == "slow encoder" else (WRIST, ROOM, SIDE)
    sources = {info.name: Source(address, info, chance) for info in infos}
    wrist = sources["wrist"]
    begin = time.monotonic()
    sent = dict.fromkeys(sources, 0)
    burst_at = chance.uniform(0.3, 1.0)
    while (now := time.monotonic() - begin) < LOAD_S:
        for name, each_s, rows in (("wrist", 0.005, 1), ("room", 0.01, 480), ("side", 1 / 30, 1)):
            while name in sources and sent[name] * each_s < now:
                sources[name].send(rows)
                sent[name] += 1
        while "film" in sources and sent["film"] * 0.02 < now:
            sources["film"].send(1)
            sent["film"] += 1
        if fault != "slow encoder" and now > burst_at:
            for _ in range(chance.randrange(1500, 5000)):
                wrist.send(1)
            burst_at = time.monotonic() - begin + chance.uniform(0.2, 0.8)
        time.sleep(0.002)
    for source in sources.values():
        source.end()
    everything = [source.publisher.close(linger_s=30.0) for source in sources.values()]
    told = {name: [source.produced, source.lost] for name, source in sources.items()}
    print(json.dumps({"told": told, "everything": all(everything)}))
    return 0


def record(rig: Path, output: Path, seed: int, fault: str, seconds: float) -> int:
    """Record; print the address of the bus first, and what went wrong last."""
    from drivers.rig import load_rig
    from recordings.recorder import record as record_rig

    said: list[str] = []

    def status(now: Any) -> None:
        if now.phase == "recording" or fault != "driver stopped":
            if not said:
                print(now.address, flush=True)
            said.append(now.phase)

    if fault == "slow disk":
        slow_disk(random.Random(seed))
    summary = record_rig(load_rig(rig), output, seconds or None, on_status=status, start_s=60.0)
    print(json.dumps({"problems": summary.problems}))
    return 0


def slow_disk(chance: random.Random) -> None:
    """Let writes of sessions take their time, in stretches of 0.2 to 1.5 s."""
    from recordings import ordered_file

    write, until, slow = os.write, [0.0], [False]

    def slowly(descriptor: int, data: Any) -> int:
        now = time.monotonic()
        if now > until[0]:
            until[0], slow[0] = now + chance.uniform(0.2, 1.5), not slow[0]
        if slow[0]:
            time.sleep(min(len(data) / SLOW_BYTES_PER_S, max(0.0, until[0] - now)))
        return write(descriptor, data)

    class SlowOs:
        def __getattr__(self, name: str) -> Any:
            return slowly if name == "write" else getattr(os, name)

    ordered_file.os = SlowOs()  # type: ignore[assignment]


def one_run(folder: Path, seed: int, fault: str) -> Outcome:
    """Do one recording under a fault and judge it."""
    chance = random.Random(seed)
    rig, output = folder / "overload.yaml", folder / f"overload{seed}.h5"
    rig.write_text({"slow encoder": ENCODED, "driver stopped": LOCAL}.get(fault, ELSEWHERE))
    seconds = LOAD_S + 1.0 if fault == "driver stopped" else 0.0
    recorder = role("record", rig, output, seed, fault, seconds)
    assert recorder.stdout is not None
    address = recorder.stdout.readline().strip()
    told: dict[str, list[int]] = {}
    if fault == "driver stopped":
        pause(chance.choice(drivers_of(recorder.pid)), chance)
    else:
        loader = role("load", address, seed, fault)
        if fault == "recorder stopped":
            for _ in range(2):
                pause(recorder.pid, chance)
        heard, _ = loader.communicate()
        told = json.loads(heard.splitlines()[-1])["told"]
    rest, _ = recorder.communicate()
    problems = json.loads(rest.splitlines()[-1])["problems"]
    try:
        with open_recording(output) as recording:
            wrong = [*problems, *judge(recording, told)]
            lost: collections.Counter[str] = collections.Counter()
            for stream in recording.streams.values():
                lost.update(stream.ledger.lost)
    finally:
        output.unlink(missing_ok=True)
    return Outcome(fault, dict(lost), "; ".join(wrong))


def judge(recording: Recording, told: dict[str, list[int]]) -> list[str]:
    """Return what does not add up, a line each."""
    wrong = []
    for name, stream in recording.streams.items():
        ledger, seq = stream.ledger, stream.row_seq
        if ledger.unexplained or ledger.stored != len(stream):
            wrong.append(f"{name}: {ledger} and {len(stream)} rows")
        if name in told and (ledger.produced, ledger.lost.get("driver_queue", 0)) != tuple(told[name]):
            wrong.append(f"{name}: {told[name]} produced and lost by the driver, the ledger has {ledger}")
        if len(seq) and (np.diff(seq) <= 0).any():
            wrong.append(f"{name}: rows out of order")
        missing = int(seq[-1] - seq[0] + 1 - len(seq)) if len(seq) else 0
        if missing > sum(ledger.lost.values()):
            wrong.append(f"{name}: {missing} rows are missing between others, {ledger}")
        wrong += changed(name, stream, seq) if told else []
    return wrong


def changed(name: str, stream: StreamReader, seq: np.ndarray[Any, Any]) -> list[str]:
    """Return a line if the rows of a stream are not those of their numbers."""
    if stream.info.encoding == "jpeg":
        found = np.array([int.from_bytes(stream.picture(row)[:8], "little") for row in range(len(stream))])
    elif stream.info.kind == "camera":
        return []  # encoded with loss; another test looks at its pictures
    else:
        found = stream.data[:].reshape(len(stream), -1)[:, 0].astype(np.int64)
    return [] if np.array_equal(found, seq) else [f"{name}: rows are not in their places"]


def pause(pid: int, chance: random.Random) -> None:
    """Stop a process for a while, after a while."""
    threading.Event().wait(chance.uniform(0.3, 0.8))
    os.kill(pid, signal.SIGSTOP)
    threading.Event().wait(chance.uniform(0.2, 2.0))
    os.kill(pid, signal.SIGCONT)


def drivers_of(pid: int) -> list[int]:
    """Return the processes of a recorder's drivers."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in children if b"--only" in Path(f"/proc/{one}/cmdline").read_bytes()]


def role(*words: object) -> subprocess.Popen[str]:
    """Start a process of this program."""
    command = [sys.executable, "-m", "benchmarks.recorder.overload", "--role", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def main() -> int:
    """Print what came of all runs; return 0 where every row is accounted for in each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    parser.add_argument("--role", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        name, *rest = options.role
        if name == "load":
            return load(rest[0], int(rest[1]), rest[2])
        return record(Path(rest[0]), Path(rest[1]), int(rest[2]), rest[3], float(rest[4]))
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.runs):
            fault, seed = FAULTS[number % len(FAULTS)], options.seed + number
            outcomes.append(one_run(Path(folder), seed, fault))
            if outcomes[-1].problem:
                print(f"run {seed}, {fault}: {outcomes[-1].problem}", flush=True)
    return report(outcomes)


def report(outcomes: list[Outcome], say: Callable[[str], None] = print) -> int:
    """Print a line for each fault; return 0 where all is accounted for."""
    for fault in FAULTS:
        mine = [one for one in outcomes if one.fault == fault]
        lost: collections.Counter[str] = collections.Counter()
        for one in mine:
            lost.update(one.lost)
        reasons = ", ".join(f"{reason} {rows}" for reason, rows in sorted(lost.items())) or "nothing"
        good = sum(not one.problem for one in mine)
        say(f"{fault:17s} {good}/{len(mine)} runs add up; lost and counted: {reasons}")
    good = all(not one.problem for one in outcomes)
    say(f"goal (no row unexplained in {len(outcomes)} runs): {'reached' if good else 'missed'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
