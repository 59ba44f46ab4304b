"""Who is who in the four views of two people who move about and one who looks on.

::

    python -m benchmarks.live.people --data DIR [--views cam01,cam02] [--frames 100]

``DIR`` holds ``video/pose2sim/multi_person/cam01.mp4`` to ``cam04.mp4`` (100 pictures each, 60 Hz). Who is
there was counted by eye in pictures 0, 20, 40, 60, 80 and 98 of each view, and does not change between them:
the man in shorts, the woman in white, and in views 1 and 2 a man at the back of the room who watches. The
table below has where each one's trunk is, px. A switch is a picture in which somebody bears another number
than before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from fusion.skeletons import BLAZEPOSE33
from fusion.tracking.people import PeopleTracker, Tracked
from fusion.vision.blazepose import BlazePose

AT = (0, 20, 40, 60, 80, 98)
"""Pictures that were looked at by eye."""
SEEN: dict[str, dict[str, tuple[tuple[int, int], ...]]] = {
    "cam01": {
        "man": ((437, 613), (485, 667), (517, 640), (576, 560), (629, 693), (597, 720)),
        "woman": ((827, 1120), (832, 1120), (848, 1147), (773, 1147), (752, 1147), (811, 1120)),
        "onlooker": ((64, 507),) * 6,
    },
    "cam02": {
        "man": ((560, 597), (581, 613), (544, 640), (560, 613), (539, 667), (491, 693)),
        "woman": ((213, 933), (192, 933), (208, 907), (171, 933), (139, 907), (144, 933)),
        "onlooker": ((811, 720), (811, 693), (816, 667), (811, 693), (800, 693), (800, 693)),
    },
    "cam03": {
        "man": ((640, 747), (555, 773), (491, 747), (469, 693), (405, 720), (411, 693)),
        "woman": ((256, 683), (235, 683), (235, 693), (293, 720), (288, 720), (277, 720)),
    },
    "cam04": {
        "man": ((320, 800), (363, 773), (421, 773), (443, 731), (405, 747), (464, 693)),
        "woman": ((773, 587), (768, 613), (731, 587), (784, 640), (779, 667), (757, 640)),
    },
}
_TRUNK = [BLAZEPOSE33.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("shoulder", "hip")]
_NEAR_PX = 200.0


def named(tracked: Sequence[Tracked], places: dict[str, NDArray[np.float64]]) -> dict[str, int]:
    """Return the number that each person bears who is found near the place of the trunk, px."""
    people = [each for each in tracked if each.person is not None]
    names = list(places)
    if not people:
        return {}
    trunks = np.stack([p.person.keypoints[_TRUNK].mean(axis=0) for p in people if p.person is not None])
    cost = np.linalg.norm(trunks[None] - np.stack([places[name] for name in names])[:, None], axis=-1)
    rows, columns = linear_sum_assignment(cost)
    return {names[r]: people[c].number for r, c in zip(rows, columns, strict=True) if cost[r, c] < _NEAR_PX}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print counts and switches, view by view."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--views", default="cam01,cam02,cam03,cam04")
    parser.add_argument("--frames", type=int, default=100)
    args = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    switches = right = pictures = 0
    for view in args.views.split(","):
        eyes, tracker = BlazePose(max_people=5, heatmaps=False), PeopleTracker()
        known: dict[str, int] = {}
        mine = {"switches": 0, "right": 0, "found": 0}
        spent = own = 0.0
        count = 0
        with av.open(str(args.data / "video/pose2sim/multi_person" / f"{view}.mp4")) as film:
            for number, frame in enumerate(film.decode(video=0)):
                if number >= args.frames:
                    break
                image = frame.to_ndarray(format="bgr24")
                at = round(number * 1e9 / 60)
                begun = time.process_time()
                people = eyes(image, at)
                between = time.process_time()
                tracked = tracker(at, people, image)
                own += time.process_time() - between
                spent += time.process_time() - begun
                places = {
                    name: np.array([np.interp(number, AT, [p[axis] for p in track]) for axis in (0, 1)])
                    for name, track in SEEN[view].items()
                }
                for name, bears in named(tracked, places).items():
                    mine["found"] += 1
                    mine["switches"] += known.get(name, bears) != bears
                    known[name] = bears
                mine["right"] += len(tracked) == len(SEEN[view])
                count += 1
        print(
            f"{view}: {len(SEEN[view])} people, {count} pictures: "
            f"count right in {mine['right'] / count:.0%}, "
            f"found {mine['found'] / count / len(SEEN[view]):.0%}, switches {mine['switches']}, "
            f"{len(set(known.values()))} numbers; CPU {1e3 * spent / count:.0f} ms a picture, "
            f"{1e3 * own / count:.1f} of it to tell who is who"
        )
        switches, right, pictures = switches + mine["switches"], right + mine["right"], pictures + count
        eyes.close()
    print(f"switches {switches}; goal: 0. Count right in {right / pictures:.1%} of pictures; goal: >= 95 %")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
