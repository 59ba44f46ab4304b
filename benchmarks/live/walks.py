"""People who walk: simulated ones, and those of motion capture, whose short clips are made to go on.

A clip of CMU shows two or three strides. It goes on where the body is as it was a stride or more before: the
rest of the way is the same strides again, further on and blended over a few rows. Contacts are found anew on
the whole.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from scipy.spatial.transform import Rotation, Slerp

from drivers.simulator.anatomy import BodyShape
from drivers.simulator.body import Body
from fusion.segments import SEGMENT
from fusion.virtual.contacts import contacts, ground
from fusion.virtual.library import Library
from fusion.virtual.motion import Motion
from fusion.virtual.simulated import of_body

RATE_HZ = 60.0
_LONGEST_S, _SHORTEST_S = 3.0, 0.8
_BLEND = 8  # rows


def simulated_walk(seed: int, seconds: float = 40.0) -> Motion:
    """Return a simulated body of random shape that walks, stands and does other things in between."""
    rng = np.random.default_rng((seed, 21))
    script = ("walk", "stand", "walk", "squat", "walk", "reach")
    body = Body(
        seed, script, BodyShape.random(rng), float(rng.uniform(0.4, 1.2)), float(rng.uniform(-3.1, 3.1))
    )
    return of_body(body, np.arange(round(seconds * RATE_HZ)) / RATE_HZ + 1.0, RATE_HZ, f"walk{seed}")


def cmu_walks(seconds: float = 20.0, subjects: tuple[str, ...] = ("07", "08")) -> list[Motion]:
    """Return the walks of CMU's subjects, made so long; those that never come back to where they were are
    left out."""
    library = Library.open(["cmu"])
    found = []
    for number, clip in enumerate(library.clips):
        if clip.clip[:2] in subjects:
            motion = going_on(library.motion(number), seconds)
            if motion is not None:
                found.append(motion)
    return found


def _heading(rotations: np.ndarray) -> float:
    forward = rotations[SEGMENT["pelvis"], :, 0]
    return float(np.arctan2(forward[1], forward[0]))


def _about_z(angle: float) -> np.ndarray:
    return Rotation.from_euler("z", angle).as_matrix()


def _levelled(motion: Motion) -> np.ndarray:
    """Return (T, 15 * 9 + 1): what a body looks like, whichever way it faces, and how high it is."""
    rotations = motion.rotations.numpy().astype(float)
    back = np.stack([_about_z(-_heading(frame)) for frame in rotations])
    pose = (back[:, None] @ rotations).reshape(len(rotations), -1)
    return np.concatenate([pose, motion.root.numpy()[:, 2:]], axis=1)


def going_on(motion: Motion, seconds: float) -> Motion | None:
    """Return a walk that goes on by repeating its strides, or None where no stride is repeated."""
    look = _levelled(motion)
    speed = np.gradient(look, axis=0) * 6.0
    state = np.concatenate([look, speed], axis=1)
    first, last = 0, 0
    best = np.inf
    rows = len(motion)
    for stop in range(rows - 1, rows // 2, -1):
        low, high = max(4, stop - round(_LONGEST_S * RATE_HZ)), stop - round(_SHORTEST_S * RATE_HZ)
        if high <= low:
            continue
        distance = np.linalg.norm(state[low:high] - state[stop], axis=1)
        if distance.min() < best:
            best, first, last = float(distance.min()), low + int(distance.argmin()), stop
    if best > 2.0:
        return None
    rotations, root = motion.rotations.numpy().astype(float), motion.root.numpy().astype(float)
    girdle = motion.girdle.numpy().astype(float)
    while len(root) < seconds * RATE_HZ:
        join = last if len(root) == rows else len(root) - 1
        rotations, root, girdle = rotations[: join + 1], root[: join + 1], girdle[: join + 1]
        turn = _about_z(_heading(rotations[-1]) - _heading(motion.rotations[first].numpy().astype(float)))
        again = slice(first, last + 1)
        more = turn @ motion.rotations[again].numpy().astype(float)
        way = (motion.root[again] - motion.root[first]).numpy().astype(float) @ turn.T + root[-1]
        way[:, 2] = motion.root[again, 2].numpy()
        for row in range(1, min(_BLEND, len(more))):
            part = row / _BLEND
            for segment in range(more.shape[1]):
                pair = Rotation.from_matrix(
                    np.stack([rotations[-1, segment] @ more[0, segment].T, np.eye(3)])
                )
                more[row, segment] = Slerp([0, 1], pair)(part).as_matrix() @ more[row, segment]
            way[row, 2] += (1 - part) * (root[-1, 2] - way[0, 2])
        rotations = np.concatenate([rotations, more[1:]])
        root = np.concatenate([root, way[1:]])
        girdle = np.concatenate([girdle, motion.girdle[again].numpy()[1:]])
    count = round(seconds * RATE_HZ)
    made = dataclasses.replace(
        motion,
        rotations=torch.from_numpy(rotations[:count].astype(np.float32)),
        root=torch.from_numpy(root[:count].astype(np.float32)),
        girdle=torch.from_numpy(girdle[:count].astype(np.float32)),
        contacts=torch.zeros(count, 2, dtype=torch.bool),
        labels=(),
    )
    soles = made.soles.numpy()
    level = ground(soles, RATE_HZ)
    soles[..., 2] -= level
    found = contacts(soles, RATE_HZ)
    made.root[:, 2] -= level
    return dataclasses.replace(made, root=made.root, contacts=torch.from_numpy(found))
