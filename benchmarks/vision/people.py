"""People missed and invented on small annotated sets, for every front end that can be had here.

::

    python -m benchmarks.vision.people --data DIR [--only blazepose,posenet] [--light none,gain]

DIR holds ``images/{coco,crowdpose,exlpose,jhmdb}`` and, for the front ends that need them,
``weights/cpm_model/model.pb`` and ``weights/posenet/*.tflite``. Each picture stands alone. Dark sets are
looked at as they are and brightened in each way of ``--light``: ExLPose, recorded in the dark, and COCO's and
CrowdPose's pictures as a sensor gives them that has 8 steps from black to white, shot noise, and half a step
of its own. What is chosen for dark pictures is chosen on COCO's. Joints of people who were missed count as
wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ChorusError
from fusion.compare.truth import Judge, Worth
from fusion.pose.frame import Seen
from fusion.tracking.footage import read_picture
from fusion.vision.base import FrontEnd, front_end_of
from fusion.vision.light import REMEDIES
from recordings.importers.coco import read_coco

SETS = {
    "coco": "images/coco/test_coco.json",
    "crowdpose": "images/crowdpose/test_crowdpose.json",
    "exlpose": "images/exlpose/test_exlpose.json",
    "jhmdb": "images/jhmdb/test_jhmdb_sub1.json",
}
DARKENED = {"coco-dark": "coco", "crowdpose-dark": "crowdpose"}
DARK = ("exlpose", *DARKENED)
STEPS = 8.0
"""Of the darkened pictures: value of white."""
PEOPLE = 10


def front_ends(data: Path) -> dict[str, str]:
    """Return the front ends that can be had, by a short name."""
    found = {"blazepose": "blazepose"}
    cpm = data / "weights/cpm_model/model.pb"
    if cpm.is_file():
        found["opencv-dnn"] = f"opencv-dnn:{cpm}"
    for graph in sorted((data / "weights/posenet").glob("posenet*.tflite"))[:1]:
        found["posenet"] = f"posenet:{graph}"
    return found


def darkened(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Return the picture as a sensor gives it in the dark: linear, in few steps, two electrons a step."""
    light = (image.astype(np.float32) / 255) ** 2.2 * STEPS
    noisy = generator.poisson(2 * light) / 2 + generator.normal(0, 0.5, light.shape)
    return np.rint(noisy).clip(0, 255).astype(np.uint8)


def judged(eyes: FrontEnd, annotations: Path, dark: bool = False) -> tuple[Worth, float]:
    """Return what a front end is worth on a set, darkened or not, and the CPU time of a picture, s."""
    generator = np.random.default_rng(3)
    table = read_coco(annotations, annotations.parent)
    judge = Judge(eyes.skeleton, table.joints)
    spent = 0.0
    for picture in table.pictures:
        image = read_picture(picture)
        image = darkened(image, generator) if dark else image
        start = time.process_time()
        people = eyes.still(image)
        spent += time.process_time() - start
        found = [Seen.of(number, person) for number, person in enumerate(people, 1)]
        judge.take(found, table.by_picture.get(picture, []))
    return judge.worth, spent / max(len(table.pictures), 1)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default="", help="front ends, with commas between")
    parser.add_argument("--sets", default=",".join([*SETS, *DARKENED]))
    parser.add_argument("--light", default=",".join(["none", *REMEDIES]), help="for the dark sets")
    options = parser.parse_args(argv)
    print("set            front end                people missed invented  PCK@0.2     AP  CPU s")
    try:
        for name in options.sets.split(","):
            for short, told in front_ends(options.data).items():
                if options.only and short not in options.only.split(","):
                    continue
                for light in options.light.split(",") if name in DARK else ("none",):
                    text = told if light == "none" else f"{told}:light={light}"
                    with front_end_of(text, PEOPLE) as eyes:
                        table = options.data / SETS[DARKENED.get(name, name)]
                        worth, spent = judged(eyes, table, name in DARKENED)
                    shown = short if light == "none" else f"{short}:light={light}"
                    print(
                        f"{name:<14} {shown:<24} {worth.people:>6} {worth.missed:>6} {worth.invented:>8} "
                        f"{worth.pck:>8.1%} {worth.ap:>6.3f} {spent:>6.2f}",
                        flush=True,
                    )
    except (ChorusError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
