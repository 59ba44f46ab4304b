"""Samples of all sensors to one set of features per tick: the one code for live, offline and training.

::

    batches  --push-->         readers (one per sensor)  --step(tick)-->  dict of arrays
    people   --push_people-->

Everything is causal: a tick sees samples with corrected time <= its own. Every result is a function
of those samples alone, whatever the batches they came in and whenever they came, as long as a tick
waits for :meth:`FeatureBuilder.ready`. No clock is read here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import Batch, StreamInfo
from drivers.places import PLACES
from fusion.audio.stream import AudioReader
from fusion.features.sights import Sight, Sights
from fusion.features.spec import MAX_AGE_S, SHAPES, FeatureSpec
from fusion.features.vision import best_person, keypoints_of, skeleton_of
from fusion.inertial.features import InertialReader
from fusion.vision.base import Person
from recordings.timeline import SECOND, Grid, Tail

Features = dict[str, NDArray[Any]]

_NEVER = int(np.iinfo(np.int64).min)

log = logging.getLogger(__name__)


class FeatureBuilder:
    """Builds the features of consecutive ticks from samples as they arrive.

    Args:
        streams: what the session has; streams of other kinds are ignored. Cameras (or streams of key points;
            see :mod:`fusion.features.sights`), one microphone and one IMU per place are used: the one that
            ``spec`` names, else the first by name.
        skeleton: joint names of the vision front end whose people will be pushed.
        spec: choices.
        stature_m: how tall the wearer is, 0 where nobody said.

    Raises:
        ConfigError: a stream lacks what it takes to use it.
    """

    def __init__(
        self,
        streams: Iterable[StreamInfo],
        skeleton: Sequence[str] = (),
        spec: FeatureSpec | None = None,
        stature_m: float = 0.0,
    ) -> None:
        self.spec = spec or FeatureSpec()
        self._stature = stature_m
        self.grid = Grid(self.spec.rate_hz)
        self.sights = Sights(self.spec)
        self.unused: list[str] = []
        self._span = round(SECOND / self.spec.rate_hz)
        self._skeleton = tuple(skeleton)
        self._imus: dict[str, tuple[int, InertialReader, Tail]] = {}
        self._audio: AudioReader | None = None
        self._ended: set[str] = set()
        self._first: int | None = None
        self._last = _NEVER
        self._tick: int | None = None
        self.add(streams)

    def add(self, streams: Iterable[StreamInfo]) -> None:
        """Take further streams, e.g. of a driver that joined late."""
        for info in sorted(streams, key=lambda s: s.name):
            if not self._take(info):
                self.unused.append(info.name)
                log.info("stream %s takes no part in the features", info.name)

    def _take(self, info: StreamInfo) -> bool:
        if info.name in self.used:
            return True
        if info.kind == "imu":
            slot = PLACES.index(info.worn_on) if info.worn_on in PLACES else PLACES.index("unspecified")
            if any(taken == slot for taken, _, _ in self._imus.values()):
                return False
            self._imus[info.name] = (slot, InertialReader(info), Tail(self._span))
            return True
        if info.kind == "audio" and self._audio is None and self.spec.microphone in ("", info.name):
            self._audio = AudioReader(info)
            return True
        if info.kind in ("camera", "features") and self._may_see(info):
            self.sights.add(info, self._skeleton if info.kind == "camera" else skeleton_of(info))
            return True
        return False

    def _may_see(self, info: StreamInfo) -> bool:
        if self.spec.camera not in ("", info.name) or len(self.sights.all) >= self.spec.cameras:
            return False
        if info.kind == "camera" and not self._skeleton:
            return False
        if info.kind == "features" and "skeleton" not in info.properties and not self.spec.camera:
            return False  # heatmaps or other features
        named = info.kind == "camera" or "camera" in info.properties
        return not self.sights.all or (named and not self.sights.sees(info))

    @property
    def camera(self) -> StreamInfo | None:
        """The reference camera, in whose picture and axes poses are; None: no camera takes part."""
        return self.cameras[0] if self.sights.all else None

    @property
    def shown(self) -> str:
        """Name of the camera in whose picture and axes the newest features are; empty: none takes part."""
        return self.sights.shown

    @property
    def cameras(self) -> list[StreamInfo]:
        """All cameras that take part, the reference first."""
        return self.sights.cameras

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the streams that take part."""
        names = [*self._imus]
        if self._audio is not None:
            names.append(self._audio.info.name)
        return (*names, *self.sights.all)

    @property
    def slots(self) -> dict[str, str]:
        """The place of each IMU that takes part, by the name of its stream."""
        return {name: PLACES[slot] for name, (slot, _, _) in self._imus.items()}

    @property
    def next_time(self) -> int | None:
        """Session time of the next tick, ns, the first at or after the earliest sample; None: no sample."""
        if self._tick is not None:
            return self.grid.time(self._tick)
        return None if self._first is None else self.grid.time(self.grid.at_or_after(self._first))

    def push(self, batch: Batch) -> None:
        """Take samples of an IMU, a microphone or recorded key points; others are ignored.

        Pictures are not looked at here: see :meth:`push_people`.
        """
        if not len(batch):
            return
        if batch.stream in self._imus:
            _, reader, tail = self._imus[batch.stream]
            times = np.ascontiguousarray(batch.stamps["time"])
            tail.append(times, reader(np.asarray(batch.data), times, batch.stamps["seq"]))
        elif self._audio is not None and batch.stream == self._audio.info.name:
            self._audio.append(batch.stamps, np.asarray(batch.data))
        elif batch.stream in self.sights.all and self.sights.all[batch.stream].info.kind == "features":
            sight = self.sights.all[batch.stream]
            for time, rows in zip(batch.stamps["time"].tolist(), np.asarray(batch.data), strict=True):
                sight.push(sight.reader(time, rows))
        else:
            return
        self._saw(int(batch.stamps["time"][0]), self.mark(batch.stream))

    def push_people(self, time: int, people: Sequence[Person], camera: str = "") -> None:
        """Take what the vision front end saw in a camera's picture of session time ``time`` ns.

        Of several people the one seen best is taken. ``camera`` names the stream; by default the first one's.
        """
        person = best_person(people)
        if person is None:
            self.push_keypoints(time, None, camera=camera)
        else:
            self.push_keypoints(time, keypoints_of(person), person.peaks, camera)

    def push_keypoints(
        self,
        time: int,
        rows: NDArray[np.floating[Any]] | None,
        peaks: NDArray[np.floating[Any]] | None = None,
        camera: str = "",
    ) -> None:
        """Take stored key points (J, 10) of a camera's picture of session time ``time``; None: nobody."""
        sight = self._sight(camera)
        sight.push(sight.reader(time, rows, peaks))
        self._saw(time, time)

    def _sight(self, camera: str) -> Sight:
        assert self.camera is not None, "no camera takes part"
        return self.sights.all[camera or self.camera.name]

    def end(self, stream: str) -> None:
        """Wait for this stream no longer: it ended or failed."""
        self._ended.add(stream)

    def expect_frame(self, time: int, camera: str = "") -> None:
        """Know that no frame of a camera captured before ``time`` ns will be pushed any more."""
        sight = self._sight(camera)
        sight.mark = max(sight.mark, time - 1)

    @property
    def last_time(self) -> int:
        """Session time of the newest sample of any stream, ns."""
        return self._last

    @property
    def exhausted(self) -> bool:
        """Whether every stream ended and every tick up to the last sample was taken."""
        return not self.marks() and (self.next_time is None or self.next_time > self._last)

    def ready(self, tick: int) -> bool:
        """Return whether every stream that goes on has passed session time ``tick`` ns."""
        return all(mark >= tick for mark in self.marks().values())

    def mark(self, stream: str) -> int:
        """Return how far a stream has come: session time of its newest sample, ns.

        The smallest int64 where it takes no part, has ended or has not begun.
        """
        if stream in self._ended:
            return _NEVER
        if stream in self._imus:
            return self._imus[stream][2].last_time
        if self._audio is not None and stream == self._audio.info.name:
            return self._audio.last_time
        return self.sights.all[stream].mark if stream in self.sights.all else _NEVER

    def marks(self) -> dict[str, int]:
        """Return :meth:`mark` of each stream that goes on."""
        return {name: self.mark(name) for name in self.used if name not in self._ended}

    def steps(self) -> Iterator[Features]:
        """Yield the features of every further tick that is ready, up to the last sample."""
        while (tick := self.next_time) is not None and self.ready(tick) and not self.exhausted:
            yield self.step(tick)

    def step(self, tick: int) -> Features:
        """Return the features at session time ``tick`` ns, ready or not.

        Shapes are those of ``spec.SHAPES``, ages are in seconds; calibrated cameras beside the first one add
        ``fusion.model.contract.OTHERS``, uncalibrated ones ``camera`` (): which of ``cameras`` it is. Ticks
        are those of ``grid``, increasing;
        after one was left out the onset strength spans the hole.
        """
        self._tick = self.grid.at_or_after(tick) + 1
        out: Features = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
        out["time"] = np.array(tick, np.int64)
        out["stature"][...] = self._stature
        self.sights.step(tick, out)
        self._step_inertial(tick, out)
        self._step_audio(tick, out)
        return out

    def _saw(self, first: int, last: int) -> None:
        self._first = first if self._first is None else min(self._first, first)
        self._last = max(self._last, last)

    def _step_inertial(self, tick: int, out: Features) -> None:
        out["inertial_age"][...] = MAX_AGE_S
        for slot, _, tail in self._imus.values():
            seen = tail.at(tick)
            if seen is None:
                continue
            times, values = seen
            age = (tick - int(times[-1])) / SECOND
            out["inertial_age"][slot] = min(age, MAX_AGE_S)
            if age <= self.spec.inertial_hold_s:
                out["inertial"][slot, :6] = values[:, :6].mean(axis=0, dtype=np.float64)
                out["inertial"][slot, 6:] = values[-1, 6:]
                out["inertial_present"][slot] = 1.0

    def _step_audio(self, tick: int, out: Features) -> None:
        out["audio_age"][...] = MAX_AGE_S
        heard = self._audio.at(tick) if self._audio is not None else None
        if heard is None:
            return
        age = (tick - heard[1]) / SECOND
        out["audio_age"][...] = min(max(age, 0.0), MAX_AGE_S)
        if age <= self.spec.audio_hold_s:
            out["audio"][...] = heard[0]
            out["audio_present"][...] = 1.0


def stature_of(metadata: Mapping[str, object]) -> float:
    """Return the ``height`` that metadata of a rig or a session tell, m; 0 where they do not."""
    try:
        return float(str(metadata.get("height", 0.0)))
    except ValueError:
        return 0.0


def stack(steps: Sequence[Features]) -> Features:
    """Return features of T ticks as arrays (T, ...)."""
    if not steps:
        empty: Features = {name: np.zeros((0, *shape), np.float32) for name, shape in SHAPES.items()}
        empty["time"] = np.zeros(0, np.int64)
        return empty
    return {name: np.stack([step[name] for step in steps]) for name in steps[0]}
