"""What BlazePose really does on films, fitted as the noise of the virtual pose network, and shown beside it.

::

    python -m benchmarks.fusion.camera_noise --data $CHORUS_DATA --plot noise.png [--write FILE.yaml]

The reference is where the other views say that a joint is (benchmarks/fusion/reference.py); the films are the
two sets of four synchronised views of pose2sim, and Sports2D's for jitter alone. --cache keeps key points.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
import yaml

from benchmarks.fusion.films import look
from benchmarks.fusion.fitting import fit
from benchmarks.fusion.observed import Measured, measure, observe, several, single
from benchmarks.fusion.reference import read_qca
from benchmarks.fusion.side_by_side import compare, draw
from drivers.errors import ChorusError, ConfigError
from fusion.virtual.noise import BLAZEPOSE, KeypointNoise


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("CHORUS_DATA", "")))
    parser.add_argument("--cache", type=Path, default=Path("runs/camera_noise"))
    parser.add_argument("--write", type=Path, help="write the fitted parameters here")
    parser.add_argument("--plot", type=Path, help="draw real against virtual here")
    parser.add_argument("--most", type=int, default=0, help="pictures of each film; 0: all")
    options = parser.parse_args()
    try:
        return run(options)
    except ChorusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def run(options: argparse.Namespace) -> int:
    folder = options.data / "video" / "pose2sim"
    if not (folder / "Calib.qca.txt").is_file():
        raise ConfigError(
            f"{folder} has no Calib.qca.txt",
            mend="Set CHORUS_DATA to a folder with video/pose2sim, or give --data",
        )
    cameras = read_qca(folder / "Calib.qca.txt")
    films = sorted((folder / "single_person").glob("*.mp4"))
    plain = measure(cameras, single(films, options.cache, most=options.most))
    people = [plain]
    if not options.most:
        crowd = sorted((folder / "multi_person").glob("*.mp4"))
        people += [measure(cameras, one) for one in several(crowd, cameras, options.cache)]
    about(people)
    worse = {}
    for change in ("dark4", "dark5", "dark6", "blur12", "blur30", "blur60") if not options.most else ():
        worse[change] = single(films, options.cache, change)
    mapping = fit(people, worse)
    noise = KeypointNoise.from_mapping(mapping)
    if options.write:
        options.write.write_text(yaml.safe_dump(mapping, sort_keys=False, width=100), "utf-8")
        print(f"wrote {options.write}")
    jitter = {}
    alone = options.data / "video" / "sports2d" / "demo.mp4"
    if alone.is_file():
        jitter["demo"] = observe([look(alone, "plain", options.cache, most=options.most)])
    numbers = compare(people, noise if options.write else BLAZEPOSE, jitter)
    if options.plot:
        draw(numbers, options.plot)
        print(options.plot)
    return 0


def about(people: list[Measured]) -> None:
    """Print what there is."""
    for number, one in enumerate(people):
        found = np.isfinite(one.seen.told[..., 0, 0])
        size = np.linalg.norm(one.error, axis=-1)
        print(
            f"person {number}: found in {found.mean():.1%} of {found.size} pictures, sides swapped in "
            f"{one.reference.swapped.sum() / max(found.sum(), 1):.1%}; error against the other views: median "
            f"{np.nanmedian(size):.2%} of the box, 90 % below {np.nanpercentile(size, 90):.2%}, 99 % below "
            f"{np.nanpercentile(size, 99):.2%}"
        )


if __name__ == "__main__":
    sys.exit(main())
