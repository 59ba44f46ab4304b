"""Small tensors are faster on one thread, and tests run beside other things."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "virtual"))  # made_bvh

from made_utd import make


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def made_utd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as UTD-MHAD, with moves that differ by action."""
    return make(tmp_path_factory.mktemp("utd"))
