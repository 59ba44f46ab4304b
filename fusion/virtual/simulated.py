"""The simulator's procedural body as a source of motion."""

from __future__ import annotations

import numpy as np
import torch

from drivers.simulator.anatomy import JOINT, BodyShape
from drivers.simulator.body import Body
from fusion.segments import SEGMENTS
from fusion.virtual.motion import Label, Motion, Skeleton

LICENCE = "Apache-2.0"
_BEGIN_S = 1.0


def simulated(
    seed: int, seconds: float = 24.0, rate_hz: float = 60.0, *, sway: float | None = None
) -> Motion:
    """Let a random body do random actions.

    Args:
        seed: of body and actions; the same seed gives the same motion.
        seconds: length.
        rate_hz: rows per second.
        sway: size of the idle movement, see :class:`drivers.simulator.body.Body`; random by default.
    """
    rng = np.random.default_rng(seed)
    shape = BodyShape.random(rng)
    size = float(rng.uniform(0.3, 1.5)) if sway is None else sway
    body = Body(
        seed=int(rng.integers(1 << 31)), shape=shape, sway=size, heading=float(rng.uniform(-3.1, 3.1))
    )
    return of_body(body, np.arange(round(seconds * rate_hz)) / rate_hz + _BEGIN_S, rate_hz, f"{seed:06d}")


def of_body(body: Body, times: np.ndarray, rate_hz: float, clip: str) -> Motion:
    """Return what ``body`` does at ``times`` (T,) s, evenly ``1 / rate_hz`` apart, as a motion."""
    pose = body.pose(times)
    labels = tuple(
        Label(max(0.0, s.start - times[0]), min(times[-1], s.stop) - times[0], s.action)
        for s in body.segments(float(times[0]), float(times[-1]))
    )
    return Motion(
        clip=clip,
        source="simulator",
        licence=LICENCE,
        subject=clip,
        rate_hz=rate_hz,
        skeleton=Skeleton.of_shape(body.shape),
        rotations=torch.from_numpy(pose.orientations[:, : len(SEGMENTS)].astype(np.float32)),
        root=torch.from_numpy(pose.joints[:, JOINT["pelvis"]].astype(np.float32)),
        girdle=torch.zeros(len(times), 3, 3),
        contacts=torch.from_numpy(pose.contacts),
        labels=labels,
    )
