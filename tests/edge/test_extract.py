"""Many sessions through a front end: the same numbers whoever does it, and a killed worker costs a retry."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from cli_runs import SMALL, run

from drivers.errors import ConfigError, DataError, RecordingError
from fusion.commands.extract import main
from fusion.extract.local import LocalProcesses
from fusion.extract.session import extract, made_by
from recordings.reader import open_recording

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sessions")
    (folder / "small.yaml").write_text(SMALL)
    run(folder, "record", "small.yaml", "--duration=2", "--output=a.h5").well()
    shutil.copy(folder / "a.h5", folder / "b.h5")
    return folder


def keypoints(path: Path) -> dict[str, np.ndarray]:
    with open_recording(path) as recording:
        found = [each for each in recording.all_streams.values() if each.info.kind == "features"]
        return {each.info.name: np.asarray(each.data[:]) for each in found}


def test_sessions_get_key_points_in_place_of_pictures(sessions: Path, tmp_path: Path) -> None:
    assert main([str(sessions), "--vision=markers", f"--output={tmp_path / 'out'}"], "extract") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.h5", "b.h5"]
    found = keypoints(tmp_path / "out" / "a.h5")
    assert list(found) == ["camera_markers"]
    with open_recording(sessions / "a.h5") as before, open_recording(tmp_path / "out" / "a.h5") as after:
        np.testing.assert_array_equal(
            after.all_streams["camera_markers"].stamps["time"], before.all_streams["camera"].stamps["time"]
        )
        assert after.all_streams["camera"].withheld
        np.testing.assert_array_equal(after.all_streams["wrist"].data[:], before.all_streams["wrist"].data[:])
    checked = run(tmp_path, "check", "out/a.h5")
    assert checked.code == 0
    assert "camera_markers: its driver never said" not in checked.out
    live = run(tmp_path, "live", "--source=out/a.h5", "--film=false", "--output=poses")
    assert live.code == 0, live.err
    assert "poses/s" in live.out
    assert "nan" not in live.out  # nothing is late in what is long past


def test_a_front_end_may_have_a_file_and_options_which_name_the_folder(
    sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "day").mkdir()
    shutil.copy(sessions / "a.h5", tmp_path / "day" / "a.h5")
    monkeypatch.chdir(tmp_path / "day")
    told = "markers:light=gamma"
    assert main([".", f"--vision={told}"], "extract") == 0
    made = tmp_path / "day-markers-light=gamma" / "a.h5"
    assert list(keypoints(made)) == ["camera_markers"]
    assert made_by(made) == told
    assert main([".", f"--vision={told}"], "extract") == 0  # it is there already
    with pytest.raises(DataError, match="made by markers:light=gamma"):
        main([".", "--vision=markers", f"--output={made.parent}"], "extract")
    assert main([".", "--vision=opencv-dnn:/nets/model.pb"], "extract") == 1
    assert "there is no weights file /nets/model.pb" in capsys.readouterr().out
    assert [*(tmp_path / "day-opencv-dnn-model.pb").iterdir()] == []


def test_what_is_there_is_not_made_again(
    sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(sessions), "--vision=markers", f"--output={tmp_path / 'out'}"]
    (tmp_path / "out").mkdir()
    extract(sessions / "a.h5", tmp_path / "out" / "a.h5", "markers")
    before = (tmp_path / "out" / "a.h5").stat().st_mtime_ns
    assert main(words, "extract") == 0
    assert (tmp_path / "out" / "a.h5").stat().st_mtime_ns == before
    assert "1 of 2 sessions are there already" in capsys.readouterr().out


def test_a_killed_worker_costs_a_retry_and_not_the_result(sessions: Path, tmp_path: Path) -> None:
    killed = threading.Event()

    def told(path: Path, fraction: float) -> None:
        if not killed.is_set():
            killed.set()
            os.kill(workers.running[path].pid, signal.SIGKILL)

    workers = LocalProcesses("markers", False, 1, told)
    assert workers.run([(sessions / "a.h5", tmp_path / "a.h5")]) == {}
    assert killed.is_set()
    assert workers.restarts == 1
    extract(sessions / "a.h5", tmp_path / "whole.h5", "markers")
    ours, whole = keypoints(tmp_path / "a.h5"), keypoints(tmp_path / "whole.h5")
    assert len(whole["camera_markers"]) > 16
    for name, value in whole.items():
        np.testing.assert_array_equal(ours[name], value)


def test_a_worker_that_is_killed_each_time_is_told(sessions: Path, tmp_path: Path) -> None:
    workers = LocalProcesses(
        "markers", False, 1, lambda path, _: os.kill(workers.running[path].pid, signal.SIGKILL)
    )
    said = workers.run([(sessions / "a.h5", tmp_path / "a.h5")])
    assert "killed 3 times" in said[sessions / "a.h5"]
    assert not (tmp_path / "a.h5").exists()


def test_ctrl_c_leaves_nothing_half_made(sessions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["extract", str(sessions), "--vision=markers", f"--output={out}", "--workers=1"]
    with subprocess.Popen([sys.executable, "-m", "fusion.cli", *words], cwd=ROOT) as process:
        while process.poll() is None and not list(out.glob(".a.h5.part")):
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert {path.name for path in out.iterdir()} <= {"a.h5"}


def test_ray_gives_the_same_numbers(sessions: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    words = ["extract", str(sessions), "--vision=markers", f"--output={tmp_path / 'ray'}", "--engine=ray"]
    command = [sys.executable, "-m", "fusion.cli", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("a.h5", "b.h5"):
        extract(sessions / name, tmp_path / name, "markers")
        ours, theirs = keypoints(tmp_path / "ray" / name), keypoints(tmp_path / name)
        assert ours.keys() == theirs.keys()
        for stream, value in theirs.items():
            np.testing.assert_array_equal(ours[stream], value)


def ray_workers() -> list[int]:
    """Return the processes of Ray that run a task of Ray Data."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes().startswith(b"ray::Map(one)"):
                found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for Ray's processes in /proc")
def test_a_killed_worker_of_ray_costs_a_retry_and_not_the_result(sessions: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    words = ["extract", str(sessions), "--vision=markers", f"--output={tmp_path / 'ray'}", "--engine=ray"]
    killed: list[int] = []
    with subprocess.Popen([sys.executable, "-m", "fusion.cli", *words], cwd=ROOT) as process:
        while process.poll() is None and not killed:
            begun = list((tmp_path / "ray").glob(".*.part")) if (tmp_path / "ray").exists() else []
            for worker in ray_workers() if begun else []:
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)
        assert process.wait(280) == 0
    assert killed
    for name in ("a.h5", "b.h5"):
        extract(sessions / name, tmp_path / name, "markers")
        np.testing.assert_array_equal(
            keypoints(tmp_path / "ray" / name)["camera_markers"], keypoints(tmp_path / name)["camera_markers"]
        )


def test_one_bad_session_keeps_none_of_the_others(
    sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(sessions / "a.h5", tmp_path / "good.h5")
    (tmp_path / "bad.h5").write_bytes((sessions / "a.h5").read_bytes()[:5000])
    assert main([str(tmp_path), "--vision=markers", f"--output={tmp_path / 'out'}"], "extract") == 1
    assert "bad.h5:" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.h5"]


def test_what_makes_no_sense_is_refused(sessions: Path, tmp_path: Path) -> None:
    for words in (["--workers=0"], ["--vision=eyes"], ["--engine=abacus"], [f"--output={sessions}"]):
        with pytest.raises(ConfigError):
            main([str(sessions), *words], "extract")
    for words in ([str(sessions), f"--output={sessions / 'a.h5' / 'out'}"], [str(sessions / "a.h5")]):
        with pytest.raises((RecordingError, DataError)):
            main(words, "extract")
    for folder in (tmp_path / "absent", tmp_path):
        with pytest.raises(DataError):
            main([str(folder)], "extract")
