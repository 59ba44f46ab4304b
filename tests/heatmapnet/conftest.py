"""A folder laid out as UTD-MHAD, with depth maps of bodies made of capsules."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import loadmat, savemat

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate"))  # made_utd

from fixtures import one_thread  # noqa: F401
from made_utd import make

from fusion.skeletons import KINECT20
from recordings.importers.utd_depth import AHEAD

HANGS = {
    "spine": "pelvis", "neck": "spine", "head": "neck", "shoulder": "neck", "elbow": "shoulder",
    "wrist": "elbow", "hand": "wrist", "hip": "pelvis", "knee": "hip", "ankle": "knee", "foot": "ankle",
}  # fmt: skip


def depth_of(stored: np.ndarray) -> np.ndarray:
    """Return (240, 320) uint16 mm of joints (20, 3) as stored: limbs 8 cm before their bones, mirrored."""
    picture = np.zeros((240, 320), np.uint16)
    x, y, z = stored.T
    pixels = np.stack([160 + 285.63 * x / z, 120 - 285.63 * y / z], axis=1)
    for row, name in enumerate(KINECT20):
        side, _, part = name.rpartition("_")
        above = HANGS.get(part)
        if above is None:
            continue
        other = KINECT20.index(f"{side}_{above}" if f"{side}_{above}" in KINECT20 else above)
        ends = [tuple(int(v) for v in np.rint(pixels[k])) for k in (row, other)]
        away = round(1000.0 * float(stored[[row, other], 2].mean()) - 80.0)
        cv2.line(picture, ends[0], ends[1], away, 9)  # type: ignore[call-overload]
    return picture


@pytest.fixture(scope="session")
def made_depth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trial 1 of each action has depth."""
    root = make(tmp_path_factory.mktemp("utd"))
    (root / "Depth").mkdir()
    for path in sorted((root / "Skeleton").glob("*_t1_skeleton.mat")):
        joints = loadmat(path)["d_skel"]
        joints[:, 0] += 0.1  # not in the middle: what is mirrored wrongly is elsewhere
        savemat(path, {"d_skel": joints})
        late = np.maximum(np.arange(joints.shape[2]) - AHEAD, 0)  # as in the data set
        maps = np.stack([depth_of(joints[:, :, i]) for i in late], axis=-1)
        savemat(root / "Depth" / path.name.replace("skeleton", "depth"), {"d_depth": maps})
    return root
