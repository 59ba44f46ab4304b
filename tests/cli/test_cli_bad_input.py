"""Bad input: one line that names the thing and the mend, an exit status, and nothing left behind."""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import tty
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
import soundfile
import yaml
from cli_runs import ROOT, Said, run, start, together, unchanged

from drivers.bus import Hub

Chorus = Callable[..., Said]

RIGS = {
    "key.yaml": "streams: {wrist: {driver: imu.serial, prot: /dev/ttyUSB0}}",
    "broken.yaml": "streams: {\n  wrist: {driver: imu.serial\n",
    "driver.yaml": "streams: {wrist: {driver: imu.seriall, port: /dev/ttyUSB0}}",
    "place.yaml": "streams: {wrist: {driver: imu.serial, port: /dev/ttyUSB0, worn_on: right_forarm}}",
    "type.yaml": "streams: {wrist: {driver: imu.serial, port: /dev/ttyUSB0, baudrate: fast}}",
}
REFUSED = {
    "key.yaml": ("streams.wrist", "'prot'", "Did you mean 'port'?"),
    "broken.yaml": ("broken.yaml line 3", "not valid YAML", "Correct that line"),
    "driver.yaml": ("imu.seriall", "Did you mean 'imu.serial'?"),
    "place.yaml": ("right_forarm", "Did you mean 'right_forearm'?"),
    "type.yaml": ("streams.wrist.baudrate", "'fast'", "whole number"),
    "absent.yaml": ("There is no rig file absent.yaml", "Give the path of a rig"),
}
"""Rigs that are refused as they are read, and what the line says."""

DEVICES = {
    "port.yaml": ("wrist: ", "/dev/ttyNOT9", "Set 'port'"),
    "text.yaml": ("camera: ", "text.mp4 is not a video", "Set 'path'"),
    "frameless.yaml": ("camera: ", "frameless.mp4", "Set 'path'"),
    "video.yaml": ("camera: ", "absent.mp4", "Set 'path'"),
    "wav.yaml": ("room: ", "16000", "48000", "rate"),
}
"""Rigs whose device cannot be opened, and what the line says."""


def write_devices(folder: Path) -> None:
    """Write the rigs of :data:`DEVICES` and the files they name."""
    for name, entry in {
        "port": "wrist: {driver: imu.serial, port: /dev/ttyNOT9}",
        "text": "camera: {driver: camera.file, path: text.mp4}",
        "frameless": "camera: {driver: camera.file, path: frameless.mp4}",
        "video": "camera: {driver: camera.file, path: absent.mp4}",
        "wav": "room: {driver: microphone.file, path: other.wav, rate: 48000}",
    }.items():
        (folder / f"{name}.yaml").write_text(f"vision: markers\nstreams: {{{entry}}}\n")
    (folder / "text.mp4").write_text("this is no video\n" * 100)
    soundfile.write(folder / "other.wav", np.zeros(16000, np.float32), 16000)
    with av.open(str(folder / "frameless.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


class Wire:
    """A pseudo-terminal whose far end sends what it is given, again and again, until it is closed."""

    def __init__(self, chunk: Callable[[], bytes]) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._chunk = chunk
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        while not self._stop.wait(0.02):
            try:
                os.write(self._master, self._chunk())
            except BlockingIOError:
                continue  # nobody reads yet

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def wire() -> Iterator[Callable[[Callable[[], bytes]], str]]:
    """Return a maker of serial ports."""
    made: list[Wire] = []

    def make(chunk: Callable[[], bytes]) -> str:
        made.append(Wire(chunk))
        return made[-1].path

    yield make
    for one in made:
        one.close()


# The rig.


@pytest.mark.parametrize("rig", REFUSED)
@pytest.mark.parametrize(
    "verb",
    [
        ("record", "--duration=1", "--output=a.h5"),
        ("live.py", "--duration=1", "--output=out"),
        ("drive", "--only=wrist", "--connect=tcp://127.0.0.1:9"),
    ],
    ids=lambda verb: verb[0],
)
def test_a_wrong_rig_is_refused_before_anything_starts(
    chorus: Chorus, tmp_path: Path, verb: tuple[str, ...], rig: str
) -> None:
    for name, text in RIGS.items():
        (tmp_path / name).write_text(text)
    with unchanged(tmp_path):
        chorus(verb[0], rig, *verb[1:]).refused(*REFUSED[rig])


def test_a_wrong_override_is_refused(chorus: Chorus, tmp_path: Path) -> None:
    rig = str(ROOT / "configs" / "rigs" / "simulated.yaml")
    with unchanged(tmp_path):
        chorus("record", rig, "--streams.camera.fpss=3").refused("fpss", "Did you mean 'fps'?")
        chorus("record", rig, "--streams.camra.fps=3").refused("camra", "Did you mean 'camera'?")
        chorus("record", rig, "--streams.camera.fps=fast").refused("fps", "fast", "number")


# Devices.


@pytest.mark.parametrize("rig", DEVICES)
def test_a_device_that_cannot_be_opened_ends_a_recording_before_it_begins(
    chorus: Chorus, tmp_path: Path, rig: str
) -> None:
    write_devices(tmp_path)
    with unchanged(tmp_path):
        chorus("record", rig, "--duration=1", "--output=new/folder/a.h5").refused(
            *DEVICES[rig], "nothing was recorded", "required: false"
        )


@pytest.mark.parametrize("rig", DEVICES)
def test_a_device_that_cannot_be_opened_is_told_by_drive(chorus: Chorus, tmp_path: Path, rig: str) -> None:
    write_devices(tmp_path)
    stream = next(iter(yaml.safe_load((tmp_path / rig).read_text())["streams"]))
    with Hub() as hub, unchanged(tmp_path):
        chorus("drive", rig, f"--only={stream}", f"--connect={hub.address}").refused(*DEVICES[rig])


@pytest.mark.parametrize("rig", ["port.yaml", "text.yaml", "wav.yaml"])
def test_a_device_that_cannot_be_opened_ends_live_before_it_begins(
    chorus: Chorus, tmp_path: Path, weights: str, rig: str
) -> None:
    write_devices(tmp_path)
    with unchanged(tmp_path):
        chorus("live", rig, f"--weights={weights}", "--output=out").refused(*DEVICES[rig], "required: false")


def test_a_port_at_the_wrong_baud_rate_is_named_with_the_mend(
    chorus: Chorus, tmp_path: Path, wire: Callable[..., str]
) -> None:
    noise = random.Random(0)
    port = wire(lambda: noise.randbytes(64))
    (tmp_path / "rig.yaml").write_text(
        f"streams: {{wrist: {{driver: imu.serial, port: {port}, baudrate: 9600}}}}"
    )
    with unchanged(tmp_path):
        chorus("record", "rig.yaml", "--duration=1", "--output=a.h5").refused("wrist: ", port, "baudrate")


def test_a_silent_port_is_named_with_the_mend(
    chorus: Chorus, tmp_path: Path, wire: Callable[..., str]
) -> None:
    port = wire(lambda: b"")
    (tmp_path / "rig.yaml").write_text(
        f"streams: {{wrist: {{driver: imu.serial, port: {port}, patience_s: 0.5}}}}"
    )
    with unchanged(tmp_path):
        chorus("record", "rig.yaml", "--duration=1", "--output=a.h5").refused(
            "wrist: ", port, "'port' is the right one"
        )


def test_a_device_that_is_not_required_is_told_once_and_the_rest_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(
        "streams:\n  wrist: {driver: imu.serial, port: /dev/ttyNOT9, required: false}\n"
        "  head: {driver: simulator.imu, worn_on: head, rate_hz: 50}\n"
    )
    with start(tmp_path, "record", "rig.yaml", "--output=a.h5") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stderr.readline()
        out = "".join(takewhile(lambda line: not line.startswith("recording"), process.stdout))
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert first.startswith("wrist: there is no port /dev/ttyNOT9")
    assert err == ""
    assert "there is no port" not in out + rest


# Session files.


@pytest.fixture(scope="session")
def files(recorded: tuple[Path, Said], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files that are no session."""
    folder = tmp_path_factory.mktemp("files")
    whole = recorded[0].read_bytes()
    (folder / "truncated.h5").write_bytes(whole[: len(whole) // 2])
    (folder / "text.h5").write_text("hello\n")
    (folder / "empty.h5").write_bytes(b"")
    (folder / "folder.h5").mkdir()
    with h5py.File(folder / "foreign.h5", "w") as file:
        file["x"] = np.arange(3)
    return folder


FILES = {
    "truncated.h5": "is truncated",
    "foreign.h5": "no Chorus session",
    "text.h5": "is not an HDF5 file",
    "empty.h5": "is not an HDF5 file",
    "folder.h5": "",
    "absent.h5": "is not there",
}


@pytest.mark.xdist_group("recorded")
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(("verb", "code"), [("info", 1), ("check", 2), ("replay", 1)])
def test_what_is_no_session_is_refused(files: Path, verb: str, code: int, name: str) -> None:
    with unchanged(files):
        said = run(files, verb, name)
    said.refused(name, FILES[name])
    assert (said.code, said.out) == (code, "")


@pytest.mark.xdist_group("recorded")
@pytest.mark.parametrize("name", ["truncated.h5", "foreign.h5", "absent.h5"])
def test_live_refuses_a_source_that_is_no_session(files: Path, weights: str, name: str) -> None:
    with unchanged(files):
        run(files, "live", f"--source={name}", f"--weights={weights}", "--output=out").refused(
            name, FILES[name]
        )


# Outputs that exist.


def test_no_output_that_exists_is_overwritten(chorus: Chorus, tmp_path: Path, weights: str) -> None:
    rig = str(ROOT / "configs" / "rigs" / "simulated.yaml")
    (tmp_path / "a.h5").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "poses.csv").write_text("mine")
    with unchanged(tmp_path):
        chorus("record", rig, "--duration=1", "--output=a.h5").refused("a.h5 exists", "--output")
        chorus("record", rig, "--duration=1", "--output=out").refused("out exists", "--output")
        chorus("live.py", rig, "--output=out", f"--weights={weights}").refused("out exists", "--output")
        chorus("demo", "--output=out").refused("out exists", "--output")


# The command line itself.


@pytest.mark.parametrize(
    ("words", "naming"),
    [
        ("recrod rig.yaml", "Did you mean `chorus record`?"),
        ("record", "rig"),
        ("record rig.yaml --durration=3", "Did you mean --duration?"),
        ("record rig.yaml --duration=abc", "--duration is 'abc'. It must be a number"),
        ("record rig.yaml --duration=-1", "--duration is -1. Give a number of seconds more than 0"),
        ("record rig.yaml other.yaml", "other.yaml"),
        ("info", "file"),
        ("info a.h5 --jsn", "Did you mean --json?"),
        ("check a.h5 --json=maybe", "--json is 'maybe'. It must be true or false"),
        ("doctor --jason", "Did you mean --json?"),
        ("drive rig.yaml --only=wrist", "connect"),
        ("drive rig.yaml --connect=tcp://127.0.0.1:9", "only"),
        ("replay a.h5 --speed=0", "--speed is 0. Give a number more than 0"),
        ("replay a.h5 --speed", "--speed"),
        ("weights", "list or get"),
        ("weights fetch", "list or get, not 'fetch'"),
        ("demo --record=3", "Did you mean --record_s?"),
        ("live", "nothing to track"),
        ("live rig.yaml --duration=abc", "--duration is 'abc'. It must be a number"),
        ("live rig.yaml --duration=-1", "--duration is -1. Give a number of seconds more than 0"),
        ("live rig.yaml --wieghts=a", "Did you mean --weights?"),
        ("live --streams.camera.fps=3 --source=a.h5", "Name the rig first"),
    ],
)
def test_a_wrong_command_line_is_answered_with_its_mend(
    chorus: Chorus, tmp_path: Path, words: str, naming: str
) -> None:
    with unchanged(tmp_path):
        said = chorus(*words.split())
    said.refused(naming)
    assert said.code == 2


def test_weights_that_nobody_knows_are_refused(chorus: Chorus) -> None:
    chorus("weights", "get", "blazeposs").refused("'blazeposs'", "blazepose")


def test_options_of_live_in_a_file_are_checked_as_those_of_the_command_line(
    chorus: Chorus, tmp_path: Path
) -> None:
    (tmp_path / "key.yaml").write_text("film_widht: 640\n")
    (tmp_path / "broken.yaml").write_text("film: [\n")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with unchanged(tmp_path):
        chorus("live", "--source=a.h5", "--config=key.yaml").refused(
            "film_widht", "Did you mean --film_width?"
        )
        chorus("live", "--source=a.h5", "--config=broken.yaml").refused(
            "broken.yaml line 2", "not valid YAML"
        )
        chorus("live", "--source=a.h5", "--config=list.yaml").refused("list.yaml holds no options")
        chorus("live", "--source=a.h5", "--config=absent.yaml").refused("no configuration absent.yaml")


@pytest.mark.xdist_group("recorded")
def test_weights_of_something_else_are_refused(files: Path, tmp_path: Path) -> None:
    shutil.copy(files / "foreign.h5", tmp_path)
    rig = str(ROOT / "configs" / "rigs" / "simulated.yaml")
    with unchanged(tmp_path):
        names = ("foreign.h5", "absent.safetensors")
        commands = [("live", rig, f"--weights={name}", "--output=out") for name in names]
        for name, said in zip(names, together(tmp_path, *commands), strict=True):
            said.refused(name)


# Training.

EXPERIMENT = ROOT / "configs" / "experiment" / "utd_mhad.yaml"


@pytest.mark.slow
def test_wrong_training_is_refused_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "key.yaml").write_text(EXPERIMENT.read_text().replace("max_epochs", "max_epoks"))
    (tmp_path / "broken.yaml").write_text("trainer: {\n")
    cases = {
        ("train", "fit", "--config=broken.yaml"): ("broken.yaml line 2", "not valid YAML"),
        ("train.py", "fit", "--config", "key.yaml"): ("trainer.max_epoks", "'trainer.max_epochs'"),
        ("train.py", "fit", f"--config={EXPERIMENT}", "--data.root=nowhere"): ("nowhere", "--data.root"),
    }
    with unchanged(tmp_path):
        said = together(tmp_path, *cases)
    for one, naming in zip(said, cases.values(), strict=True):
        one.refused(*naming)


def test_training_options_of_the_wrong_type_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    from fusion.model.train import main

    assert main(["fit", f"--config={EXPERIMENT}", "--trainer.max_epochs=abc"]) == 2
    assert capsys.readouterr().err == "train.py: --trainer.max_epochs is 'abc'. It must be a whole number\n"
