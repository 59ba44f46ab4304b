"""Sensors that are formulas, as batches cut any way a test likes."""

from __future__ import annotations

import itertools

import numpy as np

from drivers.base import STAMP, Batch, StreamInfo
from fusion.skeletons import BODY20
from fusion.vision.base import Person

SECOND = 1_000_000_000

IMU = StreamInfo(
    name="wrist",
    kind="imu",
    shape=(6,),
    channels=(
        *("specific_force_x", "specific_force_y", "specific_force_z"),
        *("angular_rate_x", "angular_rate_y", "angular_rate_z"),
    ),
    units=("m/s^2",) * 3 + ("rad/s",) * 3,
    rate_hz=100.0,
    regular=True,
    worn_on="right_forearm",
)

SOUND = StreamInfo(
    name="sound", kind="audio", dtype="<i2", shape=(1,), rate_hz=16000.0, regular=True, stamping="block"
)

CAMERA = StreamInfo(
    name="camera", kind="camera", encoding="jpeg", dtype="|u1", shape=(480, 640, 3), rate_hz=30
)


def stamps(times: np.ndarray, first: int = 0, step: int = 1) -> np.ndarray:
    out = np.zeros(len(times), STAMP)
    out["time"] = times
    out["seq"] = first + step * np.arange(len(times))
    return out


def imu_batch(seconds: float, seed: int = 0, info: StreamInfo = IMU) -> Batch:
    rng = np.random.default_rng(seed)
    n = int(seconds * info.rate_hz)
    rows = rng.normal(0, 1, (n, len(info.channels))).astype(np.float32)
    rows[:, 2] += 9.81
    times = (np.arange(n) * SECOND / info.rate_hz + 1_234_567).astype(np.int64)
    return Batch(info.name, stamps(times), rows)


def sound_blocks(seconds: float, info: StreamInfo = SOUND, block: int = 160) -> list[Batch]:
    n = int(seconds * info.rate_hz) // block
    t = np.arange(n * block) / info.rate_hz
    wave = 0.3 * np.sin(2 * np.pi * 440 * t) * (np.sin(2 * np.pi * 1.5 * t) > 0)
    rows = (wave * 32767).astype(np.int16)[:, None]
    return [
        Batch(
            info.name,
            stamps(np.array([int(i * block * SECOND / info.rate_hz) + 2_000_000]), first=i * block),
            rows[i * block : (i + 1) * block],
        )
        for i in range(n)
    ]


def person(at: tuple[float, float] = (320.0, 240.0), size: float = 200.0, seed: int = 3) -> Person:
    rng = np.random.default_rng(seed)
    unit = rng.uniform(-0.5, 0.5, (len(BODY20), 2))
    unit[0], unit[1], unit[2] = (0, 0), (0, -0.5), (0, 0.5)
    points = (np.array(at) + size * unit).astype(np.float32)
    return Person(
        keypoints=points,
        score=np.ones(len(BODY20), np.float32),
        variance=np.full((len(BODY20), 3), 4.0, np.float32),
        box=(at[0] - size / 2, at[1] - size / 2, size, size),
        world=rng.normal(0, 0.3, (len(BODY20), 3)).astype(np.float32),
    )


def split(batch: Batch, at: list[int]) -> list[Batch]:
    """Cut a row-stamped batch before the rows ``at``."""
    edges = [0, *sorted(at), len(batch)]
    return [
        Batch(batch.stream, batch.stamps[a:b], batch.data[a:b]) for a, b in itertools.pairwise(edges) if b > a
    ]
