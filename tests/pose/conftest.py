"""Films and pictures of the simulator's body, and runs of ``chorus pose``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

for room in ("web", "cli"):
    sys.path.insert(0, str(Path(__file__).parents[1] / room))

from page_runs import pictures  # noqa: E402

from fusion.cli import main  # noqa: E402


@pytest.fixture(scope="session")
def frames():
    """30 pictures (240, 320, 3) BGR of a body with markers, 15 a second."""
    return pictures(30)


@pytest.fixture
def pose(capsys):
    """Run ``chorus pose`` with the marker finder; return its exit status, what it said and its errors."""

    def run(*words: object, vision: str = "markers"):
        code = main(["pose", *map(str, words), f"--vision={vision}"])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
