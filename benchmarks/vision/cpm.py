"""The CPM that OpenCV runs, on annotated people: errors in px of its 192 px crop.

::

    python -m benchmarks.vision.cpm --data DIR [--padding 1.3] [--blur 13]
    python -m benchmarks.vision.cpm --data DIR --choose [--boxes annotated]

DIR holds ``images/coco`` and ``weights/cpm_model/model.pb``. The four largest people with 11 or more of the
12 joints that both sets have are those measured before (5.8, 35.2, 4.9 and 5.9 px); smaller ones are printed,
too. Each is looked at in the annotated box, as much larger as the description says. Goal: within 10 % of
these on all but the second, who crouches.

``--choose`` prints how padding and blur of the description were chosen: on people of other sets (JHMDB,
MPII, PoseTrack18, OCHuman, CrowdPose in ``images/``), those whom nobody covers, by the median error of all
their joints in px of one and the same crop, that of padding 1.25. Their boxes are those that the front end
puts around joints: the annotated ones are 1.2 to 1.8 times as long as the joints reach, after each set's own
rule. Each is looked at five times, with the crop where it belongs and a little to each side, as much of the
network's error depends on where it lies. None of these people is in COCO's pictures.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ChorusError
from fusion.tracking.footage import read_picture
from fusion.vision.boxes import Box, around
from fusion.vision.description import NetworkDescription, read_description
from fusion.vision.runtimes import OpenCVRuntime, Runtime
from fusion.vision.topdown import TopDown
from recordings.importers.annotated import AnnotatedPerson, AnnotatedSet
from recordings.importers.coco import read_coco

GOALS = (5.8, None, 4.9, 5.9)
"""Px, of the four largest, in that order; the CPM fails on the second."""
SLACK = 1.1
CROP = 192
"""Px."""
USUAL = 1.25
"""Padding that most top-down networks are trained with."""
FEWEST = 11
"""Of the 12 joints."""
COVERED = 0.15
"""Largest part of a person's box that another one's may cover."""
SMALLEST = 90.0
"""Px of the box's longer side."""
OTHERS = (
    ("images/jhmdb/test_jhmdb_sub1.json", "images/jhmdb"),
    ("images/mpii/test_mpii_trb.json", "images/mpii"),
    ("images/posetrack18/annotations/test_posetrack18_val.json", "images/posetrack18"),
    ("images/ochuman/test_ochuman.json", "images/ochuman"),
    ("images/crowdpose/test_crowdpose.json", "images/crowdpose"),
)
SHIFTS = ((0.0, 0.0), (0.04, 0.0), (-0.04, 0.0), (0.0, 0.04), (0.0, -0.04))
"""Of the longer side of the box, to the right and down."""
PADDINGS = (1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.45, 1.5, 1.55, 1.6)
BLURS = (1, 3, 5, 7, 9, 11, 13)

Known = tuple[AnnotatedPerson, NDArray[np.int64]]
"""Somebody, and the numbers (N, 2) of the joints that are known: the network's and the set's."""


class Remembering(Runtime):
    """A network that is asked the same more than once."""

    def __init__(self, run: OpenCVRuntime) -> None:
        self._run = run
        self._known: dict[bytes, list[NDArray[np.float32]]] = {}

    def __call__(self, values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        key = values.tobytes()
        if key not in self._known:
            self._known[key] = self._run(values)
        return self._known[key]


def people_of(read: AnnotatedSet, joints: tuple[str, ...]) -> list[Known]:
    """Return those with enough joints of limbs annotated, the largest first."""
    limbs = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    names = [f"{side}_{limb}" for side in ("left", "right") for limb in limbs]
    shared = np.array([(joints.index(name), read.joints.index(name)) for name in names])
    found = []
    for person in sorted(read.people, key=lambda one: -one.area):
        known = shared[person.visibility[shared[:, 1]] > 0]
        if len(known) >= FEWEST and not person.crowd:
            found.append((person, known))
    return found


def alone(people: Sequence[Known], others: Sequence[AnnotatedPerson]) -> list[Known]:
    """Return those who are large enough and whom nobody covers."""
    found = []
    for one in people:
        x, y, width, height = one[0].box
        covered = 0.0
        for other in others:
            if other is not one[0] and other.picture == one[0].picture:
                u, v, wide, high = other.box
                common = max(0.0, min(x + width, u + wide) - max(x, u)) * max(
                    0.0, min(y + height, v + high) - max(y, v)
                )
                covered = max(covered, common / (width * height))
        if covered <= COVERED and max(width, height) >= SMALLEST:
            found.append(one)
    return found


def errors(eyes: TopDown, one: Known, box: Box) -> NDArray[np.float64]:
    """Return the errors (N,) of the known joints, of the longer side of the box; inf: nobody was found."""
    person, known = one
    found = eyes.at(read_picture(person.picture), box)
    if found is None:
        return np.full(len(known), np.inf)
    apart = np.linalg.norm(found.keypoints[known[:, 0]] - person.points[known[:, 1]], axis=1)
    return apart / max(box.width, box.height)


def annotated(one: Known) -> Box:
    """Return the annotated box."""
    x, y, width, height = one[0].box
    return Box(x + width / 2, y + height / 2, width, height)


def shifted(one: Known, boxes: str) -> list[Box]:
    """Return the box around the known joints, or the annotated one, and to each side of it."""
    box = annotated(one) if boxes == "annotated" else around(one[0].points[one[1][:, 1]])
    side = max(box.width, box.height)
    return [box._replace(x=box.x + right * side, y=box.y + down * side) for right, down in SHIFTS]


def eyes_of(about: NetworkDescription, run: Remembering) -> TopDown:
    return TopDown(about, run, boxes="whole", confident=0.01)


def medians(data: Path, about: NetworkDescription, run: Remembering) -> list[tuple[str, int, float]]:
    """Return (picture, joints, median error in px of the crop) of COCO's people, the largest first."""
    rows = []
    with eyes_of(about, run) as eyes:
        folder = data / "images/coco"
        for one in people_of(read_coco(folder / "test_coco.json", folder), eyes.skeleton):
            median = float(np.median(errors(eyes, one, annotated(one)))) * CROP / eyes.padding
            rows.append((one[0].picture.name, len(one[1]), median))
    return rows


def chosen(data: Path, about: NetworkDescription, run: Remembering, boxes: str) -> tuple[float, int]:
    """Print the error for each padding and blur on people of other sets; return the best."""
    people: list[Known] = []
    for table, pictures in OTHERS:
        if not (data / table).is_file():
            print(f"{table} is not there")
            continue
        read = read_coco(data / table, data / pictures)
        few = alone(people_of(read, about.joints), read.people)
        print(f"{Path(pictures).name}: {len(few)} people whom nobody covers")
        people += few
    print(f"median error of all their joints, px of the crop of padding {USUAL}")
    print("padding  blur " + "".join(f"{blur:>7}" for blur in BLURS))
    best = (np.inf, 0.0, 0)
    for padding in PADDINGS:
        row = []
        for blur in BLURS:
            with eyes_of(dataclasses.replace(about, padding=padding, blur=blur), run) as eyes:
                joints = np.concatenate(
                    [errors(eyes, one, box) for one in people for box in shifted(one, boxes)]
                )
            row.append(float(np.median(joints)) * CROP / USUAL)
            best = min(best, (row[-1], padding, blur))
        print(f"{padding:>7}       " + "".join(f"{value:>7.2f}" for value in row), flush=True)
    print(f"least: {best[0]:.2f} px with padding {best[1]}, blur {best[2]}")
    return best[1], best[2]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--padding", type=float, help="instead of the description's")
    parser.add_argument("--blur", type=int, help="instead of the description's")
    parser.add_argument("--choose", action="store_true", help="choose padding and blur on other people")
    parser.add_argument("--boxes", choices=("joints", "annotated"), default="joints", help="to choose in")
    options = parser.parse_args(argv)
    try:
        about = read_description("cpm14")
        run = Remembering(OpenCVRuntime(options.data / "weights/cpm_model/model.pb", about.outputs))
        if options.choose:
            best = chosen(options.data, about, run, options.boxes)
            print(f"the description has padding {about.padding}, blur {about.blur}")
            return 0 if best == (about.padding, about.blur) else 1
        given = {"padding": options.padding, "blur": options.blur}
        about = dataclasses.replace(about, **{key: value for key, value in given.items() if value})
        usual = medians(options.data, dataclasses.replace(about, padding=USUAL), run)
        rows = medians(options.data, about, run)
    except ChorusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for (name, joints, median), (_, _, other) in zip(rows, usual, strict=True):
        print(f"{name}: {joints} joints, median {median:.1f} px (with padding {USUAL}: {other:.1f})")
    judged = [(row[2], goal) for row, goal in zip(rows, GOALS, strict=False) if goal is not None]
    good = len(judged) == 3 and all(median <= SLACK * goal for median, goal in judged)
    told = ", ".join(f"{median:.1f} (goal {goal:.1f})" for median, goal in judged)
    print(f"{told} px, 10 % more at most: {'met' if good else 'missed'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
