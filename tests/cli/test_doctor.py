"""``chorus doctor`` under real obstacles: each is named, with its mend."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_runs import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="obstacles are made as Linux has them")
LIGHT = "name: light\nstreams:\n  wrist: {driver: simulator.imu, worn_on: right_forearm, rate_hz: 50}\n"


def doctor(folder: Path, *argv: str, before: tuple[str, ...] = (), **environment: str) -> dict[str, Any]:
    """What the doctor says, as other programs read it."""
    done = subprocess.run(
        [*before, sys.executable, "-m", "fusion.cli", "doctor", *argv, "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["ok"] else 1)
    assert report["ok"] == (not report["problems"])
    assert all(one["what"] and one["mend"] for one in report["problems"] + report["notes"])
    return report


def problem(report: dict[str, Any], says: str) -> str:
    """The mend of the one problem that says this."""
    (found,) = [one for one in report["problems"] if says in one["what"]]
    return found["mend"]


@pytest.fixture
def port() -> Iterator[str]:
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def rig(folder: Path, *streams: str, head: str = "") -> str:
    """A light rig with further streams."""
    (folder / "rig.yaml").write_text(head + LIGHT + "".join(f"  {stream}\n" for stream in streams))
    return "rig.yaml"


def test_a_sound_rig_is_tried_and_measured_and_nothing_stays_behind(tmp_path: Path) -> None:
    before = set(tmp_path.iterdir()) | {tmp_path / "rig.yaml"}
    report = doctor(tmp_path, rig(tmp_path))
    (wrist,) = report["rig"]
    assert not [one for one in report["problems"] if "wrist" in one["what"]]
    assert wrist["measured"] == pytest.approx(50, rel=0.3)
    assert 0 < wrist["cores"] < 1
    assert report["disk"]["free"] > 0
    assert report["disk"]["speed"] > 0
    assert set(tmp_path.iterdir()) == before


def test_a_rig_that_is_wrong_is_a_problem_among_the_others(tmp_path: Path) -> None:
    report = doctor(tmp_path, rig(tmp_path, "x: {driver: simulator.imu, rate: 3}"))
    assert problem(report, "unknown key 'rate'") == "Did you mean 'rate_hz'?"
    assert report["libraries"]["numpy"]


def test_a_device_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    report = doctor(tmp_path, rig(tmp_path, "foot: {driver: imu.serial, port: /dev/ttyNONE}"))
    assert "ports found" in problem(report, "foot: there is no port /dev/ttyNONE")


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_a_port_without_permission_names_the_group_to_join(tmp_path: Path, port: str) -> None:
    Path(port).chmod(0)
    common = () if os.geteuid() else ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    report = doctor(tmp_path, rig(tmp_path, f"foot: {{driver: imu.serial, port: {port}}}"), before=common)
    assert "usermod -aG dialout" in problem(report, f"no permission to open {port}")


def test_a_port_that_another_program_holds_names_that_program(tmp_path: Path, port: str) -> None:
    holder = os.open(port, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        report = doctor(tmp_path, rig(tmp_path, f"foot: {{driver: imu.serial, port: {port}}}"))
    finally:
        os.close(holder)
    assert "fuser" in problem(report, f"{port} is in use by ")
    assert f"({os.getpid()})" in str(report["problems"])


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_port_of_the_network_that_is_taken_names_the_program(tmp_path: Path, kind: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        if kind == "tcp":
            other.listen()
        number = other.getsockname()[1]
        phone = f'phone: {{driver: imu.udp, app: zigsim, listen: "127.0.0.1:{number}"}}'
        head = f'bus: {{listen: "tcp://127.0.0.1:{number}"}}\n' if kind == "tcp" else ""
        report = doctor(tmp_path, rig(tmp_path, *([phone] if kind == "udp" else []), head=head))
    mend = problem(report, f"{kind} port {number} is in use by")
    assert "another port" in mend
    assert f"({os.getpid()})" in str(report["problems"])


def test_a_portaudio_library_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    library = tmp_path / "libportaudio.so.2"
    library.write_bytes(b"")
    report = doctor(tmp_path, LD_LIBRARY_PATH=str(tmp_path))
    assert "libportaudio2" in problem(report, "the PortAudio library is missing")
    assert report["libraries"]["sounddevice"] is None


def test_an_extra_that_the_rig_needs_is_named(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import sys\nsys.modules['bleak'] = None\n")
    report = doctor(
        tmp_path,
        rig(tmp_path, 'dot: {driver: imu.movella_dot, address: "D4:22:CD:00:12:34", connect_s: 1}'),
        PYTHONPATH=os.pathsep.join([str(site), str(ROOT)]),
    )
    assert problem(report, "imu.movella_dot needs bleak") == "pip install 'chorus-fusion[ble]'"


def test_a_missing_bluetooth_adapter_is_in_the_way_of_a_rig_that_needs_it_only(tmp_path: Path) -> None:
    if any(Path("/sys/class/bluetooth").glob("hci*")):
        pytest.skip("this machine has an adapter")
    dot = 'dot: {driver: imu.movella_dot, address: "D4:22:CD:00:12:34", connect_s: 1}'
    assert problem(doctor(tmp_path, rig(tmp_path, dot)), "no Bluetooth adapter")
    assert "Bluetooth adapter" not in str(doctor(tmp_path, rig(tmp_path)))


def test_too_few_open_files_are_told_with_the_limit_to_set(tmp_path: Path) -> None:
    code = "import os, resource, sys; hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
    code += "resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard)); os.execv(sys.argv[1], sys.argv[1:])"
    report = doctor(tmp_path, rig(tmp_path), before=(sys.executable, "-c", code))
    assert "ulimit -n" in problem(report, "only 200 files may be open")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB, full but for one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a disk")
    (folder / "full").write_bytes(bytes(2 << 20))
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_is_nearly_full_is_told_and_left_as_it_was(small_disk: Path) -> None:
    report = doctor(small_disk)
    assert "Delete what is not needed" in problem(report, "0.00 GB are free")
    assert [path.name for path in small_disk.iterdir()] == ["full"]


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    common = () if os.geteuid() else ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    assert "chown" in problem(doctor(folder, before=common), "cannot be written")


def test_a_stream_that_the_processor_cannot_keep_up_with_is_told_with_what_it_takes(tmp_path: Path) -> None:
    camera = "camera: {driver: simulator.camera, width: 3840, height: 2160, fps: 240}"
    report = doctor(tmp_path, rig(tmp_path, camera))
    mend = problem(report, "camera: ")
    assert "chorus drive rig.yaml --only camera" in mend
