"""A camera, the IMUs, the microphone go away for some seconds while the body moves, and come back.

::

    python -m benchmarks.live.absent [SESSION.h5] [--away 5] [--vision markers]

A recording (by default one of the simulated rig, made now) is replayed into the live engine at its own pace,
as if its devices were there; from the tenth second on one kind of device is silent and told to be lost.
Goals: poses go on at 60 Hz, no two of them more than 50 ms apart on the clock; the joints' deviation is
larger than at the same moments where nothing was away, and comes back (of sound, which says little of where
joints are: is not smaller by more than 5 %); and no joint jumps by more than 10 cm, from one pose to the
next, as the device returns, beyond what it moves in the same moment where nothing was away. Exit status 1:
something is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch

from drivers.bus.messages import BACK, LOST, Ended, Event
from fusion.features import FeatureBuilder
from fusion.features.offline import usable_streams
from fusion.features.vision import picture_size
from fusion.model.checkpoint import load_net
from fusion.tracking.engine import LiveEngine
from fusion.tracking.meter import Meter
from fusion.tracking.pose import Fuser, Pose
from fusion.vision.base import front_end
from recordings.reader import Recording, open_recording

BEGIN_S, SETTLED_S = 10.0, 2.0
JUMP_M, GAP_MS, RATE_HZ = 0.10, 50.0, 59.0
KINDS = {"nothing": (), "camera": ("camera",), "IMUs": ("imu",), "microphone": ("audio",)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("session", nargs="?", type=Path)
    parser.add_argument("--away", type=float, default=5.0, help="seconds")
    parser.add_argument("--vision", default="markers")
    parser.add_argument("--weights", default=None)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        session = options.session or recorded(Path(folder) / "simulated.h5", options.seconds + 2)
        runs = {}
        for name, kinds in KINDS.items():
            with open_recording(session) as recording:
                runs[name] = replay(recording, kinds, options)
    missed = 0
    still = runs.pop("nothing")
    print(f"{'away':12} poses/s  longest gap   sd before, away, after (without)   jump at return (without)")
    for name, run in runs.items():
        missed += told(name, run, still, options.away)
    return int(missed > 0)


def recorded(path: Path, seconds: float) -> Path:
    """Record the simulated rig."""
    rig = Path(__file__).parents[2] / "configs" / "rigs" / "simulated.yaml"
    command = [sys.executable, "-m", "fusion.cli", "record", str(rig), "--duration", str(seconds)]
    subprocess.run([*command, "--output", str(path)], check=True, stdout=subprocess.DEVNULL)
    return path


Made = tuple[float, Pose]
"""When a pose came out, seconds of the clock, and the pose."""


def replay(recording: Recording, away: tuple[str, ...], options: argparse.Namespace) -> list[Made]:
    """Return the poses of a recording at its own pace, with some kinds of devices away for a while."""
    infos, _ = usable_streams(recording)
    net, made = load_net(options.weights), []
    with front_end(options.vision) as eyes:
        builder = FeatureBuilder(infos, eyes.skeleton)
        first = min(int(s.stamps["time"][0]) for s in recording.all_streams.values() if len(s.stamps))
        origin = time.monotonic_ns()

        def now() -> int:
            return time.monotonic_ns() - origin + first

        engine = LiveEngine(
            builder,
            Fuser(net, [picture_size(camera) for camera in builder.cameras]),
            eyes,
            [],
            now=now,
            meter=Meter(time.monotonic_ns, live=True),
            on_pose=lambda pose: made.append((time.monotonic(), pose)),
        )
        gone = [info.name for info in infos if info.kind in away]
        wait = threading.Event()
        origin = time.monotonic_ns()
        engine.start()
        begin, end = (first + round(s * 1e9) for s in (BEGIN_S, BEGIN_S + options.away))
        told: set[str] = set()
        for batch in recording.batches(streams=builder.used):
            at = int(batch.stamps["time"][-1])
            if at > first + options.seconds * 1e9:
                break
            wait.wait(max(0.0, (at - now()) / 1e9))
            if batch.stream in gone and begin <= at < end:
                if batch.stream not in told:
                    told.add(batch.stream)
                    engine.feed(Event(at, LOST, f"{batch.stream}: was unplugged", batch.stream))
                continue
            if batch.stream in told:
                told.discard(batch.stream)
                engine.feed(Event(at, BACK, f"{batch.stream}: is back", batch.stream))
            engine.feed(batch)
        for info in infos:
            engine.feed(Ended(info.name, 0, {}))
        engine.wait(10.0)
        engine.stop()
    return [(clock, pose) for clock, pose in made if pose.time >= first]


def told(name: str, run: list[Made], still: list[Made], away_s: float) -> int:
    """Print what a device's absence did; return how many goals are missed."""
    first = run[0][1].time / 1e9
    clock = np.array([made[0] for made in run])
    at = np.array([made[1].time for made in run]) / 1e9 - first
    sd, sd_still = (np.sqrt(np.array([made[1].joints_var.mean() for made in each])) for each in (run, still))
    at_still = np.array([made[1].time for made in still]) / 1e9 - still[0][1].time / 1e9
    gone = (at >= BEGIN_S + 0.5) & (at < BEGIN_S + away_s)
    before = (at >= BEGIN_S - 3) & (at < BEGIN_S)
    after = (at >= BEGIN_S + away_s + SETTLED_S) & (at < BEGIN_S + away_s + SETTLED_S + 3)
    rate = (gone.sum() - 1) / np.ptp(clock[gone])
    around = (at >= BEGIN_S - 1) & (at < BEGIN_S + away_s + 1)
    gap = 1e3 * np.diff(clock[around]).max()
    spread = [1e2 * float(np.median(sd[part])) for part in (before, gone, after)]
    usual = [1e2 * float(np.median(np.interp(at[part], at_still, sd_still))) for part in (gone, after)]
    jump, moved = (largest_jump(each, first, away_s) for each in (run, still))
    verdicts = {
        "rate": rate >= RATE_HZ,
        "gap": gap <= GAP_MS,
        "variance": spread[1] >= usual[0] * (0.95 if name == "microphone" else 1.0)
        and spread[2] <= 1.1 * usual[1],
        "jump": jump - moved <= JUMP_M,
    }
    missed = [what for what, good in verdicts.items() if not good]
    print(
        f"{name:12} {rate:7.1f} {gap:9.0f} ms   {spread[0]:5.1f} {spread[1]:5.1f} {spread[2]:5.1f} cm"
        f" ({usual[0]:.1f} {usual[1]:.1f})"
        f"   {100 * jump:9.1f} cm ({100 * moved:.1f} cm)   "
        + (f"MISSED: {', '.join(missed)}" if missed else "all goals reached")
    )
    return len(missed)


def largest_jump(run: list[Made], first_s: float, away_s: float) -> float:
    """Return how far a joint goes at most from one pose to the next as the device is back, m."""
    poses = [pose for _, pose in run]
    at = np.array([pose.time for pose in poses]) / 1e9 - first_s
    part = np.flatnonzero((at >= BEGIN_S + away_s - 0.1) & (at < BEGIN_S + away_s + 1.0))
    joints = np.array([poses[k].joints for k in part])
    return float(np.linalg.norm(np.diff(joints, axis=0), axis=-1).max())


if __name__ == "__main__":
    sys.exit(main())
