"""What encryption costs: pictures a second, and latency, in plain text and with CURVE in the same run.

    python -m benchmarks.recorder.encrypted [--rounds 5] [--frames 300] [--paced 90] [--apart]

Raw pictures of 640x480x3 go from a publisher, a process of its own, to a hub and its subscriber in
another, as in ``chorus record``; with ``--apart`` each of the three is a process. Throughput: at most 8
pictures are under way. Latency: 30 pictures a second, from ``publish`` to the subscriber's hands.
Rounds take turns; each figure is the median of the rounds, with the least and the most.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Semaphore

import numpy as np

from drivers.base import NO_TIME, STAMP, Batch, StreamInfo
from drivers.bus import Hub, Publisher, Subscriber
from drivers.bus.keys import new_keys
from drivers.bus.messages import Ended

SHAPE = (480, 640, 3)
UNDER_WAY = 8
FPS = 30.0
INFO = StreamInfo(name="camera", kind="camera", dtype="|u1", shape=SHAPE, rate_hz=FPS)
GOAL_FPS, GOAL_RATIO = 300.0, 1.3


def serve(keys: bool, told: Connection) -> None:
    """Be the hub until told to end."""
    with Hub(keys=keys) as hub:
        told.send(hub.address)
        told.recv()


def publish(address: str, frames: int, room: Semaphore | None) -> None:
    """Send pictures: as there is room, or 30 a second."""
    pixels = np.random.default_rng(5).integers(0, 256, (1, *SHAPE), dtype=np.uint8)
    with Publisher(address, INFO, resend_bytes=256 << 20) as publisher:
        begin = time.monotonic()
        for number in range(frames):
            if room is not None:
                room.acquire()
            else:
                time.sleep(max(0.0, begin + number / FPS - time.monotonic()))
            stamps = np.array([(0, 0, time.monotonic_ns(), NO_TIME, number)], STAMP)
            publisher.publish(Batch("camera", stamps, pixels))
        publisher.end(Ended("camera", frames, {}))


@contextlib.contextmanager
def serving(keys: bool, *, apart: bool) -> Iterator[str | Hub]:
    """Yield what to subscribe to."""
    if not apart:
        with Hub(keys=keys) as hub:
            yield hub
        return
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(keys, there))
    process.start()
    yield here.recv()
    here.send("end")
    process.join()


def one_round(keys: bool, frames: int, *, paced: bool, apart: bool) -> tuple[float, list[float]]:
    """Return pictures a second and the latency of each, ms.

    Raises:
        RuntimeError: a picture was lost.
    """
    context = multiprocessing.get_context("spawn")
    room = None if paced else context.Semaphore(UNDER_WAY)
    with serving(keys, apart=apart) as hub, Subscriber(hub) as subscriber:
        address = hub if isinstance(hub, str) else hub.address
        publisher = context.Process(target=publish, args=(address, frames, room))
        publisher.start()
        arrived, latency = [], []
        while not isinstance(message := subscriber.receive(60), Ended):
            if message is None:
                raise RuntimeError("nothing arrives any more")
            if isinstance(message, Batch) and len(message):
                now = time.monotonic_ns()
                arrived.append(now)
                latency.append((now - int(message.stamps["time_host"][0])) / 1e6)
                if room is not None:
                    room.release()
        publisher.join()
    if len(arrived) != frames:
        raise RuntimeError(f"{frames - len(arrived)} of {frames} pictures were lost")
    return (frames - 1) / (arrived[-1] - arrived[0]) * 1e9, latency


def figure(values: list[float], unit: str) -> str:
    """Return median and spread in words."""
    return f"{statistics.median(values):8.2f} {unit} ({min(values):.2f} to {max(values):.2f})"


def main() -> int:
    """Print the figures; return 0 where the goals are reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=300, help="of a round of throughput")
    parser.add_argument("--paced", type=int, default=90, help="frames of a round of latency")
    parser.add_argument("--apart", action="store_true", help="hub and subscriber in processes of their own")
    options = parser.parse_args()
    rate: dict[bool, list[float]] = {False: [], True: []}
    middle: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CHORUS_KEYS"] = folder
        new_keys()
        for number in range(options.rounds):
            for keys in (False, True) if number % 2 else (True, False):
                rate[keys].append(one_round(keys, options.frames, paced=False, apart=options.apart)[0])
                middle[keys].append(
                    statistics.median(one_round(keys, options.paced, paced=True, apart=options.apart)[1])
                )
    for keys, name in ((False, "plain"), (True, "CURVE")):
        print(f"{name}  {figure(rate[keys], 'fps')}   latency p50 {figure(middle[keys], 'ms')}")
    ratios = [curve / plain for curve, plain in zip(middle[True], middle[False], strict=True)]
    print(f"CURVE / plain: latency p50 {figure(ratios, '')}")
    reached = statistics.median(rate[True]) >= GOAL_FPS and statistics.median(ratios) <= GOAL_RATIO
    print(f"goals (>= {GOAL_FPS:g} fps, <= {GOAL_RATIO:g}): {'reached' if reached else 'missed'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
