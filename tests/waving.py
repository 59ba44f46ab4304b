"""Sessions of a body with markers who waves before a camera, and of an IMU on a chest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus.messages import Event
from drivers.simulator.body import Body
from drivers.simulator.view import Painter, View
from fusion.skeletons import BODY20
from recordings.layout import SessionAttributes
from recordings.writer import SessionWriter

SECOND = 1_000_000_000
VIEW = View.look_at(320, 240)
CAMERA = StreamInfo(
    name="camera",
    kind="camera",
    encoding="jpeg",
    dtype="|u1",
    shape=(240, 320, 3),
    rate_hz=20.0,
    properties=VIEW.properties(),
)
TRUTH = StreamInfo(
    name="truth",
    kind="pose",
    shape=(20, 3),
    channels=tuple(f"{joint}.{axis}" for joint in BODY20 for axis in "xyz"),
    rate_hz=60.0,
)
CHEST = StreamInfo(
    name="chest",
    kind="imu",
    shape=(6,),
    channels=tuple(f"{what}_{axis}" for what in ("specific_force", "angular_rate") for axis in "xyz"),
    units=("m/s^2",) * 3 + ("rad/s",) * 3,
    rate_hz=100.0,
    regular=True,
    worn_on="chest",
)


def stamped(name: str, times: NDArray[np.int64], data: NDArray[np.float32] | Sequence[bytes]) -> Batch:
    """Return rows of a stream, numbered from 0, at session times (ns)."""
    stamps = np.zeros(len(times), STAMP)
    stamps["time"], stamps["seq"] = times, np.arange(len(times))
    return Batch(name, stamps, data if isinstance(data, np.ndarray) else tuple(data))


def write_waving(path: Path, seconds: float, labelled: tuple[float, float]) -> Path:
    """Write who waves: 20 pictures a second, the truth at 60 Hz, and a label from one time to another, s."""
    body, painter = Body(seed=4, script=("wave",)), Painter(VIEW)
    frames = (np.arange(int(seconds * 20)) * (SECOND // 20)).astype(np.int64)
    times = (np.arange(int(seconds * 60)) * (SECOND // 60)).astype(np.int64)
    pictures = [
        cv2.imencode(".jpg", painter(joints))[1].tobytes() for joints in body.pose(frames / SECOND).joints
    ]
    start, stop = (round(at * SECOND) for at in labelled)
    with SessionWriter(path, SessionAttributes(id="x", rig="vision: markers\n"), sync_s=0) as writer:
        writer.add_stream(CAMERA)
        writer.add_stream(TRUTH)
        writer.append(stamped("camera", frames, pictures))
        writer.append(stamped("truth", times, body.pose(times / SECOND).joints.astype(np.float32)))
        writer.event(Event(start, "label_start", "wave", "truth"))
        writer.event(Event(stop, "label_stop", "wave", "truth"))
    return path
