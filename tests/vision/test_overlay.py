"""Skeletons on pictures."""

import numpy as np
import pytest

from fusion.skeletons import COCO17
from fusion.vision.overlay import LEFT, colour, contact_sheet, draw_skeleton


def standing():
    """A COCO person, 300 px high, in the middle of 640 x 480."""
    x = {"left": 340.0, "right": 300.0}
    y = {
        "eye": 90,
        "ear": 92,
        "shoulder": 140,
        "elbow": 200,
        "wrist": 250,
        "hip": 250,
        "knee": 320,
        "ankle": 390,
    }
    rows = []
    for name in COCO17:
        side, _, part = name.partition("_")
        rows.append((x[side], y[part]) if part else (320.0, 95.0))
    return np.array(rows)


def test_a_skeleton_is_drawn_where_the_person_is_and_nowhere_else():
    picture = np.zeros((480, 640, 3), np.uint8)
    assert draw_skeleton(picture, standing(), COCO17) is picture
    drawn = picture.any(2)
    rows, columns = np.nonzero(drawn)
    assert rows.min() > 80
    assert rows.max() < 400
    assert columns.min() > 290
    assert columns.max() < 350
    assert tuple(picture[320, 340]) == LEFT  # the left knee


def test_what_was_not_found_is_not_drawn():
    picture = np.zeros((480, 640, 3), np.uint8)
    draw_skeleton(picture, standing(), COCO17, score=np.zeros(17))
    assert not picture.any()
    draw_skeleton(picture, np.full((17, 2), np.nan), COCO17)
    assert not picture.any()


def test_points_far_outside_the_picture_do_no_harm():
    picture = np.zeros((48, 64, 3), np.uint8)
    draw_skeleton(picture, np.full((17, 2), 1e12), COCO17, variance=np.full((17, 3), 1e9))
    assert not picture.any()


def test_an_ellipse_lies_along_the_uncertain_direction():
    picture = np.zeros((200, 200, 3), np.uint8)
    points = np.full((17, 2), np.nan)
    points[0] = [100, 100]
    variance = np.zeros((17, 3))
    variance[0] = [900.0, 0.0, 25.0]
    draw_skeleton(picture, points, COCO17, variance=variance)
    rows, columns = np.nonzero(picture.any(2))
    assert columns.max() - columns.min() == pytest.approx(60, abs=3)  # one sigma each way
    assert rows.max() - rows.min() == pytest.approx(10, abs=3)


def test_a_colour_fades_with_the_score():
    assert colour("left_hip", 1.0) == LEFT
    assert colour("left_hip", 0.0) == colour("nose", 0.0)


def test_pictures_of_several_sizes_make_one_sheet():
    pictures = [np.full((40 * i, 60, 3), 50 * i, np.uint8) for i in (1, 2, 3)]
    sheet = contact_sheet(pictures, columns=2, width=60, gap=4)
    assert sheet.shape == (80 + 4 + 120, 124, 3)
    assert sheet[10, 10, 0] == 50
    assert sheet[10, 70, 0] == 100
    assert sheet[90, 10, 0] == 150
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
