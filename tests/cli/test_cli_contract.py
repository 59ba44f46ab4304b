"""What scripts may count on: the verbs, their exit statuses and their JSON."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from cli_runs import ROOT, Said, run, start

from drivers.base import Batch
from drivers.bus import Subscriber
from drivers.bus.messages import Ended
from fusion.cli import VERBS
from recordings.reader import open_recording

Chorus = Callable[..., Said]


def loaded_by(*argv: str) -> set[str]:
    """Return the modules that a verb loads."""
    code = (
        "import sys\nfrom fusion.cli import main\n"
        f"try: main({list(argv)!r})\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_names_every_verb_and_loads_next_to_nothing(chorus: Chorus) -> None:
    said = chorus("--help").well()
    assert all(f"\n  {verb} " in said for verb in VERBS)
    assert not loaded_by("--help") & {"torch", "numpy", "cv2", "h5py", "zmq", "rich", "jsonargparse", "yaml"}


@pytest.mark.parametrize(
    "verb", ["record", "info", "check", "drive", "replay", "doctor", "weights", "live", "pose"]
)
def test_help_of_a_verb_loads_no_torch(verb: str) -> None:
    assert "torch" not in loaded_by(verb, "--help")


def test_nothing_asked_is_answered_with_the_usage(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fusion.cli"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout.startswith("usage: chorus VERB")


@pytest.mark.xdist_group("recorded")
def test_record_prints_where_the_bus_is_and_last_the_file(recorded: tuple[Path, Said]) -> None:
    path, said = recorded
    lines = said.well().splitlines()
    assert lines[0].startswith("bus at tcp://127.0.0.1:")
    assert lines[-1] == path.name
    with open_recording(path) as recording:
        assert recording.session.subject == "nobody"  # a key of the rig, set on the command line
        assert recording.session.closed


@pytest.mark.xdist_group("recorded")
def test_check_tells_programs_what_the_contract_says(recorded: tuple[Path, Said]) -> None:
    said = run(recorded[0].parent, "check", "a.h5", "--json")
    report = json.loads(said.well())
    assert (report["ok"], report["problems"]) == (True, [])
    assert set(report["streams"]) == {"camera", "wrist"}
    for stream, rate in (("camera", 15), ("wrist", 50)):
        found = report["streams"][stream]
        keys = {"samples", "lost", "unexplained", "rate_hz", "duration_s", "time_bound_ms"}
        assert keys <= set(found)
        assert (found["lost"], found["unexplained"]) == (0, 0)
        assert found["samples"] == pytest.approx(found["rate_hz"] * found["duration_s"], abs=2)
        assert found["rate_hz"] == pytest.approx(rate, rel=0.01)
        assert found["duration_s"] >= 1.9
        assert 0 < found["time_bound_ms"] < 1000
    assert "loads" not in said.err
    assert "sound" in run(recorded[0].parent, "check", "a.h5").well()
    assert "torch" not in loaded_by("check", str(recorded[0]))


@pytest.mark.xdist_group("recorded")
def test_check_exits_1_where_there_are_problems_and_2_where_it_cannot_read(
    chorus: Chorus, recorded: tuple[Path, Said], tmp_path: Path
) -> None:
    (tmp_path / "a.h5").write_bytes(recorded[0].read_bytes())
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        data = file["streams/wrist/data"]
        data[3] = data[3] + 1  # pyright: ignore
    damaged = chorus("check", "a.h5", "--json")
    report = json.loads(damaged.out)
    assert (damaged.code, report["ok"], damaged.err) == (1, False, "")
    assert any("wrist" in problem for problem in report["problems"])
    absent = chorus("check", "absent.h5", "--json")
    report = json.loads(absent.out)
    assert (absent.code, report["ok"], report["streams"]) == (2, False, {})
    assert "absent.h5" in report["problems"][0]


@pytest.mark.xdist_group("recorded")
def test_info_tells_what_a_session_holds(recorded: tuple[Path, Said]) -> None:
    facts = json.loads(run(recorded[0].parent, "info", "a.h5", "--json").well())
    assert facts["session"]["subject"] == "nobody"
    assert facts["streams"]["camera"]["kind"] == "camera"
    assert facts["streams"]["wrist"]["worn_on"] == "right_forearm"
    assert facts["duration_s"] >= 1.9
    told = run(recorded[0].parent, "info", "a.h5").well()
    assert "right_forearm" in told
    assert "a.h5" in told


def test_doctor_lists_libraries_devices_weights_and_the_mend_of_each_problem(chorus: Chorus) -> None:
    said = chorus("doctor", "--json")
    report = json.loads(said.out)
    assert said.err == ""
    assert said.code == (0 if report["ok"] else 1)
    assert report["libraries"]["torch"]
    assert [entry["name"] for entry in report["weights"]] == ["blazepose"]
    assert all({"kind", "name", "problem", "mend"} <= set(device) for device in report["devices"])
    assert all(problem["what"] and problem["mend"] for problem in report["problems"])
    told = chorus("doctor")
    assert told.code == said.code
    assert "torch" not in loaded_by("doctor")


def test_weights_are_listed_with_their_licence(chorus: Chorus) -> None:
    line = next(line for line in chorus("weights", "list").well().splitlines() if "blazepose" in line)
    assert "Apache-2.0" in line


def test_weights_that_cannot_be_fetched_are_one_line_and_the_mend(
    chorus: Chorus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_RETRIES": "0",
        "PIP_CONFIG_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)
    said = chorus("weights", "get", "blazepose")
    assert said.code == 1
    assert "Traceback" not in said.err
    assert "blazepose" in said.err.splitlines()[-1]
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.xdist_group("recorded")
def test_replay_puts_every_row_onto_a_bus_of_its_own(recorded: tuple[Path, Said]) -> None:
    with open_recording(recorded[0]) as recording:
        rows = {name: len(stream) for name, stream in recording.all_streams.items()}
    with start(recorded[0].parent, "replay", "a.h5", "--speed=4") as process:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("bus at ").strip()
        got = dict.fromkeys(rows, 0)
        ended: set[str] = set()
        with Subscriber(address) as subscriber:
            while ended != set(rows):
                message = subscriber.receive(30.0)
                assert message is not None
                if isinstance(message, Batch):
                    got[message.stream] += len(message)
                elif isinstance(message, Ended):
                    ended.add(message.stream)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert got == rows
    assert f"{sum(rows.values())} rows replayed" in out


def test_ctrl_c_ends_a_recording_in_order(chorus: Chorus, tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text("streams: {head: {driver: simulator.imu, worn_on: head, rate_hz: 50}}")
    with start(tmp_path, "record", "rig.yaml", "--output=a.h5") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("recording"):
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert json.loads(chorus("check", "a.h5", "--json").well())["ok"]


def test_a_terminal_shows_the_recording_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text("streams: {head: {driver: simulator.imu, worn_on: head, rate_hz: 50}}")
    master, slave = os.openpty()
    command = [sys.executable, "-m", "fusion.cli", "record", "rig.yaml", "--duration=1", "--output=a.h5"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=slave, text=True) as process:
        os.close(slave)
        seen = bytearray()
        with contextlib.suppress(OSError):  # a pseudo-terminal whose other end is closed
            while chunk := os.read(master, 4096):
                seen += chunk
        out, _ = process.communicate(timeout=30)
    os.close(master)
    assert process.returncode == 0
    assert b"running" in seen
    assert b"head" in seen
    assert "starting" not in out
    assert out.splitlines()[-1] == "a.h5"
