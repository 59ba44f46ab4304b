"""Small true sessions, written by the writer itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME, STAMP, Batch, StreamInfo
from drivers.bus.messages import Ended, Event
from recordings.writer import SessionWriter

IMU = StreamInfo(
    name="wrist",
    kind="imu",
    shape=(6,),
    channels=(
        "specific_force_x",
        "specific_force_y",
        "specific_force_z",
        "angular_rate_x",
        "angular_rate_y",
        "angular_rate_z",
    ),
    units=("m/s^2",) * 3 + ("rad/s",) * 3,
    rate_hz=100.0,
    regular=True,
    worn_on="right_forearm",
    device="a test bench",
    properties={"true_clock": '{"offset_ns": 0}'},
)
SOUND = StreamInfo(
    name="room", kind="audio", dtype="<i2", shape=(1,), rate_hz=16000.0, regular=True, stamping="block"
)
CAMERA = StreamInfo(
    name="camera", kind="camera", encoding="jpeg", dtype="|u1", shape=(24, 32, 3), rate_hz=25.0
)


def stamps(times: Sequence[int] | NDArray[Any], seq: Sequence[int] | NDArray[Any]) -> NDArray[Any]:
    """Return stamps at session times (ns) for the rows numbered seq."""
    made = np.zeros(len(times), STAMP)
    made["time"] = times
    made["time_bound"] = 1_000_000
    made["time_host"] = np.asarray(times) + 7_000_000
    made["time_device"] = NO_TIME
    made["seq"] = seq
    return made


def picture(number: int) -> bytes:
    """Return a JPEG of a grey that tells its number."""
    image = np.full((24, 32, 3), number % 250, np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def imu_rows(start: int, stop: int) -> NDArray[np.float32]:
    """Return (stop - start, 6) rows that tell their number."""
    return (np.arange(start, stop)[:, None] + np.arange(6) / 8).astype(np.float32)


def fill(writer: SessionWriter, seconds: float) -> None:
    """Store an IMU at 100 Hz, sound at 16 kHz and a camera at 25 Hz, in the order of time."""
    for info in (IMU, SOUND, CAMERA):
        writer.add_stream(info)
    for tick in range(round(seconds * 25)):
        start = tick * 40_000_000
        rows = np.arange(tick * 4, tick * 4 + 4)
        writer.append(Batch("wrist", stamps(rows * 10_000_000, rows), imu_rows(rows[0], rows[-1] + 1)))
        sound = np.arange(tick * 640, tick * 640 + 640).astype("<i2")[:, None]
        writer.append(Batch("room", stamps([start], [tick * 640]), sound))
        writer.append(Batch("camera", stamps([start], [tick]), (picture(tick),)))
    for name, stream in writer.streams.items():
        writer.ended(Ended(name, stream.ledger.stored, {}))
    writer.event(Event(200_000_000, "label_start", "wave", "truth"))
    writer.event(Event(700_000_000, "label_stop", "wave", "truth"))
    writer.mark(start_ns=0, stop_ns=round(seconds * 1e9))
