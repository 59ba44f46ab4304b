"""One fused pose, as every sink gets it, and the network step that makes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.places import PLACES
from fusion.features import Features
from fusion.model.stepper import Network, Runtime, stepper

_HALF_SD = 0.05
"""A joint whose standard deviation is 5 % of the person's box has the score 0.5."""


LEVEL_UP: NDArray[np.float32] = np.array([0.0, -1.0, 0.0], np.float32)
"""The vertical of a camera that stands level: y points down."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pose:
    """What is known of the person at one tick.

    Attributes:
        time: session time, ns.
        keypoints: (20, 2) float32 px of the camera's picture; NaN before anybody was seen.
        keypoints_var: (20,) float32 px², of each coordinate.
        joints: (20, 3) float32 m from the pelvis, camera axes: x right, y down, z forward.
        joints_var: (20,) float32 m², of each coordinate.
        score: (20,) float32 in [0, 1], how certain the place in the picture is.
        contact: (2,) float32, probability that the left and the right foot stands.
        action: (A,) float32 probabilities.
        frame_time: session time of capture of the newest frame used, ns; None: none yet.
        sample_time: session time of the newest sample of any sensor used, ns; None: none yet.
        fed: what was present: "camera", "microphone" and places of IMUs.
        up: (3,) float32, the vertical in camera axes; of a camera that stands level where nothing tells.
        rotations: (15, 3, 3) float32, segments to camera axes; None where the network tells none.
        offsets: (20, 3) float32 m, the body as :class:`fusion.virtual.motion.Skeleton` has it; None as above.
        velocity: (3,) float32 m/s of the pelvis, camera axes; None as above.
        person: who it is; 0 where one person is followed, and for a wearer whom no camera has seen yet.
        wears: whether the sensors are taken to be theirs; always, where one person is followed.
    """

    time: int
    keypoints: NDArray[np.float32]
    keypoints_var: NDArray[np.float32]
    joints: NDArray[np.float32]
    joints_var: NDArray[np.float32]
    score: NDArray[np.float32]
    contact: NDArray[np.float32]
    action: NDArray[np.float32]
    frame_time: int | None
    sample_time: int | None
    fed: tuple[str, ...]
    up: NDArray[np.float32] = dataclasses.field(default_factory=lambda: LEVEL_UP.copy())
    rotations: NDArray[np.float32] | None = None
    offsets: NDArray[np.float32] | None = None
    velocity: NDArray[np.float32] | None = None
    person: int = 0
    wears: bool = True


class Fuser:
    """Steps the network through consecutive ticks.

    Args:
        net: the network; it is put into evaluation.
        sizes: width and height of each camera's picture, px, the reference first; or of the only one, (0, 0)
            without any.
        runtime: of the network's step, see :func:`fusion.model.stepper.stepper`.

    Poses are in the picture and the axes of the reference camera. Where cameras are not calibrated and
    another one is looked through from a tick on, they are in its own, and the network begins anew: all it
    knew of where sensors and the wearer face was told from where the other stands.
    """

    def __init__(
        self,
        net: Network,
        sizes: tuple[int, int] | Sequence[tuple[int, int]],
        runtime: Runtime = "auto",
    ) -> None:
        self._net = net
        self._runtime: Runtime = runtime
        table = np.array(sizes, int).reshape(-1, 2)
        self._sizes = [(int(width), int(height)) for width, height in table]
        self._camera = 0
        self._views, self._step = 1, stepper(net, 1, runtime)

    @property
    def actions(self) -> tuple[str, ...]:
        """Names of the actions, in the order of ``Pose.action``."""
        return tuple(self._net.config.actions)

    def prepare(self, views: int) -> None:
        """Be ready to look through so many cameras at a time; it takes seconds where it is compiled."""
        if views != self._views:
            self._views, self._step = views, stepper(self._net, views, self._runtime)

    def __call__(self, features: Features) -> Pose:
        """Return the pose of the next tick from its features."""
        self.prepare(1 + len(features["others"]) if "others" in features else 1)
        camera = int(features.get("camera", 0))
        if camera != self._camera:
            self._camera = camera
            self._step.reset()
        size = self._sizes[camera] if camera < len(self._sizes) else (0, 0)
        return pose_of(features, self._step(features), size)


def pose_of(features: Features, outputs: Mapping[str, NDArray[Any]], size: tuple[int, int]) -> Pose:
    """Return the pose of one tick from its features and the network's outputs, without batch axis."""
    width, height = size
    box = features["box"].astype(np.float64)
    if box[2] > 0 and width > 0:
        keypoints = (outputs["keypoints2d"] * box[2] + box[:2]) * width + [width / 2, height / 2]
    else:
        keypoints = np.full(outputs["keypoints2d"].shape, np.nan)
    variance = np.exp(outputs["keypoints2d_logvar"].astype(np.float64))
    score = 1.0 / (1.0 + variance / _HALF_SD**2)
    logits = outputs["action"].astype(np.float64)
    action = np.exp(logits - logits.max())
    time = int(features["time"])
    frame_time = _capture(time, features["vision_age"])
    ages = [features["vision_age"], features["audio_age"], *features["inertial_age"]]
    captures = [t for t in (_capture(time, age) for age in ages) if t is not None]
    return Pose(
        time=time,
        keypoints=keypoints.astype(np.float32),
        keypoints_var=(variance * (box[2] * width) ** 2).astype(np.float32),
        joints=outputs["joints3d"].astype(np.float32),
        joints_var=np.exp(outputs["joints3d_logvar"].astype(np.float64)).astype(np.float32),
        score=np.where(np.isfinite(keypoints).all(axis=-1), score, 0.0).astype(np.float32),
        contact=(1.0 / (1.0 + np.exp(-outputs["contact"].astype(np.float64)))).astype(np.float32),
        action=(action / action.sum()).astype(np.float32),
        frame_time=frame_time,
        sample_time=max(captures) if captures else None,
        fed=_fed(features),
        up=_single(outputs["view"][:, 2]) if "view" in outputs else LEVEL_UP,
        rotations=_single(outputs["rotations"]) if "rotations" in outputs else None,
        offsets=_single(outputs["offsets"]) if "offsets" in outputs else None,
        velocity=_single(outputs["root_velocity"]) if "root_velocity" in outputs else None,
    )


def _single(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def _capture(time: int, age: NDArray[np.floating[Any]] | float) -> int | None:
    """Return the time of capture to the microsecond from an age, or None for an age that means never."""
    from fusion.features import MAX_AGE_S

    return None if float(age) >= MAX_AGE_S else time - round(float(age) * 1e6) * 1000


def _fed(features: Features) -> tuple[str, ...]:
    names: list[str] = []
    if features["vision_present"].any():
        names.append("camera")
    if features["audio_present"] > 0:
        names.append("microphone")
    names.extend(PLACES[i] for i in np.flatnonzero(features["inertial_present"] > 0))
    return tuple(names)


def in_view(pose: Pose) -> bool:
    """Return whether the camera sees one of several people, or lost them a moment ago.

    A wearer of the sensors whom it lost for longer is still told, but not where in the picture.
    """
    return "camera" in pose.fed or (not pose.wears and pose.person > 0)


def drawn(poses: Sequence[Pose]) -> list[Pose]:
    """Return who is to be drawn into a picture: who is in view; where one person is followed, always."""
    alone = len(poses) == 1 and poses[0].person == 0
    return [pose for pose in poses if alone or in_view(pose)]


def action_name(pose: Pose, actions: Sequence[str]) -> tuple[str, float]:
    """Return the most probable action and its probability; ("", 0) where the network knows none."""
    if not actions or not len(pose.action):
        return "", 0.0
    best = int(np.argmax(pose.action))
    return actions[best], float(pose.action[best])
