"""OKS and its average precision, against values worked out by hand."""

import math

import numpy as np
import pytest

from fusion.evaluate.keypoint_ap import KeypointAP, similarity, spreads
from fusion.skeletons import COCO17

AREA = 10_000.0
BOX = np.array([[0.0, 0.0, 100.0, 100.0]])


def person(x=0.0):
    return np.stack([np.linspace(10, 90, 17) + x, np.linspace(5, 95, 17)], 1)


def test_the_sigmas_are_cocos():
    assert spreads(COCO17) == pytest.approx(
        np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
    )


def test_oks_is_one_on_the_joint_and_known_beside_it():
    known = np.ones((1, 17), bool)
    same = similarity(person()[None], person()[None], known, np.array([AREA]), BOX, spreads(COCO17))
    assert same[0, 0] == pytest.approx(1)
    # One joint only, the nose (sigma 0.026), off by 2 sigma of the root of the area: exp(-1/2).
    known[:, 1:] = False
    off = person() + np.array([2 * 0.026 * 100, 0])
    found = similarity(off[None], person()[None], known, np.array([AREA]), BOX, spreads(COCO17))
    assert found[0, 0] == pytest.approx(math.exp(-0.5))
    off[0] = np.nan
    assert similarity(off[None], person()[None], known, np.array([AREA]), BOX, spreads(COCO17))[0, 0] == 0


def picture(metric, guesses, scores, truths, known=None, crowd=None):
    truths = np.array(truths).reshape(-1, 17, 2)
    count = len(truths)
    metric.update(
        np.array(guesses).reshape(-1, 17, 2),
        np.array(scores),
        truths,
        np.ones((count, 17), bool) if known is None else known,
        np.full(count, AREA),
        np.tile(BOX, (count, 1)) + np.array([[x, 0, 0, 0] for x in truths[:, 0, 0] - 10]).reshape(count, 4),
        np.zeros(count, bool) if crowd is None else np.array(crowd),
    )


def test_what_is_right_has_a_precision_of_one():
    metric = KeypointAP(COCO17)
    picture(metric, [person(), person(500)], [0.9, 0.8], [person(500), person()])
    assert float(metric.compute()) == pytest.approx(1)


def test_a_person_missed_and_one_invented_cost_what_coco_says():
    metric = KeypointAP(COCO17)
    picture(metric, [person()], [0.9], [person(), person(500)])
    assert float(metric.compute()) == pytest.approx(51 / 101)  # recalls 0 to 0.5 have precision 1
    metric = KeypointAP(COCO17)
    picture(metric, [person(), person(900)], [0.5, 0.9], [person()])
    assert float(metric.compute()) == pytest.approx(0.5)  # the invented one is surer
    metric = KeypointAP(COCO17)
    picture(metric, [person(), person(900)], [0.9, 0.5], [person()])
    assert float(metric.compute()) == pytest.approx(1)  # and costs nothing where it is less sure


def test_thresholds_are_passed_one_by_one():
    metric = KeypointAP(COCO17)
    known = np.zeros((1, 17), bool)
    known[0, 5] = True
    wanted = 0.72  # right at 0.5, 0.55, 0.6, 0.65 and 0.7
    off = person(math.sqrt(-2 * math.log(wanted)) * 2 * 0.079 * 100)
    picture(metric, [off], [0.9], [person()], known)
    assert float(metric.compute()) == pytest.approx(0.5)


def test_the_same_person_twice_is_right_once():
    metric = KeypointAP(COCO17)
    picture(metric, [person(), person(0.1)], [0.9, 0.8], [person()])
    picture(metric, [person()], [0.7], [person()])
    # precision at recall 1/2 is 1; at recall 1 it is 2 of 3
    assert float(metric.compute()) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_crowds_and_people_without_joints_count_for_nothing():
    metric = KeypointAP(COCO17)
    known = np.ones((2, 17), bool)
    known[1] = False
    picture(metric, [person(), person(500)], [0.5, 0.9], [person(), person(500)], known)
    assert float(metric.compute()) == pytest.approx(1)
    metric = KeypointAP(COCO17)
    picture(
        metric,
        [person(), person(500), person(501)],
        [0.5, 0.9, 0.8],
        [person(), person(500)],
        crowd=[False, True],
    )
    assert float(metric.compute()) == pytest.approx(1)


def test_nothing_annotated_is_nan_and_nothing_found_is_zero():
    metric = KeypointAP(COCO17)
    picture(metric, [person()], [0.9], np.zeros((0, 17, 2)))
    assert math.isnan(float(metric.compute()))
    picture(metric, np.zeros((0, 17, 2)), [], [person()])
    metric.hits, metric.ignored, metric.scores = metric.hits[1:], metric.ignored[1:], metric.scores[1:]
    assert float(metric.compute()) == 0
