"""UTD-MHAD's depth: Kinect maps without background, with the joints of their skeletons in them.

::

    ROOT/Depth/a1_s1_t1_depth.mat   d_depth (240, 320, T)  uint16 mm, 0 = nobody

Maps are stored mirrored, as the skeletons are; both come out here as an ordinary camera sees them: the
subject's left hand is at the right of the picture, x right, y down, z forward.

There are as many maps as skeleton frames, but a map does not show the frame of its number: skeletons are two
frames ahead. Of the hands of subjects 1, 3, 5 and 7 that move by more than 4 px a frame, 30 % lie on the body
in the map of their own number, 55 % in the next, 78 % in the one after it, 43 % in the third.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import DataError
from recordings.importers import utd_mhad
from recordings.importers.archive import unpacked
from recordings.importers.utd_mhad import DEPTH_FOCAL_PX, DEPTH_SIZE_PX, Trial

ARCHIVE = "utd_mhad_depth_t1.tar"
CENTRE_PX = (DEPTH_SIZE_PX[0] / 2 - 1.0, DEPTH_SIZE_PX[1] / 2)
"""Where the optical axis meets the picture, once it is mirrored."""
AHEAD = 2
"""Frames by which skeletons are ahead of the maps."""
_FILE = re.compile(r"a(\d+)_s(\d+)_t(\d+)_depth\.mat\Z")


@dataclasses.dataclass(frozen=True)
class DepthTrial:
    """A trial with its depth.

    Attributes:
        trial: skeleton and inertial sensor.
        depth: (T, 240, 320) uint16 mm, 0 where nobody is; each shows its frame of the skeleton, but nothing
            shows the last two: the last map stands for them.
    """

    trial: Trial
    depth: NDArray[np.uint16]

    @property
    def pixels(self) -> NDArray[np.float32]:
        """(T, 20, 2) px, where the joints are in the maps, KINECT20 order."""
        x, y, z = np.moveaxis(self.trial.joints, -1, 0)
        u, v = DEPTH_FOCAL_PX * x / z + CENTRE_PX[0], DEPTH_FOCAL_PX * y / z + CENTRE_PX[1]
        return np.stack([u, v], axis=-1).astype(np.float32)


def find_depth(root: str | Path | None = None) -> Path:
    """Return the folder ``Depth``.

    Args:
        root: the folder in which it lies, at any depth, or the archive; by default CHORUS_DATA. An archive is
            unpacked once, into the user's cache.

    Raises:
        DataError: nothing there.
    """
    given = root or os.environ.get("CHORUS_DATA")
    if not given:
        raise DataError(
            "UTD-MHAD: no folder is named", mend=f"Set CHORUS_DATA to the folder that holds {ARCHIVE}"
        )
    base = Path(given).expanduser()
    for folder in (base / "Depth", base / "utd_mhad" / "Depth"):
        if folder.is_dir():
            return folder
    archive = base if base.is_file() else base / ARCHIVE
    if archive.is_file():
        return unpacked(archive, "UTD-MHAD", "Depth") / "Depth"
    raise DataError(
        f"UTD-MHAD: {base} has neither a folder Depth nor {ARCHIVE}",
        mend="Name the folder that has one of them with CHORUS_DATA",
    )


def depth_trials(root: str | Path | None = None, subjects: tuple[int, ...] = ()) -> Iterator[DepthTrial]:
    """Read the trials of some subjects that have depth, ordered by action, subject and trial.

    Raises:
        DataError: a folder or file is missing or malformed, or there are none.
    """
    folder, skeletons = find_depth(root), utd_mhad.find_root(root)
    names = [(m, path) for path in folder.iterdir() if (m := _FILE.match(path.name))]
    keys = sorted((int(m[1]), int(m[2]), int(m[3]), path) for m, path in names)
    keys = [key for key in keys if not subjects or key[1] in subjects]
    if not keys:
        raise DataError(
            f"UTD-MHAD: no depth of subjects {subjects or 'at all'} in {folder}",
            mend="Check that Depth/ holds files like a1_s1_t1_depth.mat",
        )
    for action, subject, number, path in keys:
        trial = utd_mhad.read_trial(skeletons, action, subject, number)
        yield DepthTrial(trial, _depth(path, len(trial.joints)))


def _depth(path: Path, frames: int) -> NDArray[np.uint16]:
    value = utd_mhad.read_array(path, "d_depth")
    if value.ndim != 3 or value.shape[:2] != DEPTH_SIZE_PX[::-1] or value.dtype != np.uint16:
        raise DataError(
            f"UTD-MHAD: {path.name}: d_depth is {value.shape} {value.dtype}, not (240, 320, T) uint16",
            mend=f"Unpack {ARCHIVE} again",
        )
    if value.shape[2] != frames:
        raise DataError(
            f"UTD-MHAD: {path.name} has {value.shape[2]} maps, its skeleton {frames} frames",
            mend=f"Unpack {ARCHIVE} and {utd_mhad.ARCHIVE} again",
        )
    shown = np.minimum(np.arange(frames) + AHEAD, frames - 1)
    return np.ascontiguousarray(value.transpose(2, 0, 1)[shown, :, ::-1])
