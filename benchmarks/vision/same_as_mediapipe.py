"""How far BlazePose here lies from MediaPipe's own pose solution on the same pictures of films.

::

    python -m benchmarks.vision.same_as_mediapipe --data DIR [--frames 300] [--install]

Both follow the person from picture to picture (video mode, complexity 1), both read the file with OpenCV.
Theirs smooths its landmarks by default; ours does not: both of theirs are told, and ours through ``chorus
pose``'s own One-Euro beside. Distances are over the 33 landmarks, of the longer side of the person's box
(theirs), in pictures in which both found somebody, the first ten after each time that either began to follow
left out.

Goals: the median at most 1.5 % of the box against its default, and somebody found in at least as many
pictures. Exit status 1: not reached; 2: something is missing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.mediapipe import turns
from benchmarks.mediapipe.turns import arguments, video_of, wanted

GOAL = 1.5
"""Per cent of the box."""
SETTLE = 10
VIDEOS = (
    "video/sports2d/demo.mp4",
    "video/pose2sim/single_person/cam01.mp4",
    "video/pose2sim/single_person/cam03.mp4",
)
THEIRS = Path(turns.__file__).with_name("points.py")

Points = NDArray[np.float64]


def main() -> int:
    parser = arguments(__doc__ or "", VIDEOS)
    parser.add_argument("--frames", type=int, default=300, help="of each, at most")
    options = parser.parse_args()
    python = wanted(options)
    if python is None:
        return 2
    reached = True
    for name in options.videos:
        video = video_of(options, name)
        if video is None:
            return 2
        raw, calm = ours(video, options.frames)
        smooth, plain = (theirs(python, video, options.frames, how) for how in ("smooth", "plain"))
        found = [int(np.isfinite(points[:, 0, 0]).sum()) for points in (raw, smooth)]
        print(f"{name}: {len(raw)} pictures; somebody in {found[0]} here, in {found[1]} by MediaPipe")
        for ours_name, mine in (("as found", raw), ("One-Euro", calm)):
            for theirs_name, other in (("its default", smooth), ("unsmoothed", plain)):
                off = distances(mine, other)
                print(
                    f"  {ours_name} against {theirs_name:11}: median {np.median(off):.2f} %, "
                    f"p95 {np.percentile(off, 95):.2f} % of the box, {len(off)} landmarks"
                )
        middle = float(np.median(distances(raw, smooth)))
        well = middle <= GOAL and found[0] >= found[1]
        print(f"  goal: median <= {GOAL} %, found in as many: {'reached' if well else 'NOT reached'}")
        reached &= well
    return 0 if reached else 1


def distances(mine: Points, other: Points) -> NDArray[np.float64]:
    """Return the distances of all landmarks, per cent of the box, where both have settled."""
    both = settled(mine) & settled(other)
    box = np.ptp(other[both], axis=1).max(axis=1)
    return 100 * (np.linalg.norm(mine[both] - other[both], axis=2) / box[:, None]).ravel()


def settled(points: Points) -> NDArray[np.bool_]:
    """Return (N,) bool: somebody has been followed for longer than :data:`SETTLE` pictures."""
    since, out = 0, []
    for there in np.isfinite(points[:, 0, 0]):
        since = since + 1 if there else 0
        out.append(since > SETTLE)
    return np.array(out)


def ours(video: Path, most: int) -> tuple[Points, Points]:
    """Return (N, 33, 2) px, NaN where nobody was found: as found, and smoothed as a camera's would be."""
    from fusion.pose.frame import Frame, Seen
    from fusion.pose.smoothing import Live
    from fusion.vision.base import front_end

    source, live = cv2.VideoCapture(str(video)), Live()
    rate, raw, calm = source.get(cv2.CAP_PROP_FPS) or 30.0, [], []
    nobody = np.full((33, 2), np.nan)
    with front_end("blazepose") as eyes:
        while len(raw) < most:
            there, picture = source.read()
            if not there:
                break
            time = round(len(raw) * 1e9 / rate)
            people = eyes(picture, time)  # type: ignore[arg-type]
            seen = tuple(Seen.of(1, person) for person in people[:1])
            frame = live(Frame(len(raw), "", "", time, (picture.shape[1], picture.shape[0]), seen))
            raw.append(people[0].keypoints.astype(np.float64) if people else nobody)
            calm.append(frame.people[0].keypoints.astype(np.float64) if people else nobody)
    return np.array(raw), np.array(calm)


def theirs(python: str, video: Path, most: int, how: str) -> Points:
    """Return (N, 33, 2) px of MediaPipe's own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "points.npz"
        command = [python, str(THEIRS), str(video), str(out), how, str(most)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        with np.load(out) as kept:
            return kept["points"]


if __name__ == "__main__":
    sys.exit(main())
