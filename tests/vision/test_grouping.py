"""Joints of several people are grouped by the fields between them."""

import numpy as np
import pytest
from conftest_vision import refused

from benchmarks.vision.grouping import crowd, drawn, main, measured, right
from drivers.errors import ConfigError, WeightsError
from fusion.skeletons import OPENPOSE18, OPENPOSE25
from fusion.vision.base import front_end_of
from fusion.vision.exchange import Limb, cuts, exchanged
from fusion.vision.grouping import completed, group, line_scores, peaks, reached
from fusion.vision.openpose import input_size, split_channels
from fusion.vision.part_layout import BODY25, COCO18
from tests.vision.graphs import constant_maps


@pytest.mark.parametrize("layout", [BODY25, COCO18])
def test_a_layout_has_a_field_of_its_own_for_each_limb(layout):
    assert sorted(layout.fields) == list(range(len(layout.limbs)))
    assert {part for limb in layout.limbs for part in limb} == set(range(len(layout.skeleton)))


def test_the_layouts_are_openposes():
    assert (BODY25.skeleton, COCO18.skeleton) == (OPENPOSE25, OPENPOSE18)
    # poseParameters.cpp: the right upper arm's field is channels 16, 17 (BODY_25) and 14, 15 (COCO).
    arm = (OPENPOSE25.index("right_shoulder"), OPENPOSE25.index("right_elbow"))
    assert BODY25.fields[BODY25.limbs.index(arm)] == 8
    assert COCO18.fields[COCO18.limbs.index(arm)] == 7


def test_a_peak_is_found_between_cells():
    y, x = np.mgrid[:20, :30]
    values = np.exp(-((x - 12.3) ** 2 + (y - 7.6) ** 2) / (2 * 0.9**2)).astype(np.float32)
    found = peaks(values[None], 0.15)[0]
    assert found.points == pytest.approx(np.array([[12.3, 7.6]]), abs=0.02)
    noisy = values + np.random.default_rng(0).normal(0, 0.1, values.shape).astype(np.float32)
    near = peaks(noisy[None], 0.15)[0]
    assert np.linalg.norm(near.points - (12.3, 7.6), axis=1).min() < 0.5


def test_a_line_along_the_field_scores_one_and_across_it_nothing():
    x, y = np.ones((20, 20), np.float32), np.zeros((20, 20), np.float32)
    a, b = np.array([[3.0, 5.0]]), np.array([[9.0, 5.0], [3.0, 11.0], [0.0, 5.0]])
    assert line_scores(a, b, x, y)[0] == pytest.approx([1, 0, 0], abs=1e-6)


@pytest.mark.parametrize("layout", [BODY25, COCO18])
def test_one_person_has_every_joint_in_its_place(layout):
    people = crowd(1, layout, np.random.default_rng(3))
    found = group(*drawn(people, layout, None), layout)
    assert len(found) == 1
    assert np.linalg.norm(found[0].points - people[0], axis=1).max() < 0.5


def test_people_who_overlap_are_told_apart():
    clean = measured(BODY25, 4, 6, False, 7)
    assert sum(row["right"] for row in clean) / len(clean) >= 0.97
    noisy = measured(COCO18, 3, 6, True, 7)
    assert sum(row["right"] for row in noisy) / len(noisy) >= 0.93


def test_a_joint_that_two_people_share_is_given_to_both():
    one = crowd(1, COCO18, np.random.default_rng(5))[0]
    one = (one - one.mean(0)) * 0.8 + (30, 23)
    other = one * (-1, 1) + (2 * one[:, 0].max() + 12, 0)  # a mirrored neighbour with no joint in common
    two = np.stack([one, other])
    wrist = OPENPOSE18.index("left_wrist")
    elbow = OPENPOSE18.index("left_elbow")
    two[:, wrist] = two[:, elbow].mean(0) + np.array([0, 4])
    found = group(*drawn(two, COCO18, None), COCO18)
    assert len(found) == 2
    assert right(two, np.array([person.points for person in found])).all()


def test_a_foot_that_two_people_share_is_given_to_both():
    one = crowd(1, BODY25, np.random.default_rng(5))[0]
    one = (one - one.mean(0)) * 0.8 + (30, 23)
    other = one * (-1, 1) + (2 * one[:, 0].max() + 12, 0)
    two = np.stack([one, other])
    foot = [OPENPOSE25.index(f"left_{name}") for name in ("ankle", "heel", "big_toe", "small_toe")]
    knees = two[:, OPENPOSE25.index("left_knee")]
    two[:, foot] = one[foot] - one[foot[0]] + knees.mean(0) + np.array([0, 5])
    found = group(*drawn(two, BODY25, None), BODY25)
    assert len(found) == 2
    assert right(two, np.array([person.points for person in found])).all()


def line_scores_of(found, fields, layout):
    """Scores of each limb between the peaks found."""
    return [
        line_scores(found[a].points, found[b].points, fields[2 * field], fields[2 * field + 1])
        for (a, b), field in zip(layout.limbs, layout.fields, strict=True)
    ]


@pytest.mark.parametrize("layout", [BODY25, COCO18])
def test_what_was_mixed_up_between_two_people_is_exchanged(layout):
    two = crowd(2, layout, np.random.default_rng(12))
    maps, fields = drawn(two, layout, None)
    found = peaks(maps, 0.15)
    points = [one.points for one in found]
    lines = line_scores_of(found, fields, layout)
    known = [
        {
            part: int(np.linalg.norm(places - person[part], axis=1).argmin())
            for part, places in enumerate(points)
        }
        for person in two
    ]
    assert not set(known[0].items()) & set(known[1].items())
    limbs = sorted(
        (
            Limb(float(scores[a, b]), number, a, b)
            for number, scores in enumerate(lines)
            for a, b in np.ndindex(scores.shape)
        ),
        reverse=True,
    )
    for near, far in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")):
        limb = layout.limbs.index(tuple(layout.skeleton.index(f"left_{part}") for part in (near, far)))
        (cut,) = cuts(layout)[limb]
        mixed = [
            {part: person[part] if part in cut.parts else other[part] for part in person}
            for person, other in (known, known[::-1])
        ]
        done = exchanged(mixed, limbs, lines, points, fields, layout, loss=np.inf)
        assert done in (known, known[::-1])


def test_a_piece_that_borrows_most_of_somebody_is_no_person():
    one = crowd(1, COCO18, np.random.default_rng(3))
    maps, fields = drawn(one, COCO18, None)
    leg = [OPENPOSE18.index(f"left_{part}") for part in ("hip", "knee", "ankle")]
    maps[leg[1], 2, 2] = 0.5  # a false knee, which is found first
    found = peaks(maps, 0.15)
    reach = reached(line_scores_of(found, fields, COCO18), COCO18)
    body = {part: 0 for part in range(18) if part not in leg}
    piece = {leg[0]: 0, leg[1]: 1, leg[2]: 0}
    assert completed([body, piece], reach, 3) == [body | piece]
    mistaken = body | {leg[1]: 0}
    assert completed([mistaken, piece], reach, 3) == [mistaken | {leg[0]: 0}]


def test_a_cut_tells_which_parts_lie_beyond_it():
    limb = BODY25.limbs.index((OPENPOSE25.index("right_knee"), OPENPOSE25.index("right_ankle")))
    (cut,) = cuts(BODY25)[limb]
    assert {OPENPOSE25[part] for part in cut.parts} == {
        "right_ankle", "right_heel", "right_big_toe", "right_small_toe"
    }  # fmt: skip
    assert cut.limbs == (limb,)
    # A circle of neck, nose, eye, ear and shoulder is cut through two of its limbs.
    nose = BODY25.limbs.index((OPENPOSE25.index("neck"), OPENPOSE25.index("nose")))
    assert len(cuts(BODY25)[nose][0].limbs) == 3


def test_an_empty_picture_holds_nobody():
    assert group(np.zeros((18, 46, 46), np.float32), np.zeros((38, 46, 46), np.float32), COCO18) == []
    generator = np.random.default_rng(0)
    maps = generator.normal(0, 0.05, (18, 46, 46)).astype(np.float32)
    assert group(maps, generator.normal(0, 0.05, (38, 46, 46)).astype(np.float32), COCO18) == []


def test_channels_may_come_in_one_or_apart():
    maps, fields = np.ones((1, 19, 6, 8), np.float32), np.ones((1, 38, 6, 8), np.float32)
    for outputs in (
        [np.concatenate([maps, fields], 1)],
        [maps, fields],
        [fields, maps],
        [maps * 0, fields, maps],
    ):
        parts, ways, layout = split_channels(outputs, "net")
        assert (len(parts), len(ways), layout) == (18, 38, COCO18)
        assert parts.min() == 1
    with pytest.raises(WeightsError, match="neither BODY_25"):
        split_channels([np.zeros((1, 44, 6, 8), np.float32)], "mpi")


def test_the_input_follows_the_picture():
    assert input_size(1920, 1080, 368) == ((656, 368), pytest.approx(368 / 1080))
    assert input_size(640, 480, 368, 368) == ((368, 368), pytest.approx(368 / 640))


@pytest.mark.parametrize("layout", [BODY25, COCO18])
def test_openpose_puts_joints_where_the_networks_maps_have_them(layout, tmp_path):
    people = crowd(2, layout, np.random.default_rng(9))
    maps, fields = drawn(people, layout, None)
    channels = np.concatenate([maps, 1 - maps.max(0, keepdims=True), fields])[None]
    path = constant_maps(tmp_path / "net.onnx", [channels], 368, 656)
    with front_end_of(f"openpose:{path}:height=368:width=656", 5) as eyes:
        assert eyes.skeleton == layout.skeleton
        found = eyes(np.zeros((720, 1280, 3), np.uint8), 0)
    truth = (people + 0.5) * 8 * 1280 / 656 - 0.5  # cells of 8 px, pixel centres
    placed = np.stack([person.keypoints for person in found]).astype(np.float64)
    placed[np.stack([person.score for person in found]) == 0] = np.nan
    hits = np.array(
        [[np.nanmedian(np.linalg.norm(one - other, axis=1)) for other in placed] for one in truth]
    )
    assert hits.min(1) == pytest.approx(np.zeros(2), abs=2.0)
    for person in found:
        assert person.heatmaps is not None
        assert person.heatmaps.values.max() <= 1


def test_what_is_no_openpose_is_refused_in_one_line(tmp_path):
    other = constant_maps(tmp_path / "other.onnx", [np.zeros((1, 17, 46, 46))], 368, 368)
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"\x08\x01 no network")
    caffe = tmp_path / "pose.caffemodel"
    caffe.write_bytes(b"x")
    for name, error, words in (
        (f"openpose:{other}:width=368", WeightsError, "neither BODY_25"),
        (f"openpose:{junk}", WeightsError, "not a network that OpenCV can run"),
        (f"openpose:{caffe}", WeightsError, "prototxt|no longer reads Caffe"),
        (f"openpose:{tmp_path}/absent.onnx", WeightsError, "there is no weights file"),
        ("openpose", ConfigError, "no weights are named"),
        (f"openpose:{other}:height=2", ConfigError, "height=2"),
    ):
        refused(name, error, words)


def test_the_benchmark_prints_its_goals(capsys):
    assert main(["--people", "2", "--pictures", "2"]) in (0, 1)
    printed = capsys.readouterr().out
    assert "body25, clean, 0.3 apart" in printed
    assert "coco18, noise, 0.1 apart" in printed
    assert "goal 99%" in printed
    assert "goal 95%" in printed
