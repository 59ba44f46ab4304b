"""The real network on real pictures: what must hold whoever is in them."""

import cv2
import numpy as np
import pytest
from conftest_vision import mirrored

from fusion.skeletons import BLAZEPOSE33
from fusion.vision.blazepose import BlazePose
from fusion.vision.region import apply, tiles

FRAME_NS = 16_666_667
LEFT_HIP, RIGHT_HIP = BLAZEPOSE33.index("left_hip"), BLAZEPOSE33.index("right_hip")


def size(person):
    return max(person.box[2:])


def test_nobody_is_found_where_nobody_is(blazepose):
    assert blazepose(np.full((480, 640, 3), 128, np.uint8), 0) == []
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    assert blazepose(noise, FRAME_NS) == []


def test_what_is_no_picture_is_refused(blazepose):
    with pytest.raises(ValueError, match=r"\(480, 640\) uint8"):
        blazepose(np.zeros((480, 640), np.uint8), 0)


def test_a_person_is_followed_through_the_whole_film(blazepose, film):
    centres = []
    for i, picture in enumerate(film):
        people = blazepose(picture, i * FRAME_NS)
        assert len(people) == 1, f"picture {i}"
        person = people[0]
        assert person.keypoints.shape == (33, 2)
        assert person.variance.shape == (33, 3)
        assert person.world is not None
        assert np.isfinite(person.keypoints).all()
        assert (person.variance[:, [0, 2]] > 0).all()
        assert (person.variance[:, 0] * person.variance[:, 2] > person.variance[:, 1] ** 2).all()
        centres.append((person.keypoints[LEFT_HIP] + person.keypoints[RIGHT_HIP]) / 2 / size(person))
    steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    assert np.median(steps) < 0.02  # of the person's size, at 60 pictures a second


def test_following_finds_what_a_fresh_look_finds(blazepose_weights, film):
    errors = []
    with BlazePose() as following, BlazePose() as fresh:
        for i, picture in enumerate(film[:60]):
            person = following(picture, i * FRAME_NS)[0]
            if i % 6 == 0:
                fresh.reset()
                again = fresh(picture, 0)[0]
                errors.append(np.linalg.norm(person.keypoints - again.keypoints, axis=1) / size(again))
    assert np.median(errors) < 0.02


def test_a_mirrored_picture_gives_the_mirrored_person(blazepose, film):
    errors = []
    for picture in film[::20]:
        blazepose.reset()
        person = blazepose(picture, 0)[0]
        blazepose.reset()
        other = blazepose(np.ascontiguousarray(picture[:, ::-1]), 0)[0]
        expected = mirrored(BLAZEPOSE33, person.keypoints, picture.shape[1])
        errors.append(np.linalg.norm(other.keypoints - expected, axis=1) / size(person))
    assert np.median(errors) < 0.02


@pytest.mark.parametrize(("scale", "shift"), [(0.5, (0, 0)), (1.0, (300, 100)), (0.7, (150, 40))])
def test_key_points_move_with_the_picture(blazepose, film, scale, shift):
    picture = film[0]
    blazepose.reset()
    person = blazepose(picture, 0)[0]
    affine = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], float)
    height, width = picture.shape[:2]
    canvas = (round(width * scale) + 2 * shift[0], round(height * scale) + 2 * shift[1])
    moved = cv2.warpAffine(picture, affine, canvas, flags=cv2.INTER_AREA)
    blazepose.reset()
    other = blazepose(moved, 0)[0]
    errors = np.linalg.norm(other.keypoints - apply(affine, person.keypoints), axis=1) / size(other)
    assert np.median(errors) < 0.01


def test_a_small_person_is_found_after_a_look_at_each_part(blazepose, film):
    affine = np.array([[0.3, 0, 60.0], [0, 0.3, 900.0]])
    picture = cv2.warpAffine(film[0], affine, (1080, 1920), flags=cv2.INTER_AREA, borderValue=(128, 128, 128))
    for i in range(len(tiles(1080, 1920))):
        people = blazepose(picture, i * FRAME_NS)
        if people:
            break
    assert len(people) == 1
    blazepose.reset()
    large = blazepose(film[0], 0)[0]
    errors = np.linalg.norm(people[0].keypoints - apply(affine, large.keypoints), axis=1) / size(people[0])
    assert np.median(errors) < 0.02


def test_a_leaning_person_gives_leaning_world_landmarks(blazepose, film):
    picture = film[0]
    height, width = picture.shape[:2]
    person = blazepose(picture, 0)[0]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -30, 1.0)  # clockwise
    blazepose.reset()
    other = blazepose(cv2.warpAffine(picture, turn, (width, height)), 0)[0]
    errors = np.linalg.norm(other.keypoints - apply(turn, person.keypoints), axis=1) / size(person)
    assert np.median(errors) < 0.02
    expected = person.world.copy()
    expected[:, :2] = expected[:, :2] @ turn[:, :2].T
    assert np.median(np.linalg.norm(other.world - expected, axis=1)) < 0.05


def test_world_landmarks_are_metres_from_the_middle_of_the_hips(blazepose, film):
    for i, picture in enumerate(film[:30]):
        world = blazepose(picture, i * FRAME_NS)[0].world
        assert world[[LEFT_HIP, RIGHT_HIP]].mean(0) == pytest.approx(np.zeros(3), abs=1e-6)
        joint = {name: world[k] for k, name in enumerate(BLAZEPOSE33)}
        for side in ("left", "right"):
            thigh = np.linalg.norm(joint[f"{side}_hip"] - joint[f"{side}_knee"])
            assert 0.25 < thigh < 0.6
        assert joint["nose"][1] < joint["left_ankle"][1]  # y points down


def test_heatmaps_lie_over_the_key_points(blazepose, film):
    person = blazepose(film[0], 0)[0]
    maps = person.heatmaps
    assert maps is not None
    assert maps.values.shape == (33, 64, 64)
    assert maps.values.min() >= 0
    assert maps.values.max() <= 1
    cells = maps.values.reshape(33, -1).argmax(1)
    peaks = apply(maps.to_picture, np.stack([cells % 64, cells // 64], 1))
    sure = person.peaks > 0.6
    assert sure.sum() > 20
    cell_px = np.linalg.norm(maps.to_picture[:, 0])
    errors = np.linalg.norm(peaks - person.keypoints, axis=1)[sure]
    assert np.median(errors) < 1.0 * cell_px


def test_a_person_who_left_is_given_up_and_found_again(blazepose, film):
    empty = np.full_like(film[0], 128)
    assert len(blazepose(film[0], 0)) == 1
    assert blazepose(empty, FRAME_NS) == []
    assert len(blazepose(film[2], 2 * FRAME_NS)) == 1


def test_two_people_side_by_side_are_told_apart_and_somebody_far_behind_them_is_found(
    blazepose_weights, film
):
    picture = film[0]
    both = np.concatenate([picture, picture], axis=1)
    with BlazePose(max_people=4) as network:
        for i in range(12):
            network(both, i * FRAME_NS)
        people = network(both, 12 * FRAME_NS)
    near = [p for p in people if p.box[3] > 600]
    assert len(near) == 2
    centres = sorted(p.box[0] + p.box[2] / 2 for p in near)
    assert centres[1] - centres[0] == pytest.approx(picture.shape[1], rel=0.03)
    behind = [p for p in people if p.box[3] <= 600]
    assert behind
    assert all(350 < p.box[3] < 500 and p.box[0] % picture.shape[1] < 60 for p in behind)
