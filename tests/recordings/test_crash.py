"""A recorder that is killed, or whose disk refuses to write, leaves a file that opens."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from recording_samples import imu_rows

from recordings.check import examine
from recordings.reader import open_recording

HERE = Path(__file__).parent

# Writes an IMU at 1000 Hz and a camera, in batches, as fast as time goes; says what it has handed over.
RECORDER = f"""
import sys, time
sys.path.insert(0, {str(HERE)!r})
import numpy as np
from recording_samples import CAMERA, IMU, imu_rows, picture, stamps
from drivers.base import Batch
from drivers.bus.messages import Event
from recordings.layout import SessionAttributes
from recordings.writer import SessionWriter

writer = SessionWriter(sys.argv[1], SessionAttributes(id="crash", expected=("wrist", "camera")))
for info in (IMU, CAMERA):
    writer.add_stream(info)
start = time.monotonic()
row = 0
while True:
    rows = np.arange(row, max(int((time.monotonic() - start) * 1000), row + 1))
    row = int(rows[-1]) + 1
    writer.append(Batch("wrist", stamps(rows * 1_000_000, rows), imu_rows(rows[0], row)))
    writer.append(Batch("camera", stamps([rows[0] * 1_000_000], [row]), (picture(row) * int(sys.argv[2]),)))
    writer.event(Event(int(rows[0]) * 1_000_000, "mark", "x" * 50, "test"))
    print(row, flush=True)
    time.sleep(0.005)
"""


@pytest.mark.parametrize("after_rows", [700, 1200, 2100])
def test_after_kill_9_plain_hdf5_opens_the_file_and_half_a_second_is_lost_at_most(
    tmp_path: Path, after_rows: int
) -> None:
    path = tmp_path / "killed.h5"
    with subprocess.Popen(
        [sys.executable, "-c", RECORDER, str(path), "20"], stdout=subprocess.PIPE, text=True
    ) as recorder:
        assert recorder.stdout is not None
        handed_over = 0
        for line in recorder.stdout:
            handed_over = int(line)
            if handed_over >= after_rows:
                break
        recorder.send_signal(signal.SIGKILL)
        rest = recorder.stdout.read().split()
        handed_over = int(rest[-1]) if rest else handed_over
    with h5py.File(path) as file:
        plain = file["streams/wrist/data"][:]
    with open_recording(path) as recording:
        assert not recording.session.closed
        wrist, camera = recording.streams["wrist"], recording.streams["camera"]
        kept = len(wrist)
        assert handed_over - kept <= 500
        np.testing.assert_array_equal(wrist.data[:], imu_rows(0, kept))
        np.testing.assert_array_equal(wrist.times, np.arange(kept) * 1_000_000)
        np.testing.assert_array_equal(plain[:kept], imu_rows(0, kept))
        assert camera.image(len(camera) - 1).shape == (24, 32, 3)
    report = examine(path)
    assert report.exit_code == 1
    assert any("not closed" in problem for problem in report.problems)
    assert not any("damaged" in problem for problem in report.problems)


def test_a_disk_that_refuses_to_write_gives_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "full.h5"

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))

    done = subprocess.run(
        [sys.executable, "-c", RECORDER, str(path), "20"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        preexec_fn=small_disk,
        check=False,
    )
    assert done.returncode != 0
    assert "DiskFull" in done.stderr.splitlines()[-1]
    with h5py.File(path) as file:
        rows = file["streams/wrist/data"][:]
    assert len(rows) > 100
    with open_recording(path) as recording:
        kept = len(recording.streams["wrist"])
        np.testing.assert_array_equal(recording.streams["wrist"].data[:], imu_rows(0, kept))
