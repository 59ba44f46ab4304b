"""Files laid out as UTD-MHAD: a person who stands and moves one hand, faster for later actions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import savemat

from fusion.skeletons import KINECT20

FRAMES, SAMPLES = 37, 101
ACTIONS = (1, 4, 22)
SUBJECTS = (1, 2, 3, 5)
REST = {
    "head": (0.0, 0.6), "neck": (0.0, 0.4), "spine": (0.0, 0.1), "pelvis": (0.0, 0.0),
    "shoulder": (0.2, 0.35), "elbow": (0.25, 0.1), "wrist": (0.27, -0.1), "hand": (0.28, -0.2),
    "hip": (0.1, -0.05), "knee": (0.1, -0.45), "ankle": (0.1, -0.85), "foot": (0.12, -0.9),
}  # fmt: skip


def make(root: Path) -> Path:
    """Write the files of :data:`ACTIONS` by :data:`SUBJECTS`, two trials each; return ``root``."""
    rng = np.random.default_rng(0)
    for folder in ("Skeleton", "Inertial"):
        (root / folder).mkdir()
    for action in ACTIONS:
        for subject in SUBJECTS:
            for trial in (1, 2):
                t = np.linspace(0.0, 1.0, FRAMES)
                joints = np.zeros((20, 3, FRAMES))
                for row, name in enumerate(KINECT20):
                    x, y = REST[name.split("_")[-1]]
                    joints[row] = np.array([-x if name.startswith("left") else x, y, 3.0])[:, None]
                    if name == "right_hand":
                        joints[row, 1] += 0.3 * np.sin(action * t * 2.0)
                joints += rng.normal(0.0, 0.0002, joints.shape)
                s = np.linspace(0.0, 1.0, SAMPLES)
                rows = np.tile([0.0, 0.0, 1.0, 0.0, 0.0, 0.0], (SAMPLES, 1))
                rows[:, 0] += 0.5 * np.sin(action * s * 2.0)
                rows[:, 3] += 40.0 * np.cos(action * s * 2.0)
                rows += rng.normal(0.0, 1.0, rows.shape) * [0.001, 0.001, 0.001, 0.05, 0.05, 0.05]
                stem = f"a{action}_s{subject}_t{trial}"
                savemat(root / "Skeleton" / f"{stem}_skeleton.mat", {"d_skel": joints})
                savemat(root / "Inertial" / f"{stem}_inertial.mat", {"d_iner": rows})
    return root
