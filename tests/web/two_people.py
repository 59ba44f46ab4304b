"""A session of two people side by side, the left one of whom wears sensors, for the page."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from drivers.base import STAMP, Batch, StreamInfo
from drivers.simulator.options import BodyOptions
from drivers.simulator.view import Painter, View
from recordings.layout import SessionAttributes
from recordings.writer import SessionWriter

SIZE = (320, 320)
PAINTED_S = 12.0
"""After so long the film goes back, and forth again."""
FPS, IMU_HZ = 10, 50
PLACES = ("pelvis", "left_forearm", "right_shin")
CHANNELS = (
    *(f"{what}_{axis}" for what in ("specific_force", "angular_rate") for axis in "xyz"),
    *(f"orientation_{axis}" for axis in "xyzw"),
)


def write_two_people(path: Path, seconds: float) -> Path:
    """Write the session; the camera's picture is 640 x 320."""
    bodies = [BodyOptions(seed=seed).body() for seed in (3, 8)]
    times = np.arange(int(seconds * FPS)) / FPS
    painters = [Painter(View.look_at(*SIZE, field_of_view_deg=45.0), n) for n in range(2)]
    joints = [body.pose(np.arange(0, PAINTED_S, 1 / FPS)).joints for body in bodies]
    painted = [
        cv2.imencode(".jpg", np.hstack([painters[n](joints[n][i], True) for n in range(2)]))[1].tobytes()
        for i in range(len(joints[0]))
    ]
    packets = tuple(painted[i] for i in _back_and_forth(len(times), len(painted)))
    camera = StreamInfo(
        name="camera", kind="camera", encoding="jpeg", dtype="|u1", shape=(320, 640, 3), rate_hz=FPS
    )
    moments = np.arange(int(seconds * IMU_HZ)) / IMU_HZ
    felt = bodies[0].inertial(np.arange(0, PAINTED_S, 1 / IMU_HZ), places=PLACES)
    there = _back_and_forth(len(moments), len(felt.orientations))
    with SessionWriter(path, SessionAttributes(id="two", rig="vision: markers\n"), sync_s=0) as writer:
        writer.add_stream(camera)
        writer.append(Batch("camera", _stamps(times), packets))
        for n, place in enumerate(PLACES):
            info = StreamInfo(
                name=place,
                kind="imu",
                shape=(len(CHANNELS),),
                channels=CHANNELS,
                units=("m/s^2",) * 3 + ("rad/s",) * 3 + ("1",) * 4,
                rate_hz=IMU_HZ,
                worn_on=place,
            )
            turn = Rotation.from_matrix(felt.orientations[:, n]).as_quat()
            rows = np.concatenate([felt.specific_force[:, n], felt.angular_rate[:, n], turn], axis=1)
            writer.add_stream(info)
            writer.append(Batch(place, _stamps(moments), rows[there].astype(np.float32)))
    return path


def _back_and_forth(count: int, rows: int) -> np.ndarray:
    """Return (count,) rows 0, 1 ... last, last ... 1, 0, 0, 1 ..."""
    way = np.arange(count) % (2 * rows)
    return np.minimum(way, 2 * rows - 1 - way)


def _stamps(seconds: np.ndarray) -> np.ndarray:
    stamps = np.zeros(len(seconds), STAMP)
    stamps["time"], stamps["seq"] = np.rint(seconds * 1e9), np.arange(len(seconds))
    return stamps
