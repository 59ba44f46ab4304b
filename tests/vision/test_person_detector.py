"""Decoding of the person detector."""

import numpy as np
import pytest

from fusion.vision.detector import anchors, blend, overlap


def test_the_anchors_are_those_that_the_network_was_made_for():
    places = anchors(224)
    assert places.shape == (2254, 2)
    assert places[0] == pytest.approx([4 / 224, 4 / 224])
    assert places[2] == pytest.approx([12 / 224, 4 / 224])  # x runs fastest, two anchors a cell
    assert places[-1] == pytest.approx([1 - 16 / 224, 1 - 16 / 224])


def test_overlap_is_intersection_over_union():
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]], float)
    assert overlap(boxes[0], boxes) == pytest.approx([1, 2 / 6, 0])


def test_detections_of_one_person_are_averaged_by_score_and_others_stay():
    scores = np.array([0.6, 0.9, 0.8])
    boxes = np.array([[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]])
    points = np.array([[[0.0, 0.3]], [[1.0, 0.0]], [[5.0, 5.0]]])
    people = blend(scores, boxes, points)
    assert [score for score, _ in people] == [0.9, 0.8]
    assert people[0][1][0] == pytest.approx([0.6, 0.12])
    assert people[1][1][0] == pytest.approx([5, 5])
