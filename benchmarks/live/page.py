"""What the page costs the engine: nobody looking, and five viewers, one of them a slow phone.

    taskset -c 0,1 python -m benchmarks.live.page [--seconds 60] [--round 3] [--vision markers|blazepose]

A camera (30 Hz), six IMUs (100 Hz) and a microphone (48 kHz) of made-up rows are fused as fast as they go,
so that anything the page takes shows. Rounds without the page, with the page and nobody, and with five
viewers follow one another in turn, in the same process, so that what else the machine does falls on all
alike. Told are poses a second of the clock, and processor seconds of the engine's process a pose; of both the
ratio to the round without the page that went before, its median and its quartiles; and what the thread that
hands things over to the page takes, which other programs change least. The slow phone takes 20 kB a second;
told is how old what it gets is, early and late: it must not grow.

Exit status 1: with viewers a pose costs the engine's process more than 3 % more than without the page.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import torch

from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus.messages import Announcement
from drivers.simulator.options import BodyOptions
from drivers.simulator.view import Painter, View
from fusion.features import FeatureBuilder
from fusion.model.checkpoint import load_net
from fusion.tracking.meter import Meter
from fusion.tracking.sequential import run_batches
from fusion.vision.base import front_end
from fusion.web.config import Live, LiveStream, PageConfig
from fusion.web.gathered import IMU_CHANNELS
from fusion.web.sink import WebSink

GOAL = 0.03
VIEWERS = 5
SLOW_BYTES_S = 20_000
PLACES = ("pelvis", "head", "left_forearm", "right_forearm", "left_shin", "right_shin")
LOOK = {"show": {"picture": True, "heatmap": False, "traces": True}}


def main() -> int:
    parser = argparse.ArgumentParser(description="What the page costs the engine.")
    parser.add_argument("--seconds", type=float, default=60.0, help="in all, at least")
    parser.add_argument("--round", type=float, default=3.0, help="seconds from one condition to the next")
    parser.add_argument("--vision", default="markers", choices=("markers", "blazepose"))
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--clients", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.clients:
        return look(options.clients)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        return measure(options, Path(folder))


@dataclasses.dataclass
class Cost:
    """What the rounds of one condition came to."""

    poses: list[float] = dataclasses.field(default_factory=list)  # a second, by round
    cpu_ms: list[float] = dataclasses.field(default_factory=list)  # of the engine's process, a pose
    feeding: list[float] = dataclasses.field(default_factory=list)  # part of that in the page's thread


def measure(options: argparse.Namespace, folder: Path) -> int:
    """Run all rounds; print what came of them and return the exit status."""
    streams = infos(options.width)
    names = tuple(LiveStream(name=s.name, kind=s.kind, rate_hz=s.rate_hz, worn_on=s.worn_on) for s in streams)
    live = Live(name="benchmark", streams=names)
    config = PageConfig(port=0, uploads=str(folder / "uploads"), sessions=str(folder), live=live)
    meter = Meter(time.monotonic_ns, live=False)
    page = WebSink(config, lambda words: None, meter, time.monotonic_ns)
    for info in streams:
        page.take(Announcement(info))
    costs = {"no page": Cost(), "page, nobody looks": Cost(), f"page, {VIEWERS} viewers": Cost()}
    clients: subprocess.Popen[str] | None = None
    told: list[str] = []
    net = load_net(None)
    try:
        with front_end(options.vision) as eyes:
            builder = FeatureBuilder(streams, eyes.skeleton)
            sinks: list = []
            state = {"poses": 0, "condition": "", **clocks(page)}
            conditions = itertools.cycle(costs)
            until = time.monotonic() + options.seconds
            server = server_cpu(page.pid)

            def turn() -> None:
                """Note what the round came to, and begin the next."""
                nonlocal clients
                now, done = clocks(page), meter.poses - state["poses"]
                if state["condition"] and done:
                    cost, cpu = costs[state["condition"]], now["cpu"] - state["cpu"]
                    cost.poses.append(done / (now["began"] - state["began"]))
                    cost.cpu_ms.append(1e3 * cpu / done)
                    cost.feeding.append((now["fed"] - state["fed"]) / cpu)
                if clients is not None:
                    told.append(clients.communicate("")[0])
                    clients = None
                state["condition"] = next(conditions)
                sinks[:] = [] if state["condition"] == "no page" else [page]
                if state["condition"].endswith("viewers"):
                    clients = subprocess.Popen(
                        [sys.executable, "-m", "benchmarks.live.page", "--clients", page.url],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                    assert clients.stdout is not None
                    clients.stdout.readline()  # all are connected
                state.update(poses=meter.poses, **clocks(page))

            def stop() -> bool:
                if not meter.poses:  # what is prepared before the first pose is no one's cost
                    state.update(clocks(page))
                over = time.monotonic() - state["began"] >= options.round
                if over:
                    turn()
                return (
                    over and time.monotonic() >= until and state["condition"] == "no page"
                )  # all had a turn

            turn()
            run_batches(
                fed(streams, options.width, page, sinks),
                builder,
                net,
                eyes,
                [_Through(sinks)],
                meter=meter,
                stop=stop,
            )
        used = server_cpu(page.pid) - server
    finally:
        if clients is not None:
            told.append(clients.communicate("")[0])
        page.close()
    return report(costs, told, used, options)


def clocks(page: WebSink) -> dict[str, float]:
    """Return the time, and the processor seconds of this process and of the page's thread in it, s."""
    fed = time.clock_gettime(time.pthread_getcpuclockid(page.feeder.ident or 0))
    return {"began": time.monotonic(), "cpu": time.process_time(), "fed": fed}


class _Through:
    """The sinks of now."""

    name = "through"

    def __init__(self, sinks: list) -> None:
        self._sinks = sinks

    wants_pictures = True

    def picture(self, at: int, image) -> None:
        for sink in self._sinks:
            if sink.wants_pictures:
                sink.picture(at, image)

    def poses(self, poses) -> None:
        for sink in self._sinks:
            sink.poses(poses)


def report(costs: dict[str, Cost], told: list[str], server_s: float, options: argparse.Namespace) -> int:
    """Print the figures; return the exit status."""
    none = next(iter(costs.values()))
    worst = 0.0
    for name, cost in costs.items():
        if not cost.poses:
            continue
        mine, mine_cpu = statistics.median(cost.poses), statistics.median(cost.cpu_ms)
        print(f"{name:24} {mine:6.1f} poses/s, {mine_cpu:.2f} ms of the engine's CPU a pose")
        if cost is none:
            continue
        _, rates = beside(cost.poses, none.poses, "poses/s")
        worst, costly = beside(cost.cpu_ms, none.cpu_ms, "CPU a pose")
        fed = 100 * statistics.median(cost.feeding)
        print(f"{'':24} {rates}\n{'':24} {costly}")
        print(f"{'':24} page's thread: {fed:.1f} % of the engine's CPU")
    print(f"page's own process: {100 * server_s / options.seconds:.1f} % of a core, at lower priority")
    ages = [json.loads(line) for text in told for line in text.splitlines() if line.startswith("{")]
    for kind in ("fast", "slow"):
        rows = [age[kind] for age in ages if age[kind]["messages"]]
        if not rows:
            print(f"{kind} viewer: got no message whole within a round")
        else:
            rate = sum(r["messages"] for r in rows) / sum(r["seconds"] for r in rows)
            early, late = (statistics.median(r[part] for r in rows) for part in ("early_ms", "late_ms"))
            print(f"{kind} viewer: {rate:.1f} messages/s, {early:.0f} ms old at first, {late:.0f} ms at last")
    print(f"a pose with {VIEWERS} viewers costs the engine {100 * worst:+.1f} % (goal: {100 * GOAL:.0f} %)")
    return int(worst > GOAL)


def beside(mine: list[float], none: list[float], what: str) -> tuple[float, str]:
    """Return how much more rounds are than those without the page before them, and that in words."""
    ratios = [100 * (a / b - 1) for a, b in zip(mine, none, strict=False)]
    middle = statistics.median(ratios)
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (middle,) * 3
    return middle / 100, f"{what} {middle:+.1f} % (quartiles {low:+.1f} to {high:+.1f}, {len(ratios)} rounds)"


def infos(width: int) -> list[StreamInfo]:
    """Return the streams."""
    imus = [
        StreamInfo(
            name=place, kind="imu", shape=(6,), channels=IMU_CHANNELS, worn_on=place, rate_hz=100.0,
            regular=True, units=("m/s^2",) * 3 + ("rad/s",) * 3,
        )
        for place in PLACES
    ]  # fmt: skip
    sound = StreamInfo(
        name="microphone",
        kind="audio",
        dtype="<i2",
        shape=(1,),
        rate_hz=48_000.0,
        regular=True,
        stamping="block",
    )
    height = width * 9 // 16
    camera = StreamInfo(name="camera", kind="camera", dtype="|u1", shape=(height, width, 3), rate_hz=30.0)
    return [camera, sound, *imus]


def fed(streams: list[StreamInfo], width: int, page: WebSink, sinks: list) -> Iterator[tuple[Batch, bool]]:
    """Yield rows of all streams in the order of time, without end; the page hears of them while it is
    there."""
    rng = np.random.default_rng(0)
    view = View.look_at(width, width * 9 // 16)
    joints = BodyOptions().body().pose(np.arange(60) / 30).joints
    painter = Painter(view, 0)
    pictures = [painter(one, True) for one in joints]
    for tick in itertools.count():
        for batch in one_tick(streams, tick, pictures[tick % len(pictures)], rng):
            if page in sinks:
                page.take(batch)
            yield batch, False


def one_tick(
    streams: list[StreamInfo], tick: int, picture: np.ndarray, rng: np.random.Generator
) -> Iterator[Batch]:
    """Yield what comes within a thirtieth of a second."""
    for info in streams:
        first, last = (round((tick + k) * info.rate_hz / 30) for k in (0, 1))
        rows = last - first
        if info.kind == "camera":
            data = picture[None]
        elif info.kind == "audio":
            data = rng.integers(-2000, 2000, (rows, 1), np.int16)
        else:
            data = rng.normal(0, 1, (rows, 6)).astype(np.float32) + np.float32([0, 0, 9.8, 0, 0, 0])
        stamps = np.zeros(1 if info.kind == "audio" else rows, STAMP)
        stamps["seq"] = first + np.arange(len(stamps))
        stamps["time"] = (stamps["seq"].astype(np.float64) * 1e9 / info.rate_hz).astype(np.int64)
        yield Batch(info.name, stamps, data)


def server_cpu(pid: int) -> float:
    """Return the processor seconds that a process has used; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# The viewers, in a process of their own.


class Client(threading.Thread):
    """A browser that looks, as its protocol says: ``ok`` for each message that it has.

    Args:
        url: of the page.
        bytes_s: that it takes; 0: as they come.
    """

    def __init__(self, url: str, bytes_s: int = 0) -> None:
        super().__init__(daemon=True)
        place = urlsplit(url)
        self._bytes_s = bytes_s
        self._socket = socket.socket()
        if bytes_s:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect((place.hostname, place.port))
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        host = f"{place.hostname}:{place.port}"
        lines = ("GET /api/live HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket", key)
        self._socket.sendall("\r\n".join((*lines, "", "")).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._socket.recv(1)
        self._say(LOOK)
        self.ages: list[float] = []
        self.began = time.monotonic()
        self.stop = False

    def run(self) -> None:
        while not self.stop:
            try:
                head = self._take(2)
                length = head[1] & 127
                length = struct.unpack(">Q", self._take(8))[0] if length == 127 else length
                length = struct.unpack(">H", self._take(2))[0] if length == 126 else length
                data = self._take(length)
            except OSError:
                return
            if head[0] & 15 != 2:  # RFC 6455: not binary
                continue
            about = json.loads(data[4 : 4 + struct.unpack_from("<I", data)[0]])
            self.ages.append(1e3 * (time.monotonic() - about["now"]))
            self._say({"ok": about["n"]})

    def _take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._socket.recv(min(count - len(data), 2048 if self._bytes_s else 1 << 20))
            if not part:
                raise OSError("closed")
            data += part
            if self._bytes_s:
                time.sleep(len(part) / self._bytes_s)
        return data

    def _say(self, message: dict) -> None:
        text = json.dumps(message).encode()
        self._socket.sendall(struct.pack("!BB4s", 0x81, 0x80 | len(text), b"\0" * 4) + text)

    def told(self) -> dict[str, float]:
        third = max(1, len(self.ages) // 3)
        return {
            "messages": len(self.ages),
            "seconds": time.monotonic() - self.began,
            "early_ms": statistics.median(self.ages[:third]) if self.ages else 0.0,
            "late_ms": statistics.median(self.ages[-third:]) if self.ages else 0.0,
        }


def look(url: str) -> int:
    """Be the viewers until standard input closes, and tell what they saw."""
    clients = [Client(url, SLOW_BYTES_S if number == 0 else 0) for number in range(VIEWERS)]
    for client in clients:
        client.start()
    print("connected", flush=True)
    sys.stdin.read()
    for client in clients:
        client.stop = True
    print(json.dumps({"slow": clients[0].told(), "fast": clients[1].told()}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
