"""Small tensors are faster on one thread, and tests run beside other things."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fixtures import one_thread  # noqa: F401


@pytest.fixture
def utd_root() -> Path:
    """The real data set, where there is one."""
    given = os.environ.get("CHORUS_DATA")
    if not given:
        pytest.skip("CHORUS_DATA names no folder with UTD-MHAD")
    root = Path(given)
    if not any((root / name).exists() for name in ("utd_mhad", "utd_mhad.tar.xz", "Skeleton")):
        pytest.skip(f"no UTD-MHAD in {root}")
    return root
