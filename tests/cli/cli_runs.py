"""Runs of the real command line, and what they left behind."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import warm_start
from warm_start import ROOT

SMALL = """
name: small
vision: markers
streams:
  camera: {driver: simulator.camera, width: 320, height: 240, fps: 15}
  wrist: {driver: simulator.imu, worn_on: right_forearm, rate_hz: 50}
"""
"""A rig that a busy machine keeps up with."""


@dataclasses.dataclass(frozen=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    def refused(self, *naming: str) -> None:
        """Assert that it failed with one line on stderr that names all of these."""
        assert self.code not in (0, None)
        assert self.err.endswith("\n"), self.err
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.out + self.err
        for word in naming:
            assert word in self.err

    def well(self) -> str:
        """Assert that it ended well and said nothing on stderr; return what it said."""
        assert (self.code, self.err) == (0, "")
        return self.out


def start(folder: Path, *argv: str) -> subprocess.Popen[str]:
    """Start a command in a folder; ``live.py`` and ``train.py`` are programs, all else is a verb."""
    script = ROOT / argv[0]
    begin = [str(script)] if script.suffix == ".py" else ["-m", "fusion.cli", argv[0]]
    return subprocess.Popen(
        [sys.executable, *begin, *argv[1:]],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, *argv: str) -> Said:
    """Run a command in a folder to its end."""
    done = warm_start.run(folder, *argv)
    return Said(done.returncode, done.stdout, done.stderr)


def together(folder: Path, *commands: tuple[str, ...]) -> list[Said]:
    """Run commands in a folder side by side; return what each came to."""
    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda command: run(folder, *command), commands))


@contextlib.contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Assert that nothing in a folder changes meanwhile."""

    def files() -> dict[str, bytes | None]:
        return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}

    before = files()
    yield
    assert files() == before
