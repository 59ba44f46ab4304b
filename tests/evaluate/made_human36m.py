"""Files laid out as Human3.6M by 3d-pose-baseline, whose cameras and joints are known."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

FRAMES = 150
# A camera 4 m in front of the body, 1 m up, that looks along world y; z is up.
WORLD_TO_CAMERA = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
PLACE_MM = np.array([0.0, -4000.0, 1000.0])


def make(root: Path) -> Path:
    """Write subjects 9 and 11, one action each; return ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "cameras.h5", "w") as file:
        for subject in (9, 11):
            for number in range(1, 5):
                group = file.create_group(f"subject{subject}/camera{number}")
                group["R"] = WORLD_TO_CAMERA.T  # stored transposed
                group["T"] = PLACE_MM[:, None]
                group["f"] = np.array([[1145.0], [1143.0]])
                group["c"] = np.array([[512.0], [515.0]])
                group["k"] = np.array([[-0.2], [0.24], [-0.002]])
                group["p"] = np.array([[-0.001], [-0.003]])
                group["Name"] = np.array([[ord(c)] for c in f"6013845{number}"], np.uint16)
    rng = np.random.default_rng(0)
    body = rng.uniform([-300, -200, 100], [300, 200, 1700], (32, 3))
    body[0] = (0, 0, 900)
    walk = np.zeros((FRAMES, 1, 3))
    walk[:, 0, 0] = np.linspace(0, 600, FRAMES)  # x, to the right of the picture
    positions = body + walk
    for subject in (9, 11):
        folder = root / f"S{subject}" / "MyPoses" / "3D_positions"
        folder.mkdir(parents=True)
        with h5py.File(folder / "Walking 1.h5", "w") as file:
            file["3D_positions"] = positions.reshape(FRAMES, 96).T
    seen = root / "S9" / "StackedHourglass"
    seen.mkdir()
    with h5py.File(seen / "Walking_1.60138451.h5", "w") as file:
        file["poses"] = rng.uniform(300, 700, (FRAMES, 16, 2))
    return root
