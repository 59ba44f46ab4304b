"""Key points that a network elsewhere found in a camera's pictures, as a recording without pictures has them.

The camera is there with its stamps alone, as with ``store: none``, and beside it a stream of its key points.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus.messages import Ended
from drivers.joints import KEYPOINT_COLUMNS, KEYPOINT_UNITS
from recordings.writer import SessionWriter

SPREAD = 0.015
"""Spread told for key points that come without one, part of the longer side of the person's box: about what
detectors miss joints by on people who are seen well."""


@dataclasses.dataclass(frozen=True)
class KeypointCamera:
    """A camera and what was found in its pictures.

    Attributes:
        name: of its stream.
        network: that found them; names the stream of key points, ``<name>_<network>``.
        joints: (J) names.
        size: width and height of the pictures, px.
        rate_hz: pictures a second, 0 where irregular.
        device: as a person would name it.
        properties: calibration, see :mod:`drivers.camera.model`.
        host: identity of the clock of its stamps.
    """

    name: str
    network: str
    joints: tuple[str, ...]
    size: tuple[int, int]
    rate_hz: float
    device: str
    host: str
    properties: dict[str, str] = dataclasses.field(default_factory=dict)

    def infos(self, people: int = 1) -> tuple[StreamInfo, list[StreamInfo]]:
        """Return the camera's stream, and one of key points for each person."""
        width, height = self.size
        camera = StreamInfo(
            name=self.name,
            kind="camera",
            encoding="jpeg",
            dtype="|u1",
            shape=(height, width, 3),
            rate_hz=self.rate_hz,
            regular=self.rate_hz > 0,
            device=self.device,
            host=self.host,
            properties=self.properties,
        )
        points = [
            StreamInfo(
                name=f"{self.name}_{self.network}" + (f"_{number + 1}" if number else ""),
                kind="features",
                shape=(len(self.joints), len(KEYPOINT_COLUMNS)),
                channels=KEYPOINT_COLUMNS,
                units=KEYPOINT_UNITS,
                rate_hz=self.rate_hz,
                device=f"{self.network} on {self.device}",
                host=self.host,
                properties={
                    **self.properties,
                    "skeleton": ",".join(self.joints),
                    "camera": self.name,
                    "network": self.network,
                    "width": str(width),
                    "height": str(height),
                },
            )
            for number in range(people)
        ]
        return camera, points


def rows_of(points: NDArray[np.floating], score: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return rows (T, J, 10) of :data:`drivers.joints.KEYPOINT_COLUMNS`, their spread being :data:`SPREAD`.

    Args:
        points: (T, J, 2) px.
        score: (T, J) in [0, 1]; 0 where a joint was not found.
    """
    known = (score > 0)[..., None]
    low = np.where(known, points, np.inf).min(axis=1)
    high = np.where(known, points, -np.inf).max(axis=1)
    side = np.where(np.isfinite(high), high - low, 0.0).max(axis=-1)
    rows = np.zeros((*score.shape, len(KEYPOINT_COLUMNS)), np.float32)
    rows[..., 0:2] = np.where(known, points, 0.0)
    rows[..., 2] = np.clip(score, 0.0, 1.0)
    variance = np.square(SPREAD * np.maximum(side, 8.0))[:, None] * (score > 0)
    rows[..., 3], rows[..., 5] = variance, variance
    return rows


def stamps_of(times: NDArray[np.int64], numbers: NDArray[np.int64], bound_ns: int) -> NDArray[np.void]:
    """Return stamps (T,) of frames: session time, ns, their numbers from 0 on, and a bound on the times."""
    stamps = np.zeros(len(times), STAMP)
    stamps["time"] = stamps["time_host"] = stamps["time_device"] = times
    stamps["time_bound"], stamps["seq"] = bound_ns, numbers
    return stamps


def write_camera(
    writer: SessionWriter,
    camera: KeypointCamera,
    stamps: NDArray[np.void],
    people: list[NDArray[np.float32]],
    damaged: int = 0,
) -> None:
    """Write a camera without pictures, and key points.

    Args:
        writer: of the session.
        camera: what it is.
        stamps: (T,) of STAMP, see :func:`stamps_of`.
        people: for each (T, J, 10).
        damaged: of the frames that are missing, how many were there and could not be read.
    """
    info, points = camera.infos(len(people))
    gaps = int(stamps["seq"][-1]) + 1 - len(stamps)
    lost = {"device_gap": gaps - damaged, "checksum": damaged}
    lost = {reason: count for reason, count in lost.items() if count}
    pictures: tuple[bytes, ...] = (b"",) * len(stamps)
    for one, rows in ((info, pictures), *zip(points, people, strict=True)):
        writer.add_stream(one, withheld=one is info)
        writer.append(Batch(one.name, stamps, rows, lost))
        writer.ended(Ended(one.name, len(stamps) + gaps, lost))
