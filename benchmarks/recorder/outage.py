"""A link that is down for a minute: what a recorder has of the streams beyond it, and what that costs.

    sudo python -m benchmarks.recorder.outage [--down 60] [--before 10] [--after 40]

Linux, root. Two network namespaces joined by one link. On the far side, seven publishers, each a
process: three cameras of JPEG pictures of about 120 kB at 30 fps, four IMUs at 200 Hz. On the near
side, ``chorus record``. The link is taken down and up again; at the end the file must hold every row
that was published, in order. Printed: rows lost, how long it took to catch up, and the most memory that
any publisher used.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from drivers.base import NO_TIME, STAMP, Batch, StreamInfo

CAMERAS = tuple(
    StreamInfo(
        name=f"camera{n}", kind="camera", encoding="jpeg", dtype="|u1", shape=(720, 1280, 3), rate_hz=30.0
    )
    for n in range(3)
)
IMUS = tuple(StreamInfo(name=f"imu{n}", kind="imu", shape=(6,), rate_hz=200.0) for n in range(4))
PICTURE_BYTES = 120_000
EACH_S = 0.02
GOAL_MB = 256
NEAR, FAR = "chorus-near", "chorus-far"
ADDRESS = "10.78.1.1"


def publish(name: str, address: str, seconds: float) -> None:
    """Be one publisher; print its rows and its memory at the end."""
    from drivers.bus import Publisher
    from drivers.bus.messages import Ended
    from drivers.bus.spool import default_folder

    info = next(one for one in (*CAMERAS, *IMUS) if one.name == name)
    chance = np.random.default_rng(5).integers(0, 256, PICTURE_BYTES, np.uint8).tobytes()
    rows, begin = 0, time.monotonic()
    with Publisher(address, info, timeout_s=30.0, spool=default_folder()) as publisher:
        while (now := time.monotonic()) < begin + seconds and not publisher.stop_requested:
            due = int((now - begin) * info.rate_hz) - rows
            if due > 0:
                stamps = np.zeros(due, STAMP)
                stamps["seq"] = np.arange(rows, rows + due)
                stamps["time"] = stamps["time_host"] = time.monotonic_ns() - publisher.session.epoch_ns
                stamps["time"] += np.arange(due)
                stamps["time_device"] = NO_TIME
                data = (
                    tuple(number.to_bytes(8, "little") + chance for number in range(rows, rows + due))
                    if info.encoding == "jpeg"
                    else np.repeat(np.arange(rows, rows + due, dtype="<f4")[:, None], 6, 1)
                )
                publisher.publish(Batch(name, stamps, data))
                rows += due
            time.sleep(EACH_S)
        publisher.end(Ended(name, rows, {}))
        everything = publisher.close(linger_s=60.0)
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"name": name, "rows": rows, "memory_mb": memory_mb, "all_have_it": everything}))


def record(output: str, ended: str) -> None:
    """Record until all streams have ended; note the rows that are there, each second."""
    from drivers.rig import load_rig
    from recordings.recorder import record as record_rig

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "outage.yaml")
        streams = "".join(
            f"  {one.name}: {{driver: imu.serial, port: x, protocol: witmotion, remote: true}}\n"
            for one in (*CAMERAS, *IMUS)
        )
        path.write_text(f"bus: {{listen: 'tcp://{ADDRESS}:7411', insecure: true}}\nstreams:\n{streams}")
        begin = time.monotonic()
        with Path(ended).open("w") as notes:
            said = [False]

            def status(now) -> None:
                if not said[0]:
                    said[0] = True
                    print(now.address, flush=True)
                rows = {one.name: one.rows for one in now.streams}
                notes.write(json.dumps({"at": time.monotonic() - begin, "rows": rows}) + "\n")
                notes.flush()

            summary = record_rig(load_rig(path), output, on_status=status, start_s=60.0)
    print(
        json.dumps({"problems": summary.problems, "cpu_s": summary.cpu_s, "duration_s": summary.duration_s})
    )


def link(state: str) -> None:
    """Take the link down or up."""
    subprocess.run(["ip", "-n", FAR, "link", "set", "co-far", state], check=True)


def make_link() -> None:
    """Make both namespaces and the link."""
    for name in (NEAR, FAR):
        subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["ip", "netns", "add", name], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
    pair = [
        "ip",
        "link",
        "add",
        "co-near",
        "netns",
        NEAR,
        "type",
        "veth",
        "peer",
        "name",
        "co-far",
        "netns",
        FAR,
    ]
    subprocess.run(pair, check=True)
    for name, end, address in ((NEAR, "co-near", ADDRESS), (FAR, "co-far", "10.78.1.2")):
        subprocess.run(["ip", "-n", name, "addr", "add", f"{address}/24", "dev", end], check=True)
        subprocess.run(["ip", "-n", name, "link", "set", end, "up"], check=True)


def main() -> int:
    """Print the figures; return 0 where nothing was lost within the memory that is allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--down", type=float, default=60.0, help="s")
    parser.add_argument("--before", type=float, default=10.0, help="s")
    parser.add_argument("--after", type=float, default=40.0, help="s")
    parser.add_argument("--role", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        role, *rest = options.role
        publish(rest[0], rest[1], float(rest[2])) if role == "publish" else record(rest[0], rest[1])
        return 0
    if os.geteuid():
        sys.exit("outage: network namespaces need root")
    make_link()
    seconds = options.before + options.down + options.after
    try:
        with tempfile.TemporaryDirectory() as folder:
            return run(Path(folder), seconds, options.before, options.down)
    finally:
        for name in (NEAR, FAR):
            subprocess.run(["ip", "netns", "del", name], check=False)


def run(folder: Path, seconds: float, before_s: float, down_s: float) -> int:
    """Do it once and print what came of it."""
    output, notes = folder / "outage.h5", folder / "notes"

    def role(namespace: str, *words: object) -> subprocess.Popen[str]:
        command = [
            "ip",
            "netns",
            "exec",
            namespace,
            sys.executable,
            "-m",
            "benchmarks.recorder.outage",
            "--role",
        ]
        return subprocess.Popen([*command, *map(str, words)], stdout=subprocess.PIPE, text=True)

    recorder = role(NEAR, "record", output, notes)
    assert recorder.stdout is not None
    address = recorder.stdout.readline().strip()
    begin = time.monotonic()
    publishers = [role(FAR, "publish", one.name, address, seconds) for one in (*CAMERAS, *IMUS)]
    threading.Event().wait(before_s)
    link("down")
    threading.Event().wait(down_s)
    link("up")
    up_s = time.monotonic() - begin
    told = [json.loads(publisher.communicate()[0].splitlines()[-1]) for publisher in publishers]
    rest, _ = recorder.communicate()
    summary = json.loads(rest.splitlines()[-1])
    report(output, notes, told, summary, up_s)
    lost = sum(one["rows"] for one in told) - stored(output)
    memory_mb = max(one["memory_mb"] for one in told)
    good = not lost and not summary["problems"] and memory_mb <= GOAL_MB
    print(f"goals (nothing lost, at most {GOAL_MB} MB a publisher): {'reached' if good else 'missed'}")
    return 0 if good else 1


def stored(path: Path) -> int:
    """Return the rows of a session; every one in its place.

    Raises:
        RuntimeError: one is not.
    """
    from recordings.reader import open_recording

    total = 0
    with open_recording(path) as recording:
        for name, stream in recording.streams.items():
            seq = stream.stamps["seq"].astype(np.int64)
            if stream.info.encoding == "jpeg":
                numbers = [int.from_bytes(stream.picture(row)[:8], "little") for row in range(len(stream))]
            else:
                numbers = stream.data[:][:, 0].astype(np.int64)
            if not (np.array_equal(numbers, seq) and (np.diff(seq) > 0).all()):
                raise RuntimeError(f"{name}: rows are out of order")
            total += len(stream)
    return total


def report(path: Path, notes: Path, told: list[dict], summary: dict, up_s: float) -> None:
    """Print each stream, and how long it took to catch up."""
    from recordings.reader import open_recording

    with open_recording(path) as recording:
        for one in told:
            stream = recording.streams[one["name"]]
            print(
                f"  {one['name']:8s} published {one['rows']:6d}  stored {len(stream):6d}",
                f" lost {stream.ledger.lost}  unexplained {stream.ledger.unexplained}",
                f" memory {one['memory_mb']:.0f} MB",
            )
    lines = [json.loads(line) for line in notes.read_text().splitlines()]
    rate = {one.name: one.rate_hz for one in (*CAMERAS, *IMUS)}
    first = next(line["at"] for line in lines if all(line["rows"].get(name) for name in rate))
    behind = [
        line["at"] - first - (up_s)
        for line in lines
        if line["at"] > first + up_s
        and any(line["rows"][name] < rate[name] * (line["at"] - first) - 2 * rate[name] for name in rate)
    ]
    print(f"  caught up {max(behind, default=0.0):.1f} s after the link came back")
    share = 100 * summary["cpu_s"] / summary["duration_s"]
    print(f"  recorder: {share:.0f} % of a core; {summary['problems'] or 'no problems'}")


if __name__ == "__main__":
    sys.exit(main())
