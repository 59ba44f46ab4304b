"""The benchmarks of ``chorus pose``: what they count, and one run so short that it proves only itself."""

from __future__ import annotations

import numpy as np
import pytest
from page_runs import write_film

from benchmarks.mediapipe.turns import told
from benchmarks.vision import pose_speed, same_as_mediapipe


def rounds(mine: float, theirs: float):
    return tuple({"frames": 90, "seconds": 90 / rate, "cpu": 1.0, "found": 90} for rate in (mine, theirs))


def test_the_middle_round_tells_whether_it_is_quick_enough(capsys):
    slow = [rounds(44, 47.5), rounds(60, 47.5), rounds(9, 47.5)]
    assert told("film", [rounds(45, 47.5), rounds(47, 47.5), rounds(9, 47.5)], pose_speed.GOAL, "ours")
    assert "0.95, rounds 0.19 to 0.99" in capsys.readouterr().out
    assert not told("film", slow, pose_speed.GOAL, "ours")


def test_distances_are_of_the_box_and_begin_when_both_have_settled():
    rng = np.random.default_rng(0)
    theirs = rng.uniform(0, 100, (40, 33, 2))
    theirs[:, 0], theirs[:, 1] = (0, 0), (50, 200)  # the box is 200 px tall
    mine = theirs + np.array([3.0, 4.0])
    mine[15] = np.nan
    mine[3] += 1000.0  # while they begin
    off = same_as_mediapipe.distances(mine, theirs)
    assert off == pytest.approx(np.full(off.shape, 2.5))
    assert len(off) == 33 * ((15 - 10) + (40 - 16 - 10))


@pytest.mark.usefixtures("networks")
def test_our_side_looks_at_every_picture_and_writes(frames, tmp_path):
    film = write_film(tmp_path / "walk.mp4", frames[:6])
    looked = pose_speed.ours(film)
    assert looked["frames"] == 6
    assert looked["seconds"] > 0
    raw, calm = same_as_mediapipe.ours(film, 4)
    assert raw.shape == calm.shape == (4, 33, 2)


@pytest.fixture
def networks():
    from drivers.errors import WeightsError
    from fusion.weights import get_weights

    try:
        get_weights("blazepose")
    except WeightsError as error:
        pytest.skip(f"the weights cannot be obtained here: {error}")
