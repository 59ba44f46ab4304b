"""The command line in a folder of the test's own, and sessions recorded with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import SMALL, Said, run


@pytest.fixture
def chorus(tmp_path: Path) -> Callable[..., Said]:
    """Run ``chorus VERB ...``, ``live.py ...`` or ``train.py ...`` in the test's folder."""
    return lambda *argv: run(tmp_path, *argv)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """A session of the small rig, and what recording it said."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "small.yaml").write_text(SMALL)
    said = run(folder, "record", "small.yaml", "--duration=2", "--output=a.h5", "--subject=nobody")
    return folder / "a.h5", said


@pytest.fixture(scope="session")
def private(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """A session that keeps no pictures, and what recording it said."""
    folder = tmp_path_factory.mktemp("private")
    (folder / "small.yaml").write_text(SMALL)
    options = ("--streams.camera.store=none", "--streams.camera.fps=10", "--duration=2", "--output=a.h5")
    seen = "--streams.camera.script=[stand]"  # no joint hides behind another, whenever the recording begins
    return folder / "a.h5", run(folder, "record", "small.yaml", seen, *options)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Untrained weights of a small network."""
    from fusion.model.checkpoint import save_net
    from fusion.model.net import FusionNet, NetConfig

    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_net(FusionNet(NetConfig(actions=("stand", "walk"), width=32, layers=1, heads=2, window=8)), path)
    return str(path)
