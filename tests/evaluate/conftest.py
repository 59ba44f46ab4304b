"""Small tensors are faster on one thread, and tests run beside other things."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "virtual"))  # made_bvh

from fixtures import one_thread  # noqa: F401
from made_utd import make


@pytest.fixture(scope="session")
def made_utd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as UTD-MHAD, with moves that differ by action."""
    return make(tmp_path_factory.mktemp("utd"))
