"""Record a video, four IMUs and a microphone for a minute; check the file, and that it holds what was sent.

    python -m benchmarks.recorder.acceptance --data DATA [--seconds 60] [--output FILE.h5]

DATA holds ``video/sports2d/demo.mp4``. The IMUs speak WitMotion on pseudo-terminals, the microphone is
the monitor of a PulseAudio null sink that plays a known sound. Exits 0 if everything holds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.fed_ports import fed_ports
from benchmarks.recorder.imu_feeder import PERIOD, known_counts
from benchmarks.recorder.null_sink import RATE, likeness, playing
from drivers.rig import load_rig
from recordings.check import check
from recordings.reader import Recording, open_recording
from recordings.recorder import record
from recordings.status import RecordSummary

IMUS, IMU_HZ, CAMERA_HZ = 4, 200.0, 60.0
FEEDER = "benchmarks.recorder.imu_feeder"
PLACES = ("left_forearm", "right_forearm", "left_shin", "right_shin")
RATE_ERROR = 1e-3
CORRELATION = 0.99
STANDARD_GRAVITY = 9.80665


def write_rig(folder: Path, video: Path, ports: list[str]) -> Path:
    """Write the rig of the acceptance recording."""
    lines = ["name: acceptance", "streams:"]
    lines.append(f"  camera: {{driver: camera.file, path: {video}, fps: {CAMERA_HZ:g}, loop: true}}")
    for number, port in enumerate(ports):
        lines.append(
            f"  imu{number}: {{driver: imu.serial, protocol: witmotion, port: {port}, "
            f"worn_on: {PLACES[number]}, rate_hz: {IMU_HZ:g}}}"
        )
    lines.append(f"  microphone: {{driver: microphone.portaudio, device: pulse, rate: {RATE}}}")
    path = folder / "acceptance.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def imu_exact(recording: Recording, number: int) -> tuple[bool, str]:
    """Compare every stored value with the counts that were sent."""
    rows = recording.streams[f"imu{number}"].data[:].astype(np.float64)
    per_count = np.repeat([16 * STANDARD_GRAVITY / 32768, np.deg2rad(2000) / 32768], 3)
    counts = rows[:, :6] / per_count
    whole = np.round(counts)
    sent = known_counts(number)
    first = int(np.flatnonzero((sent == whole[0]).all(axis=1))[0]) if len(rows) else 0
    expected = sent[(first + np.arange(len(rows))) % PERIOD]
    wrong = int((whole != expected).any(axis=1).sum())
    off = float(np.abs(counts - whole).max())
    return wrong == 0 and off < 0.01, f"{len(rows)} rows, {wrong} differ from the bytes sent"


def thumbnails(video: Path) -> NDArray[np.float32]:
    """Return (N, h, w) small grey copies of a video's frames, see :func:`_thumbnail`."""
    with av.open(str(video)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    return np.stack([_thumbnail(cv2.imencode(".jpg", frame)[1]) for frame in frames])


def _thumbnail(encoded: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return an encoded picture small, grey, with mean 0 and length 1: blind to gain and offset."""
    small = cv2.imdecode(encoded, cv2.IMREAD_REDUCED_GRAYSCALE_8)
    assert small is not None
    centred = small.astype(np.float32) - small.mean()
    return centred / np.linalg.norm(centred)


def pictures_in_order(recording: Recording, video: Path) -> tuple[bool, str]:
    """Recognise every stored picture as the most similar of all the source's frames."""
    source = thumbnails(video)
    flat = source.reshape(len(source), -1)
    camera = recording.streams["camera"]
    numbers = camera.row_seq
    seen = (_thumbnail(np.frombuffer(camera.picture(i), np.uint8)) for i in range(len(camera)))
    best = np.array([int(np.argmax(flat @ one.ravel())) for one in seen])
    wrong = int((best != numbers % len(source)).sum())
    rising = bool((np.diff(numbers) == 1).all())
    words = f"{len(best)} pictures, {wrong} not the frame expected, numbers rise by one: {rising}"
    return wrong == 0 and rising, words


def figures(path: Path, video: Path, seconds: float, summary: RecordSummary) -> list[tuple[str, bool, str]]:
    """Return what was found: name, whether it holds, words."""
    report = check(path)
    lines = [("chorus check", report.ok, "; ".join(report.problems) or "sound")]
    nominal = {"camera": CAMERA_HZ, "microphone": float(RATE)} | {f"imu{n}": IMU_HZ for n in range(IMUS)}
    for name, rate in nominal.items():
        one = report.streams[name]
        error = one.rate_hz / rate - 1
        good = one.lost == 0 and one.unexplained == 0 and abs(error) < RATE_ERROR
        good = good and one.duration_s >= seconds - 0.1
        words = f"{one.samples} rows, lost {one.lost}, unexplained {one.unexplained}, "
        words += f"{one.rate_hz:.4f} Hz ({1e6 * error:+.0f} ppm), bound {one.time_bound_ms:.2f} ms"
        lines.append((name, good, words))
    with open_recording(path) as recording:
        for number in range(IMUS):
            lines.append((f"imu{number} values", *imu_exact(recording, number)))
        least, share = likeness(recording.streams["microphone"].data[:, 0], seconds + 30)
        good = least > CORRELATION and share > 0.9
        lines.append(
            ("sound", good, f"correlation >= {least:.5f} in each second, {100 * share:.0f} % compared")
        )
        lines.append(("pictures", *pictures_in_order(recording, video)))
    cpu = 100 * summary.cpu_s / summary.duration_s
    drivers = 100 * summary.drivers_cpu_s / summary.duration_s
    size = path.stat().st_size / 2**20
    words = f"recorder {cpu:.1f} % of a core, all drivers {drivers:.0f} %, file {size:.0f} MiB"
    return [*lines, ("processor", True, words)]


def main() -> int:
    """Run it; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, type=Path, help="folder with video/sports2d/demo.mp4")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--output", type=Path, help="keep the recording under this name")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    video = (options.data / "video" / "sports2d" / "demo.mp4").resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = options.output or folder / "acceptance.h5"
        with playing(folder, options.seconds + 30), fed_ports(IMUS, FEEDER, IMU_HZ) as ports:
            summary = record(load_rig(write_rig(folder, video, ports)), path, options.seconds)
        lines = figures(path, video, options.seconds, summary)
    if options.json:
        print(json.dumps([{"what": what, "ok": ok, "found": words} for what, ok, words in lines], indent=2))
    else:
        for what, ok, words in lines:
            print(f"{'ok  ' if ok else 'FAIL'} {what:12} {words}")
    return int(not all(ok for _, ok, _ in lines) or not summary.ok)


if __name__ == "__main__":
    sys.exit(main())
