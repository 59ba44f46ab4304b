"""The CPM that OpenCV runs, on annotated people: errors in px of its 192 px crop.

::

    python -m benchmarks.vision.cpm --data DIR

DIR holds ``images/coco`` and ``weights/cpm_model/model.pb``. The four largest people with 11 or more of the
12 joints that both sets have are those measured before (5.8, 35.2, 4.9 and 5.9 px); smaller ones are printed,
too. Each is looked at in the annotated box, as much larger as the description says. Goal: within 10 % of
these on all but the second, who crouches.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from drivers.errors import ChorusError
from fusion.skeletons import mapping
from fusion.tracking.footage import read_picture
from fusion.vision.boxes import Box
from fusion.vision.topdown import OpenCVPose
from recordings.importers.coco import read_coco

GOALS = (5.8, None, 4.9, 5.9)
"""Px, of the four largest, in that order; the CPM fails on the second."""
SLACK = 1.1


def medians(data: Path) -> list[tuple[str, int, float]]:
    """Return (picture, joints, median error in px of the crop) of each person, the largest first."""
    table = read_coco(data / "images/coco/test_coco.json", data / "images/coco")
    rows = []
    with OpenCVPose(str(data / "weights/cpm_model/model.pb"), boxes="whole", confident=0.01) as eyes:
        shared = [(j, table.joints.index(n)) for j, n in enumerate(eyes.skeleton) if n in table.joints]
        assert mapping(eyes.skeleton, table.joints).known.sum() >= len(shared)
        for person in sorted(table.people, key=lambda one: -one.area):
            known = [(j, k) for j, k in shared if person.visibility[k] > 0]
            if len(known) < 11 or person.crowd:
                continue
            x, y, width, height = person.box
            found = eyes.at(read_picture(person.picture), Box(x + width / 2, y + height / 2, width, height))
            if found is None:
                continue
            px = eyes.padding * max(width, height) / 192
            errors = [np.linalg.norm(found.keypoints[j] - person.points[k]) / px for j, k in known]
            rows.append((person.picture.name, len(known), float(np.median(errors))))
    return rows


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args(argv)
    try:
        rows = medians(options.data)
    except ChorusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, joints, median in rows:
        print(f"{name}: {joints} joints, median {median:.1f} px")
    judged = [(row[2], goal) for row, goal in zip(rows, GOALS, strict=False) if goal is not None]
    good = len(judged) == 3 and all(median <= SLACK * goal for median, goal in judged)
    told = ", ".join(f"{median:.1f} (goal {goal:.1f})" for median, goal in judged)
    print(f"{told} px, 10 % more at most: {'met' if good else 'missed'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
