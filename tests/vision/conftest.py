"""Real pictures and the real network, where this machine has or may obtain them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.errors import WeightsError
from fusion.vision.blazepose import BlazePose
from fusion.weights import get_weights

SINGLE = "video/pose2sim/single_person/cam01.mp4"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, which is not part of the project."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("CHORUS_DATA") or beside)
    if not (folder / SINGLE).is_file():
        pytest.skip(f"CHORUS_DATA names no folder that holds {SINGLE}")
    return folder


@pytest.fixture(scope="session")
def blazepose_weights() -> dict[str, Path]:
    """The BlazePose networks, from the cache or downloaded now."""
    try:
        return get_weights("blazepose")
    except WeightsError as error:
        if "could not obtain" in str(error) or "did not arrive" in str(error):
            pytest.skip(f"the weights cannot be downloaded here: {error}")
        raise


@pytest.fixture
def blazepose(blazepose_weights: dict[str, Path]) -> Iterator[BlazePose]:
    with BlazePose() as network:
        yield network


def frames(path: Path, count: int) -> list[np.ndarray]:
    """Return the first pictures of a film."""
    film = cv2.VideoCapture(str(path))
    pictures = []
    while len(pictures) < count:
        there, picture = film.read()
        if not there:
            break
        pictures.append(picture)
    film.release()
    return pictures


@pytest.fixture(scope="session")
def film(real_data: Path) -> list[np.ndarray]:
    """100 pictures of one real person who moves."""
    pictures = frames(real_data / SINGLE, 100)
    assert len(pictures) == 100
    return pictures
