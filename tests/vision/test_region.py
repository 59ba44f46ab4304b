"""The region that a network looks at."""

import itertools
import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.vision.region import MARGIN, Region, apply, apply_covariance, around, tiles, whole

regions = st.builds(
    Region, st.floats(-200, 2000), st.floats(-200, 2000), st.floats(20, 2000), st.floats(-math.pi, math.pi)
)


@given(regions, st.sampled_from([64, 224, 256]), st.floats(0, 1), st.floats(0, 1))
def test_there_and_back_again(place, cells, u, v):
    affine = place.to_picture(cells)
    point = np.array([[u * cells, v * cells]])
    back = cv2.invertAffineTransform(affine)
    assert apply(back, apply(affine, point)) == pytest.approx(point, abs=1e-6)


@given(regions, st.sampled_from([64, 256]))
def test_a_region_is_a_square_around_its_centre(place, cells):
    corners = apply(
        place.to_picture(cells), np.array([[0.0, 0.0], [cells, 0.0], [cells, cells], [0.0, cells]])
    )
    assert corners.mean(0) == pytest.approx([place.x, place.y], abs=1e-6)
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
    assert sides == pytest.approx([place.side] * 4)


@given(regions, st.floats(0.1, 9), st.floats(0.1, 9), st.floats(-0.9, 0.9))
def test_a_covariance_turns_and_scales_with_its_region(place, xx, yy, correlation):
    affine = place.to_picture(64)
    xy = correlation * math.sqrt(xx * yy)
    expected = affine[:, :2] @ np.array([[xx, xy], [xy, yy]]) @ affine[:, :2].T
    found = apply_covariance(affine, np.array([[xx, xy, yy]]))[0]
    assert found == pytest.approx(expected[[0, 0, 1], [0, 1, 1]], rel=1e-9, abs=1e-9 * expected.max())


@given(st.floats(-math.pi, math.pi), st.floats(50, 300))
def test_the_region_turns_with_the_body_so_that_its_head_is_up(lean, reach):
    hips = np.array([400.0, 300.0])
    rim = hips + reach * np.array([math.sin(lean), -math.cos(lean)])  # clockwise from straight up
    place = around(hips, rim)
    assert place.side == pytest.approx(2 * MARGIN * reach)
    above = apply(place.to_picture(256), np.array([[128.0, 128.0 - 128 / MARGIN]]))[0]
    assert above == pytest.approx(rim, abs=1e-6)


def test_a_crop_shows_the_picture_where_the_affine_says():
    picture = np.zeros((480, 640, 3), np.uint8)
    spots = np.array([[300, 200], [340, 260], [280, 300]])
    for x, y in spots:
        cv2.circle(picture, (int(x), int(y)), 4, (255, 255, 255), cv2.FILLED)
    place = Region(310, 250, 200, 0.6)
    crop = place.crop(picture, 256, border=cv2.BORDER_CONSTANT)
    count, _, _, centres = cv2.connectedComponentsWithStats((crop[:, :, 0] > 127).astype(np.uint8))
    assert count == 4
    found = apply(place.to_picture(256), centres[1:])
    for spot in spots:
        assert np.linalg.norm(found - spot, axis=1).min() < 0.3


def test_the_whole_picture_is_letterboxed_around_its_middle():
    corners = apply(whole(1768, 994).to_picture(224), np.array([[0.0, 0.0], [224.0, 224.0]]))
    assert corners == pytest.approx(np.array([[0, 497 - 884], [1768, 497 + 884]]))


@pytest.mark.parametrize("place", [Region(0, 0, 3), Region(math.nan, 0, 100), Region(0, 0, 100, math.inf)])
def test_a_region_without_sense_is_known_as_such(place):
    assert not place.sane


@given(st.integers(16, 4000), st.integers(16, 4000))
def test_tiles_cover_the_picture_and_halves_of_each_other(width, height):
    found = tiles(width, height)
    side = max(width, height) / 2
    for axis, length in (("x", width), ("y", height)):
        centres = sorted({getattr(tile, axis) for tile in found})
        assert centres[0] - side / 2 <= 1e-9
        assert centres[-1] + side / 2 >= length - 1e-9
        assert all(b - a <= side / 2 + 1e-9 for a, b in itertools.pairwise(centres))
    assert len(found) <= 9
