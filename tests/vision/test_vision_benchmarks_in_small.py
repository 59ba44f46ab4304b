"""What the benchmarks of the front ends on annotated people count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.vision import cpm, people
from recordings.importers.annotated import AnnotatedPerson, AnnotatedSet

LIMBS = tuple(
    f"{side}_{limb}"
    for side in ("left", "right")
    for limb in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
)


def person(x: float, y: float, height: float, hidden: int = 0, picture: str = "one.png") -> AnnotatedPerson:
    """Somebody upright whose first joints are not annotated."""
    points = np.stack([np.full(12, x), y + height * np.linspace(-0.4, 0.4, 12)], 1).astype(np.float32)
    visible = np.where(np.arange(12) < hidden, 0, 2).astype(np.uint8)
    box = (x - height / 6, y - height / 2, height / 3, height)
    return AnnotatedPerson(Path(picture), points, visible, box, height * height / 3)


def test_padding_is_chosen_on_large_people_whom_nobody_covers():
    far, near, small = person(100, 200, 300), person(400, 200, 200), person(700, 200, 80)
    pair = person(900, 200, 220), person(930, 200, 180)
    elsewhere, hidden = person(100, 200, 310, picture="other.png"), person(100, 900, 300, hidden=2)
    everybody = [small, near, far, *pair, elsewhere, hidden]
    read = AnnotatedSet(Path("set.json"), LIMBS, everybody, [], {}, [])
    enough = cpm.people_of(read, ("neck", *LIMBS))
    assert [one for one, _ in enough] == [elsewhere, far, pair[0], near, pair[1], small]
    assert [one for one, _ in cpm.alone(enough, everybody)] == [elsewhere, far, near]
    joints = enough[0][1]
    assert (joints[:, 0] == joints[:, 1] + 1).all()  # the neck is not among the set's


def test_boxes_to_choose_in_lie_around_the_joints_and_to_each_side():
    one = (person(100, 200, 300), np.stack([np.arange(12)] * 2, 1))
    boxes = cpm.shifted(one, "joints")
    side = 0.04 * 288  # the joints reach over 240 px
    assert [box.x for box in boxes] == pytest.approx([100, 100 + side, 100 - side, 100, 100], abs=0.01)
    assert [box.y for box in boxes] == pytest.approx([200, 200, 200, 200 + side, 200 - side], abs=0.01)
    assert {round(box.height) for box in boxes} == {288}
    assert {box.height for box in cpm.shifted(one, "annotated")} == {300}


def test_a_darkened_picture_has_few_steps_and_keeps_its_order():
    image = np.zeros((80, 120, 3), np.uint8)
    image[:, 40:80], image[:, 80:] = 128, 255
    dark = people.darkened(image, np.random.default_rng(0))
    steps = [float(dark[:, at : at + 40].mean()) for at in (0, 40, 80)]
    assert steps[0] < 0.5
    assert steps[1] == pytest.approx(people.STEPS * (128 / 255) ** 2.2, abs=0.2)
    assert steps[2] == pytest.approx(people.STEPS, abs=0.1)
    assert dark.max() < 30


def test_the_cpm_reaches_its_goal_on_annotated_people(real_data, capsys):
    if not (real_data / "weights/cpm_model/model.pb").is_file():
        pytest.skip("CHORUS_DATA has no CPM")
    assert cpm.main(["--data", str(real_data)]) == 0
    assert "with padding 1.25" in capsys.readouterr().out
