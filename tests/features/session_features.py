"""A small session with a camera, an IMU, a microphone and the truth, all of one moving body."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import msgspec
import numpy as np
from helpers_features import CAMERA, SECOND, imu_batch, sound_blocks, stamps

from drivers.base import Batch, StreamInfo
from drivers.bus.messages import Event
from fusion.skeletons import BODY20
from fusion.vision.base import FrontEnd, Person
from recordings.layout import SessionAttributes
from recordings.writer import SessionWriter

INTRINSICS = (600.0, 600.0, 320.0, 240.0)
ROTATION = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # world z up -> camera y down, looking along +y
TRANSLATION = np.array([0.0, 1.0, 4.0])  # a camera 1 m above the ground, 4 m before the body

EYE = msgspec.structs.replace(
    CAMERA,
    properties={
        "intrinsics": json.dumps(INTRINSICS),
        "extrinsics": json.dumps({"R": ROTATION.tolist(), "t": TRANSLATION.tolist()}),
    },
)
TRUTH = StreamInfo(
    name="truth",
    kind="pose",
    shape=(20, 3),
    channels=tuple(f"{joint}.{axis}" for joint in BODY20 for axis in "xyz"),
    rate_hz=60.0,
)
BODY = np.random.default_rng(7).uniform([-0.3, -0.2, 0.0], [0.3, 0.2, 1.7], (20, 3))
BODY[0] = (0, 0, 0.95)


class Blob(FrontEnd):
    """Finds one bright disc with OpenCV: the joints stand around its middle in a fixed pattern."""

    name = "blob"
    skeleton = BODY20
    pattern = np.random.default_rng(1).uniform(-1, 1, (20, 2))

    def __init__(self) -> None:
        self.pictures = 0

    def __call__(self, image, time_ns):
        self.pictures += 1
        moments = cv2.moments((image[..., 1] > 128).astype(np.uint8), binaryImage=True)
        if moments["m00"] < 50:
            return []
        centre = np.array([moments["m10"], moments["m01"]]) / moments["m00"]
        radius = np.sqrt(moments["m00"] / np.pi)
        return [
            Person(
                keypoints=(centre + radius * self.pattern).astype(np.float32),
                score=np.full(20, 0.9, np.float32),
                variance=np.ones((20, 3), np.float32),
                box=(*(centre - radius), 2 * radius, 2 * radius),
                world=np.concatenate([self.pattern, self.pattern[:, :1]], axis=1).astype(np.float32),
            )
        ]


def body_at(seconds: np.ndarray) -> np.ndarray:
    """Return joints (T, 20, 3) m of a body that sways sideways."""
    sway = np.stack([0.4 * np.sin(2 * seconds), np.zeros_like(seconds), np.zeros_like(seconds)], axis=-1)
    return BODY + sway[:, None]


def pictures(seconds: float, nobody: tuple[float, float] = (1.0, 1.2)) -> Batch:
    times = (np.arange(int(seconds * 30)) * SECOND // 30 + 5_000_000).astype(np.int64)
    packets = []
    for t in times / SECOND:
        image = np.zeros((480, 640, 3), np.uint8)
        if not nobody[0] <= t < nobody[1]:
            cv2.circle(image, (int(320 + 100 * np.sin(2 * t)), 240), 60, (255, 255, 255), -1)
        packets.append(cv2.imencode(".jpg", image)[1].tobytes())
    return Batch(EYE.name, stamps(times), tuple(packets))


def write_session(path: Path, seconds: float = 2.0, *, truth: bool = True, withheld: bool = False) -> Path:
    imu, sound = imu_batch(seconds), sound_blocks(seconds)
    with SessionWriter(path, SessionAttributes(id="x", rig="vision: markers\n"), sync_s=0) as writer:
        from helpers_features import IMU, SOUND

        writer.add_stream(EYE, withheld=withheld)
        writer.add_stream(IMU)
        writer.add_stream(SOUND)
        writer.append(pictures(seconds))
        writer.append(imu)
        for block in sound:
            writer.append(block)
        if truth:
            writer.add_stream(TRUTH)
            times = (np.arange(int(seconds * 60)) * SECOND // 60).astype(np.int64)
            writer.append(Batch("truth", stamps(times), body_at(times / SECOND).astype(np.float32)))
        writer.event(Event(SECOND // 2, "label_start", "wave", "truth"))
        writer.event(Event(SECOND, "label_stop", "wave", "truth"))
    return path
