"""How fast BlazePose is on films, and in how many of their pictures somebody is found.

::

    taskset -c 0 python benchmarks/vision/real_video.py FILM.mp4 ... --sheet sheet.png

The sheet shows a skeleton drawn on every Nth picture: figures do not say whether it lies on the person.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from drivers.errors import ChorusError
from fusion.vision.base import front_end
from fusion.vision.overlay import contact_sheet, draw_skeleton


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("films", nargs="+", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="write a contact sheet here")
    parser.add_argument("--step", type=int, default=20, help="pictures between two on the sheet")
    options = parser.parse_args()
    shown = []
    try:
        for film in options.films:
            network = front_end("blazepose", threads=options.threads, max_people=options.people)
            source = cv2.VideoCapture(str(film))
            rate = source.get(cv2.CAP_PROP_FPS) or 30.0
            spent, found = [], 0
            while True:
                there, picture = source.read()
                if not there:
                    break
                start = time.perf_counter()
                people = network(picture, round(len(spent) * 1e9 / rate))
                spent.append(time.perf_counter() - start)
                found += bool(people)
                if options.sheet and (len(spent) - 1) % options.step == 0:
                    for person in people:
                        draw_skeleton(picture, person.keypoints, network.skeleton, score=person.score)
                    shown.append(picture)
            if not spent:
                print(f"error: {film} has no pictures. Name a video file", file=sys.stderr)
                return 1
            p50, p95 = np.percentile(spent, [50, 95]) * 1e3
            print(
                f"{film.name}: {len(spent)} pictures, somebody in {found} ({found / len(spent):.1%}), "
                f"{p50:.1f} ms each (p95 {p95:.1f} ms)"
            )
    except ChorusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.sheet:
        cv2.imwrite(str(options.sheet), contact_sheet(shown, columns=6))
        print(options.sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
