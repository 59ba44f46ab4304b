"""From a session file to latencies, in the file and in the rig, by the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmarks.sync.street import Scene, make
from fusion.cli import main
from recordings.check import examine
from recordings.latency import cross_modal
from recordings.reader import open_recording

pytestmark = pytest.mark.xdist_group("clapped")  # its sessions are made once

PLANTED = {"sound": 20.0, "imu": 5.0, "picture": 80.0}


@pytest.fixture(scope="module")
def clapped(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A session of five claps with latencies planted in it."""
    path = tmp_path_factory.mktemp("clapped") / "claps.h5"
    make(path, Scene(7, PLANTED, script=("stand", "clap")))
    return path.read_bytes()


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The same without its pictures, which take the longest to look through."""
    path = tmp_path_factory.mktemp("heard") / "claps.h5"
    make(path, Scene(7, PLANTED, script=("stand", "clap"), pictures=False))
    return path.read_bytes()


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A session in which nobody claps."""
    path = tmp_path_factory.mktemp("silent") / "none.h5"
    make(path, Scene(8, PLANTED, script=("stand", "wave"), five=False, pictures=False))
    return path.read_bytes()


@pytest.fixture
def session(tmp_path: Path, clapped: bytes) -> Path:
    path = tmp_path / "claps.h5"
    path.write_bytes(clapped)
    return path


@pytest.fixture
def unseen(tmp_path: Path, heard: bytes) -> Path:
    path = tmp_path / "claps.h5"
    path.write_bytes(heard)
    return path


def everything(path: Path) -> dict[str, bytes]:
    """All datasets and attributes of a file but what calibration adds."""
    out: dict[str, bytes] = {}

    def take(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if "/latency" not in name:
            out[name] = repr(sorted(node.attrs.items())).encode()
            if isinstance(node, h5py.Dataset):
                out[name] += (
                    np.asarray(node[()]).tobytes() if node.dtype.kind != "O" else repr(node[()]).encode()
                )

    with h5py.File(path) as file:
        file.visititems(take)
    return out


def test_planted_latencies_are_found_stored_and_read_back(
    session: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(session)
    assert main(["calibrate", "latency", str(session), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["reference"] == "microphone"
    assert set(told["streams"]) == {"left_forearm", "right_forearm", "camera"}
    with open_recording(session) as recording:
        assert recording.streams["microphone"].latency is None
        for name, goal_ms in (("left_forearm", 2.0), ("right_forearm", 2.0), ("camera", 8.3)):
            late = recording.streams[name].latency
            assert late is not None
            truth = PLANTED["picture" if name == "camera" else "imu"] - PLANTED["sound"]
            assert abs(late.latency_ms - truth) < goal_ms
            assert late.events == len(late.time) == len(late.residual_ms) >= 4
            assert late.latency_ms == told["streams"][name]["latency_ms"]
    assert everything(session) == before
    report = examine(session)
    assert report.ok, report.problems


def test_latencies_go_into_the_rig_on_request_and_a_second_time_replaces_the_first(
    unseen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = tmp_path / "rig.yaml"
    rig.write_text("streams:\n  left_forearm:\n    driver: simulator.imu # mine\n", "utf-8")
    for _ in range(2):
        assert main(["calibrate", "latency", str(unseen), "--rig", str(rig)]) == 0
    assert "left_forearm" in capsys.readouterr().out
    first, line, driver = rig.read_text("utf-8").splitlines()[1:4]
    assert (first, driver) == ("  left_forearm:", "    driver: simulator.imu # mine")
    assert abs(float(line.removeprefix("    latency_ms: ")) + 15.0) < 2.0


def test_sound_and_acceleration_tell_their_residual_without_pictures(session: Path) -> None:
    with open_recording(session) as recording:
        found = cross_modal(recording)
    assert set(found) == {"left_forearm", "right_forearm"}
    for late in found.values():
        assert abs(late.latency_ms + 15.0) < 2.0


def test_the_way_of_sound_is_no_latency(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["calibrate", "latency", str(session), "--json", "--store=false"]
    assert main(arguments) == 0
    near = json.loads(capsys.readouterr().out)
    assert main([*arguments, "--distance_m=3.43"]) == 0
    far = json.loads(capsys.readouterr().out)
    for name, late in near["streams"].items():
        assert far["streams"][name]["latency_ms"] - late["latency_ms"] == pytest.approx(10.0, abs=0.5)
    with open_recording(session) as recording:
        assert all(stream.latency is None for stream in recording.streams.values())


def test_another_stream_can_be_the_reference(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["calibrate", "latency", str(session), "--json", "--store=false"]
    assert main([*arguments, "--reference=right_forearm"]) == 0
    told = json.loads(capsys.readouterr().out)["streams"]
    assert abs(told["microphone"]["latency_ms"] - 15.0) < 2.5
    assert abs(told["left_forearm"]["latency_ms"]) < 2.5
    assert abs(told["camera"]["latency_ms"] - 75.0) < 8.3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--reference=camera"], "choose --reference"),
        (["--reference=nobody"], "Choose --reference of"),
        (["--start_s=1000"], "no claps or taps"),
        (["--vision=eyes"], "no vision front end"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line_and_nothing_is_stored(
    session: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = session.read_bytes()
    assert main(["calibrate", "latency", str(session), *arguments]) != 0
    said = capsys.readouterr().err.strip()
    assert words.lower() in said.lower()
    assert "\n" not in said
    assert session.read_bytes() == before


def test_a_session_without_claps_is_refused(
    tmp_path: Path, silent: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none.h5"
    path.write_bytes(silent)
    assert main(["calibrate", "latency", str(path)]) == 1
    said = capsys.readouterr().err.strip()
    assert "five claps" in said
    assert "\n" not in said
    assert path.read_bytes() == silent


def test_a_session_that_was_not_closed_is_not_written_to(
    session: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with h5py.File(session, "r+") as file:
        file.attrs["closed"] = False
    assert main(["calibrate", "latency", str(session)]) == 1
    assert "closed in good order" in capsys.readouterr().err


def test_the_page_of_the_file_format_names_all_that_is_stored(
    session: Path, read_page: Callable[[], str]
) -> None:
    assert main(["calibrate", "latency", str(session)]) == 0
    with h5py.File(session) as file:
        kept = file["streams/camera/latency"]
        names = {*kept.attrs, *kept}
    page = read_page()
    assert all(f"`{name}`" in page for name in names)


@pytest.fixture
def read_page() -> Callable[[], str]:
    return lambda: (Path(__file__).parents[2] / "docs" / "file-format.md").read_text("utf-8")
