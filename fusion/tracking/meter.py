"""How fast the engine runs and how old its poses are when they come out."""

from __future__ import annotations

import collections
import dataclasses
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from fusion.tracking.latencies import Latencies, Percentiles
from fusion.tracking.pose import Pose

_RECENT = 600
"""Poses that the running display looks back on."""


_UNKNOWN = Percentiles(float("nan"), float("nan"))
_LATENCIES = ("frame_latency", "sample_latency", "frame_to_pose", "sample_to_pose")


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a run came to.

    Attributes:
        poses: fused poses.
        seconds: from the first pose to the last, on the monotonic clock.
        poses_per_s: of the monotonic clock.
        frames: pictures that the vision front end looked at, and those it was too busy for.
        frames_per_s: looked at, of the monotonic clock.
        late_ticks: poses made without waiting any longer for a stream.
        skipped_ticks: ticks left out, as the engine was too slow.
        frame_latency: from capture of the newest frame to the pose, of every pose.
        sample_latency: from the newest sample of any sensor to the pose, of every pose.
        frame_to_pose: from arrival of a frame to the first pose that knows of it, of every frame looked at.
        sample_to_pose: from arrival of an IMU's rows to the first pose that knows of them.
        dropped: what sinks were too slow for, by sink.
        cameras: ``frames`` looked at and ``skipped`` by camera.
        first_threads: threads that the system gave real-time priority.
    """

    poses: int
    seconds: float
    poses_per_s: float
    frames: int
    frames_skipped: int
    frames_per_s: float
    late_ticks: int
    skipped_ticks: int
    frame_latency: Percentiles
    sample_latency: Percentiles
    dropped: dict[str, int]
    cameras: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    frame_to_pose: Percentiles = _UNKNOWN
    sample_to_pose: Percentiles = _UNKNOWN
    first_threads: int = 0

    def write(self, path: Path) -> None:
        """Write it as JSON to a new file."""
        data = dataclasses.asdict(self)
        for name in _LATENCIES:
            data[name] = {k: None if np.isnan(v) else round(v, 3) for k, v in data[name].items()}
        with path.open("x", encoding="utf-8") as file:
            json.dump(data, file, indent=2)

    def __str__(self) -> str:
        text = (
            f"{self.poses} poses in {self.seconds:.1f} s ({self.poses_per_s:.1f}/s), "
            f"{self.frames} frames looked at ({self.frames_per_s:.1f}/s), {self.frames_skipped} skipped, "
            f"{self.skipped_ticks} ticks skipped"
        )
        told = {
            "latency from capture of the newest frame": self.frame_latency,
            "of the newest sample": self.sample_latency,
            "from arrival of a frame to its first pose": self.frame_to_pose,
            "of an IMU's rows": self.sample_to_pose,
        }
        for what, latency in told.items():
            if not math.isnan(latency.p50_ms):
                text += f"; {what} {latency}"
        return text


class Meter:
    """Counts poses and how long after capture they came out.

    Args:
        monotonic: the clock that rates are measured on, ns.
        live: whether latency means anything; a recording replayed as fast as it goes has none.
    """

    def __init__(self, monotonic: Callable[[], int], *, live: bool) -> None:
        self._clock = monotonic
        self._live = live
        self._came: collections.deque[int] = collections.deque(maxlen=_RECENT)
        self._frame, self._sample = Latencies(), Latencies()
        self._frame_arrival, self._sample_arrival = Latencies(), Latencies()
        self._first = self._last = 0
        self.poses = self.frames = self.frames_skipped = 0
        self.cameras: dict[str, dict[str, int]] = {}
        self.late_ticks = self.skipped_ticks = self.first_threads = 0

    def pose(self, pose: Pose, now_session: int | None) -> None:
        """Count a pose that came out at session time ``now_session`` ns."""
        now = self._clock()
        self._first = self._first or now
        self._last = now
        self._came.append(now)
        self.poses += 1
        if self._live and now_session is not None:
            if pose.frame_time is not None:
                self._frame.add(now_session - pose.frame_time)
            if pose.sample_time is not None:
                self._sample.add(now_session - pose.sample_time)

    def used(self, frames: Iterable[int], rows: Iterable[int], now: int) -> None:
        """Count what a pose that came out ``now`` was the first to know of, by when it arrived, all ns."""
        for arrival in frames:
            self._frame_arrival.add(now - arrival)
        for arrival in rows:
            self._sample_arrival.add(now - arrival)

    def looked(self, camera: str, frames: int = 1, skipped: int = 0) -> None:
        """Count pictures of a camera that were looked at, and that were not."""
        counts = self.cameras.setdefault(camera, {"frames": 0, "skipped": 0})
        counts["frames"] += frames
        counts["skipped"] += skipped
        self.frames += frames
        self.frames_skipped += skipped

    def recent(self) -> tuple[float, Percentiles, Percentiles]:
        """Return poses/s, latency from frame and from sample over the last poses."""
        span = (self._came[-1] - self._came[0]) / 1e9 if len(self._came) > 1 else 0.0
        rate = (len(self._came) - 1) / span if span > 0 else 0.0
        return rate, self._frame.recent(), self._sample.recent()

    def summary(self, dropped: dict[str, int] | None = None) -> Summary:
        """Return what the run came to."""
        seconds = (self._last - self._first) / 1e9
        return Summary(
            poses=self.poses,
            seconds=seconds,
            poses_per_s=(self.poses - 1) / seconds if seconds > 0 else 0.0,
            frames=self.frames,
            frames_skipped=self.frames_skipped,
            frames_per_s=self.frames / seconds if seconds > 0 else 0.0,
            late_ticks=self.late_ticks,
            skipped_ticks=self.skipped_ticks,
            frame_latency=self._frame.all(),
            sample_latency=self._sample.all(),
            dropped=dropped or {},
            cameras=self.cameras,
            frame_to_pose=self._frame_arrival.all(),
            sample_to_pose=self._sample_arrival.all(),
            first_threads=self.first_threads,
        )
