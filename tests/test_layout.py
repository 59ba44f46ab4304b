"""The folders tell the story: data flows one way, so imports only ever point upstream."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "drivers": {"drivers"},
    "recordings": {"recordings", "drivers"},
    "fusion": {"fusion", "recordings", "drivers"},
}
SOURCES = [path for package in MAY_IMPORT for path in sorted((ROOT / package).rglob("*.py"))]


def imported_packages(path: Path) -> set[str]:
    """Return the top-level names of all imports of a file, late ones too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_point_upstream(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    ours = imported_packages(path) & (MAY_IMPORT.keys() | {"train", "live", "tests", "benchmarks"})
    assert ours <= MAY_IMPORT[package]


def loaded(*modules: str) -> set[str]:
    """Return all that a new interpreter has loaded with these modules."""
    code = f"import sys, {', '.join(modules)}\nprint(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("package", ["drivers", "recordings"])
def test_upstream_packages_never_load_torch(package: str) -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name != "__main__.py"
    ]
    assert "torch" not in loaded(*modules)


def test_what_runs_beside_a_recording_loads_no_scipy() -> None:
    """Each device is a process of its own, and scipy takes longer to load than all else that it needs."""
    simulated = [f"drivers.simulator.{kind}" for kind in ("camera", "imu", "microphone", "truth")]
    assert "scipy" not in loaded("drivers.process", "recordings.recorder", "fusion.vision.worker", *simulated)
