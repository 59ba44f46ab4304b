"""What a camera that stores no picture shows stays in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RIG = """
vision: markers
streams:
  camera: {driver: simulator.camera, width: 320, height: 240, fps: 10, store: %s}
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def _processes(pid: int) -> dict[str, int]:
    """Return a process and all below it by what they run."""
    own = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    found = {b" ".join(own[1:4]).decode(): pid}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found |= _processes(int(child))
    return found


def _largest_dump(pid: int) -> int:
    line = next(one for one in Path(f"/proc/{pid}/limits").read_text().splitlines() if "core file" in one)
    return int(line.split()[4])


@linux
@pytest.mark.parametrize(("store", "private"), [("none", True), ("mjpeg", False)])
def test_no_process_that_sees_a_private_picture_may_dump_its_memory(
    tmp_path: Path, store: str, private: bool
) -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard == 0:
        pytest.skip("no process may dump its memory here")
    rig, output = tmp_path / "rig.yaml", tmp_path / "a.h5"
    rig.write_text(RIG % store)
    command = [sys.executable, "-m", "fusion.cli", "record", str(rig), "--output", str(output)]
    with subprocess.Popen(
        ["sh", "-c", 'ulimit -S -c 8 && exec "$@"', "sh", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as recorder:
        assert recorder.stdout is not None
        for line in recorder.stdout:
            if line.startswith("recording"):
                break
        found = _processes(recorder.pid)
        driver = next(pid for words, pid in found.items() if "drivers.process" in words)
        seeing = {recorder.pid, driver, *(pid for words, pid in found.items() if "vision" in words)}
        assert len(seeing) == (3 if private else 2)
        try:
            assert {_largest_dump(pid) for pid in seeing} == ({0} if private else {8 * 512})
        finally:
            recorder.terminate()
            recorder.stdout.read()
    assert recorder.returncode == 0


@linux
def test_memory_that_is_kept_private_cannot_be_dumped_by_a_program_behind_a_pipe_either() -> None:
    code = """
import ctypes
from drivers.private import forbid_dumps
before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
forbid_dumps()
print(before, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["1", "0"]  # PR_GET_DUMPABLE
