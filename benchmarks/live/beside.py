"""Six IMUs and a microphone beside a video: rows of a swinging body, made in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from drivers.base import STAMP, Batch, StreamInfo
from fusion.web.gathered import IMU_CHANNELS

PLACES = ("pelvis", "head", "left_forearm", "right_forearm", "left_shin", "right_shin")
IMU_HZ, SOUND_HZ = 100.0, 48_000.0
SECOND = 1_000_000_000


def streams() -> list[StreamInfo]:
    """Return the six IMUs and the microphone."""
    imus = [
        StreamInfo(
            name=place, kind="imu", shape=(6,), channels=IMU_CHANNELS, worn_on=place, rate_hz=IMU_HZ,
            regular=True, units=("m/s^2",) * 3 + ("rad/s",) * 3,
        )
        for place in PLACES
    ]  # fmt: skip
    sound = StreamInfo(
        name="microphone", kind="audio", dtype="<i2", shape=(1,), rate_hz=SOUND_HZ, regular=True,
        stamping="block",
    )  # fmt: skip
    return [*imus, sound]


def rows(info: StreamInfo, begin: int, end: int) -> Batch | None:
    """Return the rows of a stream with begin <= time < end, ns; None where there are none."""
    first, last = (-int(-t * info.rate_hz // SECOND) for t in (begin, end))
    if last <= first:
        return None
    count = np.arange(first, last)
    if info.kind == "audio":
        data = (3000 * np.sin(2 * np.pi * 200 * count / info.rate_hz)).astype(np.int16)[:, None]
    else:
        phase = PLACES.index(info.name) + 2 * np.pi * count / info.rate_hz
        data = np.zeros((len(count), 6), np.float32)
        data[:, 0], data[:, 2] = 9.81 * np.sin(0.8 * np.sin(phase)), 9.81 * np.cos(0.8 * np.sin(phase))
        data[:, 4] = 5.0 * np.cos(phase)
    stamps = np.zeros(1 if info.kind == "audio" else len(count), STAMP)
    stamps["seq"] = count[: len(stamps)]
    stamps["time"] = (stamps["seq"].astype(np.float64) * SECOND / info.rate_hz).astype(np.int64)
    return Batch(info.name, stamps, data)


def with_sensors(frames: Iterable[tuple[Batch, bool]]) -> Iterator[tuple[Batch, bool]]:
    """Yield batches of a video, each after what the sensors sent until then, and at the end all as ended."""
    infos, then = streams(), 0
    for frame, last in frames:
        now = int(frame.stamps["time"][-1])
        for info in infos:
            batch = rows(info, then, now)
            if batch is not None or last:
                yield batch or Batch(info.name, np.zeros(0, STAMP), np.zeros((0, *info.shape))), last
        then = now
        yield frame, last
