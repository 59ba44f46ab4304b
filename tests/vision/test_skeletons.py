"""Joint sets and their mappings."""

import itertools

import numpy as np
import pytest

from fusion.skeletons import (
    BLAZEPOSE33,
    BODY20,
    COCO17,
    KINECT20,
    SKELETONS,
    bones,
    mapping,
    to_body20,
)

PAIRS = list(itertools.product(sorted(SKELETONS), repeat=2))


@pytest.mark.parametrize("name", sorted(SKELETONS))
def test_a_joint_set_has_as_many_different_joints_as_its_name_says(name):
    joints = SKELETONS[name]
    assert len(set(joints)) == len(joints) == int("".join(c for c in name.replace("36m", "") if c.isdigit()))
    assert {j.replace("left_", "right_") for j in joints} <= set(joints) | {
        j for j in joints if not j.startswith("left_")
    }


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_mapping_moves_with_the_person(source, target):
    matrix, known = mapping(SKELETONS[source], SKELETONS[target])
    assert matrix.shape == (len(SKELETONS[target]), len(SKELETONS[source]))
    assert matrix[known].sum(1) == pytest.approx(1)
    assert not matrix[~known].any()
    if source == target:
        assert (matrix == np.eye(len(matrix))).all()


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_mapping_never_mixes_left_and_right(source, target):
    matrix, _ = mapping(SKELETONS[source], SKELETONS[target])
    for row, name in zip(matrix, SKELETONS[target], strict=True):
        side = name.split("_")[0]
        other = {"left": "right_", "right": "left_"}.get(side)
        if other:
            used = [SKELETONS[source][i] for i in np.flatnonzero(row)]
            assert not any(joint.startswith(other) for joint in used), (name, used)


@pytest.mark.parametrize("name", sorted(SKELETONS))
def test_trunk_arms_and_legs_are_known_from_every_joint_set(name):
    _, known = to_body20(SKELETONS[name])
    unknown = {joint for joint, k in zip(BODY20, known, strict=True) if not k}
    assert unknown <= {"left_hand", "right_hand", "left_foot", "right_foot"}


def test_coco_has_no_hands_and_feet_and_says_so():
    _, known = to_body20(COCO17)
    assert [j for j, k in zip(BODY20, known, strict=True) if not k] == [
        *("left_hand", "right_hand", "left_foot", "right_foot")
    ]


def test_kinect_joints_are_in_the_order_of_the_data_set():
    first, last = KINECT20[:5], KINECT20[-1]
    assert first == ("head", "neck", "spine", "pelvis", "left_shoulder")
    assert last == "right_foot"
    assert sorted(KINECT20) == sorted(BODY20)


def test_the_pelvis_is_the_middle_of_the_hips_with_half_their_variance():
    to = to_body20(BLAZEPOSE33)
    points = np.zeros((33, 2))
    points[BLAZEPOSE33.index("left_hip")] = [110, 200]
    points[BLAZEPOSE33.index("right_hip")] = [90, 204]
    assert to.points(points)[0] == pytest.approx([100, 202])
    assert to.variances(np.full((33, 3), 4.0))[0] == pytest.approx([2, 2, 2])


def test_a_joint_is_as_certain_as_the_least_certain_of_its_parts():
    to = to_body20(COCO17)
    score = np.full(17, 0.9)
    score[COCO17.index("left_hip")] = 0.2
    found = dict(zip(BODY20, to.scores(score), strict=True))
    assert found["pelvis"] == pytest.approx(0.2)
    assert found["neck"] == pytest.approx(0.9)
    assert found["left_hand"] == 0


@pytest.mark.parametrize("name", sorted(SKELETONS))
def test_every_limb_is_drawn(name):
    pairs = {frozenset((SKELETONS[name][a], SKELETONS[name][b])) for a, b in bones(SKELETONS[name])}
    for side in ("left", "right"):
        for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")):
            assert frozenset((f"{side}_{a}", f"{side}_{b}")) in pairs
