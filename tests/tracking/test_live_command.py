import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rig_runs import track_rig
from session_features import write_session

from drivers.errors import BusError, ConfigError, RecordingExists, RecordingUnreadable, WeightsError
from drivers.rig import load_rig
from fusion.skeletons import BODY20
from fusion.tracking import turn
from fusion.tracking.live import main, parse
from fusion.tracking.options import LiveOptions
from fusion.tracking.run import run
from fusion.tracking.sinks import BusSink

ROOT = Path(__file__).parents[2]

RIG = """
vision: markers
streams:
  camera: {driver: simulator.camera, width: 320, height: 240, fps: 30}
  pelvis: {driver: simulator.imu, worn_on: pelvis, rate_hz: 100}
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A session without a front end's work to do: nobody's markers are in its pictures."""
    return str(write_session(tmp_path_factory.mktemp("session") / "s.h5", 1.0))


def test_a_recording_is_tracked_into_a_new_folder(session, weights, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["--source", session, "--weights", weights, "--output", str(out)]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["events.csv", "overlay.mp4", "poses.csv", "summary.json"]
    with (out / "poses.csv").open() as file:
        rows = list(csv.DictReader(file))
    summary = json.loads((out / "summary.json").read_text())
    assert len(rows) == 20 * summary["poses"]
    assert summary["poses"] == pytest.approx(60, abs=1)
    assert summary["frames"] == 30
    assert str(out / "poses.csv") in capsys.readouterr().out
    with pytest.raises(RecordingExists, match="--output"):
        main(["--source", session, "--weights", weights, "--output", str(out)])


def test_the_same_recording_gives_the_same_table_each_time(session, weights, tmp_path):
    tables = []
    for name in ("a", "b"):
        main(["--source", session, "--weights", weights, "--output", str(tmp_path / name), "--film=false"])
        tables.append((tmp_path / name / "poses.csv").read_bytes())
    assert tables[0] == tables[1]


def test_a_recording_at_its_own_pace_takes_its_own_time(session, weights, tmp_path):
    out = str(tmp_path / "out")
    options = LiveOptions(source=session, weights=weights, output=out, realtime=True, priority="normal")
    began = time.monotonic()
    summary, _ = run(options, None, print)
    assert time.monotonic() - began > 0.95  # a busy machine may take longer, none is faster
    assert summary.frames + summary.frames_skipped == 30
    assert summary.poses + summary.skipped_ticks == pytest.approx(60, abs=1)
    assert summary.frame_latency.p50_ms > 0
    assert summary.first_threads == 0


def test_a_duration_ends_a_recording_early(session, weights, tmp_path):
    options = LiveOptions(source=session, weights=weights, output=str(tmp_path / "out"), duration=0.5)
    assert run(options, None, print)[0].poses == 30


def test_a_rig_is_tracked_and_its_poses_are_on_the_bus(weights, tmp_path):
    (tmp_path / "rig.yaml").write_text(RIG)
    options = LiveOptions(weights=weights, output=str(tmp_path / "out"), duration=3.0)
    tracked = track_rig(tmp_path / "rig.yaml", options, BusSink.STREAM)
    summary, info = tracked.summary, tracked.info
    assert tracked.ended is not None
    assert tracked.ended.produced == summary.poses == len(tracked.rows)
    assert info.kind == "pose"
    assert info.properties["camera"] == "camera"
    assert info.properties["skeleton"].split(",") == list(BODY20)
    assert summary.poses_per_s > 20
    assert summary.frames > 20
    assert summary.first_threads == (min(2, turn.usable_cores()) if turn.allowed() else 0)
    assert (np.diff(tracked.times) > 0).all()
    assert {name.name for name in tracked.folder.iterdir()} == {
        "events.csv",
        "overlay.mp4",
        "poses.csv",
        "summary.json",
    }


def test_a_device_that_is_not_there_is_one_line_and_leaves_nothing_behind(weights, tmp_path):
    (tmp_path / "rig.yaml").write_text(
        "streams:\n  wrist: {driver: imu.serial, port: /dev/there-is-no-such-port, worn_on: left_hand}\n"
    )
    options = LiveOptions(weights=weights, output=str(tmp_path / "out"))
    with pytest.raises(BusError, match="there-is-no-such-port") as failure:
        run(options, load_rig(tmp_path / "rig.yaml"), print)
    assert "\n" not in str(failure.value)
    assert not (tmp_path / "out").exists()


def test_every_config_is_understood():
    for path in sorted((ROOT / "configs" / "live").glob("*.yaml")):
        _, options = parse(["--source", "x.h5", "--config", str(path)], "live.py")
        assert isinstance(options, LiveOptions), path
    _, default = parse(["--source", "x.h5", "--config", str(ROOT / "configs/live/default.yaml")], "live.py")
    assert default == LiveOptions(source="x.h5")


@pytest.mark.parametrize(
    ("argv", "error", "words"),
    [
        ([], ConfigError, "nothing to track"),
        (["--sauce=x.h5"], ConfigError, "sauce"),
        (["--source", "x.h5", "--duration=soon"], ConfigError, "duration"),
        (["--source", "x.h5", "--duration=-1"], ConfigError, "duration"),
        (["--source", "x.h5", "--features.smell=1"], ConfigError, "smell"),
        (["--source", "x.h5", "--streams.camera.fps=3"], ConfigError, "rig"),
        (["no_such_rig.yaml"], ConfigError, "no_such_rig.yaml"),
        (["--source", "x.h5", "--weights", "no_such.ckpt"], WeightsError, "no_such.ckpt"),
    ],
)
def test_a_wrong_argument_is_named(argv, error, words):
    with pytest.raises(error, match=words):
        main(argv)


def test_a_source_that_is_no_session_is_refused(weights, tmp_path):
    (tmp_path / "x.h5").write_bytes(b"no session")
    argv = ["--source", str(tmp_path / "x.h5"), "--weights", weights, "--output", str(tmp_path / "out")]
    with pytest.raises(RecordingUnreadable, match=r"x\.h5"):
        main(argv)
    assert not (tmp_path / "out").exists()


def test_the_script_ends_with_one_line_and_a_status_that_is_not_0(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "live.py", "--sauce=1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1
    assert "sauce" in done.stderr
    assert "Traceback" not in done.stderr
