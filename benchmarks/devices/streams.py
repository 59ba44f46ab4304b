"""Network cameras that are cut and restored during a recording: do they go on soon, and is all counted?

    python -m benchmarks.devices.streams [--cuts 10] [--up 3] [--down 1.5]

Five cameras on the loopback in one recording: Motion-JPEG over HTTP whose parts tell their number (one that
runs on while it is cut, one that rests), their time or nothing, and H.264 over RTSP. Each picture shows its
number, so that what is stored is known to the picture. Each camera is cut and restored: with a reset, in
order, or without a word. Goals: it goes on within 2 s of its return, and no picture is unaccounted for:
exactly so where the camera numbers or stamps its pictures; else what was missed is reckoned from the time,
and may be off by a picture or two a cut.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.devices.network_cameras import Cut, HttpCamera, NetworkCamera, RtspCamera, read
from drivers.rig import load_rig
from recordings.reader import open_recording
from recordings.recorder import record
from recordings.status import RecordSummary
from recordings.stream_reader import StreamReader, decode

BACK_S = 2.0
"""Goal: from the camera's return to its first picture, s."""
RECKONED = 2
"""Goal: pictures by which a gap that was reckoned from the time may be off."""
EXACT = ("numbered", "resting", "stamped")
"""Cameras that are to be counted exactly."""
HOWS: tuple[Cut, ...] = ("reset", "close", "silent")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one camera.

    Attributes:
        stored: pictures in the file.
        counted: pictures on the ledger as lost.
        made: pictures that the camera made from the first stored to the last.
        off: of each cut, pictures counted minus pictures missed.
        late: of each cut, periods by which the pictures beside it arrived later than the promptest of all:
            a gap that is reckoned from arrivals may be off by as much more, and the machine is to blame.
        back_s: of each cut, from the camera's return to its first picture.
        unexplained: as the ledger has it.
    """

    stored: int
    counted: int
    made: int
    off: tuple[int, ...]
    late: tuple[float, ...]
    back_s: tuple[float, ...]
    unexplained: int

    def good(self, *, exact: bool) -> bool:
        """Whether the goals are met."""
        most = 0 if exact else RECKONED
        return self.unexplained == 0 and max(self.back_s) <= BACK_S and max(map(abs, self.off)) <= most


def cameras() -> dict[str, NetworkCamera]:
    """Switch on the cameras."""
    return {
        "numbered": HttpCamera(30.0, "number"),
        "resting": HttpCamera(30.0, "number", rests=True),
        "stamped": HttpCamera(30.0, "time"),
        "plain": HttpCamera(30.0, ""),
        "rtsp": RtspCamera(25.0),
    }


def run(folder: Path, cuts: int, up_s: float, down_s: float) -> tuple[RecordSummary, dict[str, Outcome]]:
    """Record the cameras while each is cut ``cuts`` times; return what came of it."""
    there = cameras()
    restored: dict[str, list[int]] = {name: [] for name in there}
    streams = "".join(f"  {name}: {{driver: camera.url, url: '{one.url}'}}\n" for name, one in there.items())
    rig, path = folder / "streams.yaml", folder / "streams.h5"
    rig.write_text(f"streams:\n{streams}")
    recording, stop = threading.Event(), threading.Event()

    def cut() -> None:
        recording.wait()
        for number in range(cuts):
            stop.wait(up_s)
            for at, camera in enumerate(there.values()):
                camera.cut(HOWS[(number + at) % len(HOWS)])
            stop.wait(down_s)
            for name, camera in there.items():
                camera.restore()
                restored[name].append(time.monotonic_ns())
        stop.wait(max(up_s, BACK_S + 1.0))
        stop.set()

    cutter = threading.Thread(target=cut, daemon=True)
    cutter.start()
    try:
        summary = record(
            load_rig(rig),
            path,
            stop=stop,
            on_status=lambda now: recording.set() if now.phase == "recording" else None,
        )
    finally:
        stop.set()
        recording.set()
        for camera in there.values():
            camera.close()
    with open_recording(path) as session:
        found = {name: outcome(session.streams[name], one, restored[name]) for name, one in there.items()}
    return summary, found


def outcome(stream: StreamReader, camera: NetworkCamera, restored: list[int]) -> Outcome:
    """Compare the pictures that are stored with the numbers that they show."""
    shown = []
    for index in range(len(stream)):
        picture = decode(stream.picture(index))
        assert picture is not None
        shown.append(read(picture))
    arrived, missed = stream.stamps["time_host"], np.diff(shown) - 1
    counted = np.diff(stream.row_seq) - 1
    delay = arrived - np.array([camera.due_ns(number) for number in shown])
    late_periods = (delay - delay.min()) * 1e-9 * camera.rate_hz
    off, late, back = [], [], []
    for at in restored:
        first = int(np.searchsorted(arrived, at))
        if first == len(arrived):
            back.append(float("inf"))
            off.append(len(arrived))
            late.append(0.0)
            continue
        back.append((int(arrived[first]) - at) * 1e-9)
        off.append(int(counted[first - 1] - missed[first - 1]))
        late.append(float(late_periods[first - 1 : first + 1].max()))
    ledger = stream.ledger
    return Outcome(
        stored=len(shown),
        counted=sum(ledger.lost.values()),
        made=shown[-1] - shown[0] + 1,
        off=tuple(off),
        late=tuple(late),
        back_s=tuple(back),
        unexplained=ledger.unexplained,
    )


def main() -> int:
    """Print the figures; return 0 where the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cuts", type=int, default=10, help="of each camera")
    parser.add_argument("--up", type=float, default=3.0, help="between two cuts, s")
    parser.add_argument("--down", type=float, default=1.5, help="how long each lasts, s")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        summary, found = run(folder, options.cuts, options.up, options.down)
    good = not summary.problems
    print("problems:", "; ".join(summary.problems) or "none")
    for name, one in found.items():
        exact = name in EXACT
        good &= one.good(exact=exact)
        rest, most = one.made - one.stored - one.counted, max(map(abs, one.off))
        goal = "0" if exact else f"<= {RECKONED}"
        print(
            f"{name:9} made {one.made} = stored {one.stored} + counted {one.counted} {rest:+d}; "
            f"off by {most} at most a cut ({goal}); unexplained {one.unexplained} (0); "
            f"back after {np.median(one.back_s):.2f} s, {max(one.back_s):.2f} s at most (<= {BACK_S:g} s)"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
