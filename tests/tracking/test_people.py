import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.live import people as benchmark
from fusion.skeletons import BLAZEPOSE33
from fusion.tracking.people import PeopleTracker
from fusion.vision.appearance import clothes, likeness
from fusion.vision.base import Person

SIZE = (640, 480)
_INDEX = {name: n for n, name in enumerate(BLAZEPOSE33)}


def person(x, y=240.0, tall=200.0, rng=None, jitter=0.0):
    """Return a standing person whose hips are at (x, y), px."""
    points = np.zeros((33, 2), np.float32)
    rows = {"shoulder": (-0.3, 0.11), "elbow": (-0.12, 0.14), "wrist": (0.03, 0.15), "hip": (0.0, 0.07)}
    rows |= {"knee": (0.25, 0.07), "ankle": (0.48, 0.07), "heel": (0.5, 0.07), "foot_index": (0.5, 0.1)}
    for name, number in _INDEX.items():
        way = 1.0 if name.startswith("left") else -1.0
        row = next((v for key, v in rows.items() if key in name), (-0.45, 0.03))
        points[number] = (x + way * row[1] * tall, y + row[0] * tall)
    if rng is not None:
        points += rng.normal(0, jitter, points.shape)
    low, high = points.min(0), points.max(0)
    return Person(
        keypoints=points,
        score=np.ones(33, np.float32),
        variance=np.ones((33, 3), np.float32),
        box=(float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])),
    )


def painted(people):
    """Return a picture of people in clothes: [(person, colour)], the last in front."""
    image = np.full((SIZE[1], SIZE[0], 3), 120, np.uint8)
    for each, colour in people:
        x, y, w, h = (int(v) for v in each.box)
        cv2.rectangle(image, (x, y), (x + w, y + h), colour, -1)
    return image


RED, GREEN, BLUE = (40, 40, 200), (60, 180, 60), (190, 60, 40)


def play(tracker, frames, rate_hz=30.0, start=0):
    """Return, for each frame [(name, person, colour, found)], the number of each name that was found."""
    out = []
    for row, frame in enumerate(frames):
        image = painted([(p, c) for _, p, c, _ in frame])
        found = [(name, p) for name, p, _, there in frame if there]
        tracked = tracker(start + round(row / rate_hz * 1e9), [p for _, p in found], image)
        numbers = {}
        for each in tracked:
            for name, p in found:
                if each.person is p:
                    numbers[name] = each.number
        out.append((numbers, len(tracked)))
    return out


def test_two_who_cross_keep_their_numbers_also_while_one_hides_the_other():
    rng = np.random.default_rng(0)
    frames = []
    for x in np.linspace(120, 520, 80):
        a, b = person(x, rng=rng, jitter=1.5), person(640 - x, 250.0, rng=rng, jitter=1.5)
        frames.append([("a", a, RED, abs(2 * x - 640) > 60), ("b", b, GREEN, True)])
    told = play(PeopleTracker(), frames)
    assert {n["a"] for n, _ in told if "a" in n} == {told[0][0]["a"]}
    assert {n["b"] for n, _ in told if "b" in n} == {told[0][0]["b"]}
    assert [count for _, count in told] == [2] * len(frames)


def test_two_who_meet_and_turn_back_are_told_apart_by_their_clothes():
    frames = []
    for x in np.concatenate([np.linspace(150, 300, 40), np.linspace(300, 150, 40)]):
        hidden = x > 285
        frames.append([("a", person(x), RED, not hidden), ("b", person(640 - x, 245.0), BLUE, True)])
    told = play(PeopleTracker(), frames)
    assert told[-1][0] == told[0][0]


def test_who_comes_back_within_seconds_in_the_same_clothes_has_the_same_number_and_others_a_new_one():
    tracker = PeopleTracker()
    first = play(tracker, [[("a", person(150), RED, True)]] * 10)
    assert play(tracker, [[]] * 30, start=1_000_000_000)[-1][1] == 0
    again = play(tracker, [[("a", person(500), RED, True)]] * 5, start=2_000_000_000)
    assert again[-1][0]["a"] == first[-1][0]["a"]
    play(tracker, [[]] * 30, start=3_000_000_000)
    other = play(tracker, [[("b", person(500), GREEN, True)]] * 5, start=4_000_000_000)
    assert other[-1][0]["b"] != first[-1][0]["a"]


def test_what_is_seen_in_one_picture_only_is_nobody():
    tracker = PeopleTracker()
    calm = [("a", person(150), RED, True)]
    frames = [[*calm, *([("ghost", person(450), BLUE, True)] if row == 10 else [])] for row in range(20)]
    told = play(tracker, frames)
    assert {count for _, count in told} == {1}


def test_a_person_who_is_missed_for_a_few_pictures_is_still_counted_where_expected():
    tracker = PeopleTracker()
    play(tracker, [[("a", person(150 + 4 * row), RED, True)] for row in range(20)])
    for row in range(20, 28):
        (there,) = tracker(round(row / 30 * 1e9), [], painted([]))
        assert there.person is None
        assert there.box[0] + there.box[2] / 2 == pytest.approx(150 + 4 * row, abs=25)


def test_without_pictures_motion_alone_tells():
    tracker, numbers = PeopleTracker(), set()
    for row in range(40):
        tracked = tracker(round(row / 30 * 1e9), [person(100 + 5 * row), person(600 - 2 * row)])
        numbers.add(tuple(each.number for each in tracked))
    assert numbers == {(1, 2)}


def test_appearance_is_that_of_the_clothes_wherever_one_stands_and_none_outside_the_picture():
    a, b = person(150), person(450, 260.0, 150.0)
    image = painted([(a, RED), (b, RED)])
    one, two = clothes(image, a), clothes(image, b)
    other = clothes(painted([(b, GREEN)]), b)
    assert one is not None
    assert two is not None
    assert other is not None
    assert likeness(one, two) > 0.9
    assert likeness(one, other) < 0.3
    assert clothes(image, person(2000)) is None


def test_no_number_changes_in_real_views_of_three_people(capsys):
    data = Path(os.environ.get("CHORUS_DATA", ""))
    if not (data / "video/pose2sim/multi_person/cam02.mp4").is_file():
        pytest.skip("CHORUS_DATA names no folder with video/pose2sim/multi_person")
    assert benchmark.main([f"--data={data}", "--views=cam02", "--frames=45"]) == 0
    out = capsys.readouterr().out
    assert "count right in 100%" in out
    assert "switches 0; goal: 0" in out
