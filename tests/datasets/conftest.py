"""Data sets in small, made once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fixtures import one_thread  # noqa: F401
from made_sets import make_coco, make_mpii, make_openpose


@pytest.fixture(scope="session")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_coco(tmp_path_factory.mktemp("coco"))


@pytest.fixture(scope="session")
def mpii(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_mpii(tmp_path_factory.mktemp("mpii"))


@pytest.fixture(scope="session")
def openpose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_openpose(tmp_path_factory.mktemp("openpose"))
