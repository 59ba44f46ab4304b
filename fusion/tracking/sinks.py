"""Where poses go: a table, the bus. The film is in ``film.py``."""

from __future__ import annotations

import abc
import csv
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus.messages import Ended
from drivers.bus.publisher import Publisher
from fusion.skeletons import BODY20
from fusion.tracking.pose import Pose, action_name
from fusion.vision.base import Person

POSE_COLUMNS: tuple[str, ...] = ("x", "y", "var", "X", "Y", "Z", "VAR", "score")
POSE_UNITS: tuple[str, ...] = ("px", "px", "px^2", "m", "m", "m", "m^2", "1")
"""Columns of one joint in the pose stream on the bus."""
PEOPLE_COLUMNS: tuple[str, ...] = (*POSE_COLUMNS, "person", "wears_sensors")
"""And in that of several people."""

RESEND_BYTES = 4 << 20
"""Poses of the last minute and more."""

Picture = NDArray[np.uint8]


class Sink(abc.ABC):
    """Takes poses, and the pictures they came from where it wants them.

    Attributes:
        name: for messages and counts.
        wants_pictures: whether ``picture`` is called.
    """

    name: str
    wants_pictures: bool = False

    @abc.abstractmethod
    def pose(self, pose: Pose) -> None:
        """Take the next pose."""

    def poses(self, poses: Sequence[Pose]) -> None:
        """Take the poses of a tick, of the wearer of the sensors first, then by number; at least one.

        A sink that can tell of one person only takes the first.
        """
        self.pose(poses[0])

    def picture(self, time: int, image: Picture) -> None:
        """Take a picture (H, W, 3) BGR that was looked at; before any pose that used it."""
        return

    def people(self, time: int, people: Sequence[Person]) -> None:
        """Take who was seen in a picture, with heatmaps where the front end gives them; live only."""
        return

    def close(self) -> None:
        """Finish the output."""
        return


class CsvSink(Sink):
    """A table in long form: a line for each person, joint and time; the units are in the header."""

    name = "csv"
    HEADER = (
        *("time_ns", "person", "joint", "x_px", "y_px", "sd_px", "x_m", "y_m", "z_m", "sd_m", "score"),
        *("action", "action_probability", "wears_sensors"),
    )

    def __init__(self, path: Path, actions: Sequence[str]) -> None:
        self._file = path.open("x", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(self.HEADER)
        self._actions = tuple(actions)

    def pose(self, pose: Pose) -> None:
        """Write a line for each joint; a place that is not known is left empty."""
        action, probability = action_name(pose, self._actions)
        doing = (action, f"{probability:.3f}", int(pose.wears))
        sd_px, sd_m = np.sqrt(pose.keypoints_var), np.sqrt(pose.joints_var)
        for j, joint in enumerate(BODY20):
            if np.isfinite(pose.keypoints[j]).all():
                place = [f"{v:.2f}" for v in (*pose.keypoints[j], sd_px[j])]
            else:
                place = ["", "", ""]
            metres = [f"{v:.4f}" for v in (*pose.joints[j], sd_m[j])]
            self._writer.writerow(
                (pose.time, pose.person, joint, *place, *metres, f"{pose.score[j]:.3f}", *doing)
            )

    def poses(self, poses: Sequence[Pose]) -> None:
        """Write everybody's lines."""
        for pose in poses:
            self.pose(pose)

    def close(self) -> None:
        """Write what is left and close the file."""
        self._file.close()


class BusSink(Sink):
    """Publishes the poses on the bus, as a stream of kind ``pose``.

    Rows are (20, 8) of :data:`POSE_COLUMNS`: px of the camera's picture, then m from the pelvis in
    camera axes. Stamps are the ticks; ``time_host`` is when the pose came out.

    Args:
        address: of the hub.
        rate_hz: ticks per second.
        camera: name of the camera's stream, for who draws the poses.
        now: monotonic clock of this host, ns.
    """

    name = "bus"
    STREAM = "fused_pose"

    def __init__(self, address: str, rate_hz: float, camera: str, actions: Sequence[str]) -> None:
        info = self.info(rate_hz, camera, actions)
        self._publisher = Publisher(address, info, resend_bytes=RESEND_BYTES)
        self._count = 0

    @classmethod
    def info(cls, rate_hz: float, camera: str, actions: Sequence[str]) -> StreamInfo:
        """Return the announcement."""
        return StreamInfo(
            name=cls.STREAM,
            kind="pose",
            shape=(len(BODY20), len(POSE_COLUMNS)),
            channels=POSE_COLUMNS,
            units=POSE_UNITS,
            rate_hz=rate_hz,
            device="chorus live",
            properties={"skeleton": ",".join(BODY20), "camera": camera, "actions": ",".join(actions)},
        )

    def pose(self, pose: Pose) -> None:
        """Publish one row."""
        self._publish(pose.time, pose_row(pose))

    def _publish(self, at: int, row: NDArray[np.float32]) -> None:
        stamps = np.zeros(1, STAMP)
        stamps["time"], stamps["time_device"] = at, at
        stamps["time_host"], stamps["seq"] = time.monotonic_ns(), self._count
        self._publisher.publish(Batch(self.STREAM, stamps, row[None]))
        self._count += 1

    def close(self) -> None:
        """End the stream in good order."""
        self._publisher.end(Ended(self.STREAM, self._count, {}))
        self._publisher.close()


class PeopleSink(BusSink):
    """Publishes everybody's poses on the bus, as a stream beside :class:`BusSink`'s, which has the first's.

    Rows are (N, 20, 10): the columns of :data:`POSE_COLUMNS`, then the person's number and whether they wear
    the sensors, the same for all joints. The wearer comes first; where there are fewer than N people the rest
    is NaN.

    Args:
        address: of the hub.
        rate_hz: ticks per second.
        camera: name of the camera's stream.
        actions: names of the network's actions.
        most: N.
    """

    name = "people"
    STREAM = "fused_people"

    def __init__(self, address: str, rate_hz: float, camera: str, actions: Sequence[str], most: int) -> None:
        info = self.info(rate_hz, camera, actions)
        self._most = most
        self._publisher = Publisher(
            address,
            msgspec.structs.replace(
                info,
                name=self.STREAM,
                shape=(most, len(BODY20), len(PEOPLE_COLUMNS)),
                channels=PEOPLE_COLUMNS,
                units=(*POSE_UNITS, "1", "1"),
            ),
            resend_bytes=RESEND_BYTES,
        )
        self._count = 0

    def poses(self, poses: Sequence[Pose]) -> None:
        """Publish one row of everybody."""
        row = np.full((self._most, len(BODY20), len(PEOPLE_COLUMNS)), np.nan, np.float32)
        for number, pose in enumerate(poses[: self._most]):
            row[number, :, : len(POSE_COLUMNS)] = pose_row(pose)
            row[number, :, len(POSE_COLUMNS) :] = pose.person, float(pose.wears)
        self._publish(poses[0].time, row)


def pose_row(pose: Pose) -> NDArray[np.float32]:
    """Return the row (20, 8) of :data:`POSE_COLUMNS` of a pose."""
    return np.concatenate(
        [
            pose.keypoints,
            pose.keypoints_var[:, None],
            pose.joints,
            pose.joints_var[:, None],
            pose.score[:, None],
        ],
        axis=1,
    ).astype(np.float32)
