"""Every example runs, and says what it shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.errors import WeightsError
from fusion.weights import get_weights

ROOT = Path(__file__).resolve().parents[2]
SAID = {
    "read_with_h5py": "rows over",
    "read_with_chorus": "in step within",
    "live_poses": "m from the pelvis",
    "custom_sink": "both feet stood",
    "custom_front_end": "a nose at",
}


def example(name: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py"), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("examples") / "walk.h5"
    example("record_simulated", str(path))
    return str(path)


@pytest.mark.parametrize("name", sorted(SAID))
def test_an_example_runs_and_says_what_it_shows(name: str, session: str) -> None:
    if name in ("live_poses", "custom_sink"):
        pytest.importorskip("onnxruntime", reason="the extra edge is not installed")
    assert SAID[name] in example(name, session)


def test_people_are_found_in_a_picture() -> None:
    picture = Path(os.environ.get("CHORUS_DATA", "")) / "images" / "coco" / "000000000785.jpg"
    if not picture.is_file():
        pytest.skip(f"CHORUS_DATA names no folder that holds {picture.name}")
    try:
        get_weights("blazepose")
    except WeightsError as error:
        pytest.skip(f"the weights cannot be downloaded here: {error}")
    said = example("people_in_a_film", str(picture))
    assert said.startswith("15 pictures, 15 people")
    x, y = map(float, said[said.index("[") + 1 : said.index("]")].split())
    assert (x, y) == pytest.approx((367, 81), abs=8)  # as annotated


def test_all_examples_are_run_and_listed() -> None:
    there = {path.stem for path in (ROOT / "examples").glob("*.py")}
    assert there == {*SAID, "record_simulated", "people_in_a_film"}
    assert all(f"`{name}.py" in (ROOT / "examples" / "README.md").read_text() for name in there)
