"""The cameras of a session: each one's frames, and what they come to at a tick.

::

    frames of each camera --> Sight --+
                                      +--> one: its newest frame
                                      +--> calibrated: the reference camera's, helped by others; theirs beside
                                      +--> not calibrated: the one that sees best, as if it were the only one
"""

from __future__ import annotations

import collections
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import StreamInfo
from drivers.camera.model import model_of
from fusion.features.box import BoxFilter, box_of
from fusion.features.rigged import CalibratedRig
from fusion.features.several import ANCHOR_S, PELVIS, Looks, between, looks, merged, met, moment_of
from fusion.features.spec import MAX_AGE_S, SHAPES, FeatureSpec
from fusion.features.vision import VisionFrame, VisionReader, picture_size
from recordings.timeline import SECOND

Features = dict[str, NDArray[Any]]

_NEVER = int(np.iinfo(np.int64).min)
_KEPT_S = 0.5
"""So long frames are kept for others' moments."""
_SURE = 0.05
"""A joint with this spread, box sizes, counts 1 / e."""
_BETTER, _STEADY_S = 1.25, 0.5
"""Another camera is taken once it saw so many times better, on average over that time."""


class Sight:
    """One camera: its frames by time.

    Args:
        info: its stream, of pictures or of key points.
        reader: maps key points of its front end.
    """

    def __init__(self, info: StreamInfo, reader: VisionReader) -> None:
        self.info, self.reader = info, reader
        self.frames: collections.deque[VisionFrame] = collections.deque()
        self.mark = _NEVER
        self.box = np.zeros(3, np.float32)
        self.at = -1
        """Number of the newest frame at the tick; -1: none yet."""

    def push(self, frame: VisionFrame) -> None:
        """Take the next frame."""
        self.frames.append(frame)
        self.mark = max(self.mark, frame.time)

    def move(self, tick: int) -> VisionFrame | None:
        """Go on to a tick, ns; return the newest frame of then, however old."""
        frames = self.frames
        while self.at + 1 < len(frames) and frames[self.at + 1].time <= tick:
            self.at += 1
            box = frames[self.at].box
            self.box = self.box if box is None else box
        while self.at > 1 and frames[1].time < tick - _KEPT_S * SECOND:
            frames.popleft()
            self.at -= 1
        return frames[self.at] if self.at >= 0 else None

    def around(self, moment: int) -> tuple[VisionFrame | None, VisionFrame | None]:
        """Return the frames before and after a moment, ns; the newest two where none came after it."""
        late = self.at
        while late > 0 and self.frames[late - 1].time >= moment:
            late -= 1
        if late < 0:
            return None, None
        return (self.frames[late - 1] if late > 0 else None), self.frames[late]


class Sights:
    """All cameras that take part.

    Args:
        spec: choices.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self.spec = spec
        self.all: dict[str, Sight] = {}
        self._rig: CalibratedRig | None = None
        self._calibrated: list[Sight] = []
        self._best = 0
        self._quality = np.zeros(0)
        self._then = _NEVER
        self._helped: tuple[tuple[Any, ...], Features] | None = None
        self._anchor, self._anchored = np.full(3, np.nan), _NEVER
        self._filter = BoxFilter()

    @property
    def cameras(self) -> list[StreamInfo]:
        """Their streams, the reference first."""
        return [sight.info for sight in self._ordered]

    @property
    def _ordered(self) -> list[Sight]:
        rest = [sight for sight in self.all.values() if sight not in self._calibrated]
        return [*self._calibrated, *rest]

    @property
    def shown(self) -> str:
        """Name of the reference camera, or of the one that was chosen last."""
        if not self.all:
            return ""
        return self.cameras[0 if self.calibrated else self._best].name

    @property
    def calibrated(self) -> bool:
        """Whether several cameras help one another; else each tick has one."""
        return self._rig is not None

    @property
    def together(self) -> int:
        """How many cameras the network looks through at a time."""
        return max(1, len(self._calibrated))

    def sees(self, info: StreamInfo) -> bool:
        """Whether a stream shows what a camera that takes part shows already."""
        return _camera_of(info) in {_camera_of(sight.info) for sight in self.all.values()}

    def add(self, info: StreamInfo, skeleton: Sequence[str]) -> None:
        """Take part of a camera, or of a stream of key points.

        Raises:
            ConfigError: the stream lacks what it takes to use it, or its calibration is malformed.
        """
        self.all[info.name] = Sight(info, VisionReader(skeleton, picture_size(info), self.spec))
        self._quality = np.zeros(len(self.all))
        if len(self.all) < 2:
            return
        models = {
            name: model_of(sight.info.properties, picture_size(sight.info), name)
            for name, sight in self.all.items()
        }
        known = {
            name: model for name, model in models.items() if model is not None and model.pose is not None
        }
        first = next(iter(self.all))
        if len(known) > 1 and (first in known or self.all[first].mark == _NEVER):
            self._calibrated = [self.all[name] for name in known]
            self._rig = CalibratedRig(list(known.values()))

    def step(self, tick: int, out: Features) -> None:
        """Write what is seen at a tick, ns, into its features."""
        out["vision_age"][...] = MAX_AGE_S
        newest = {id(sight): sight.move(tick) for sight in self.all.values()}
        if self._rig is None:
            if not self.all:
                return
            sight = self._chosen(tick, newest)
            if len(self.all) > 1:
                out["camera"] = np.array(self._best, np.int64)
            self._alone(sight, newest[id(sight)], tick, out)
            return
        frames = [newest[id(sight)] for sight in self._calibrated]
        self._alone(self._calibrated[0], frames[0], tick, out)
        self._beside(frames, tick, out)
        self._help(frames, tick, out)

    def _alone(self, sight: Sight, frame: VisionFrame | None, tick: int, out: Features) -> None:
        if frame is not None:
            age = (tick - frame.time) / SECOND
            out["vision_age"][...] = min(age, MAX_AGE_S)
            if age <= self.spec.vision_hold_s:
                out["vision"][...] = frame.vision
                out["vision_present"][...] = frame.present
                out["vision_world"][...] = frame.world
        out["box"][...] = sight.box

    # Not calibrated.

    def _chosen(self, tick: int, newest: dict[int, VisionFrame | None]) -> Sight:
        """Return the camera that sees best, a little longer than it does."""
        sights = list(self.all.values())
        if len(sights) == 1:
            return sights[0]
        now = np.array([self._seen(newest[id(sight)], tick) for sight in sights])
        passed = min(max(tick - self._then, 0) / SECOND, 10.0) if self._then != _NEVER else 10.0
        self._quality += (1.0 - np.exp(-passed / _STEADY_S)) * (now - self._quality)
        self._then = tick
        best = int(self._quality.argmax())
        if self._quality[best] > _BETTER * self._quality[self._best] + 0.01:
            self._best = best
        return sights[self._best]

    def _seen(self, frame: VisionFrame | None, tick: int) -> float:
        """Return how well a frame shows the person, 0 to 1: by how sure the front end is of each joint."""
        if frame is None or (tick - frame.time) / SECOND > self.spec.vision_hold_s:
            return 0.0
        spread = np.sqrt(0.5 * (frame.vision[:, 3] + frame.vision[:, 5]))
        return float(np.mean(frame.present * np.exp(-spread / _SURE)))

    # Calibrated.

    def _beside(self, frames: Sequence[VisionFrame | None], tick: int, out: Features) -> None:
        """Write what each further camera tells by itself."""
        assert self._rig is not None
        count = len(frames) - 1
        for name in ("vision", "vision_present", "vision_age", "box"):
            key = "others" + name.removeprefix("vision") if name != "box" else "others_box"
            out[key] = np.zeros((count, *SHAPES[name]), np.float32)
        out["others_age"][...] = MAX_AGE_S
        out["others_bearing"] = self._rig.bearings[1:].copy()
        for number, (sight, frame) in enumerate(zip(self._calibrated[1:], frames[1:], strict=True)):
            out["others_box"][number] = sight.box
            if frame is None:
                continue
            age = (tick - frame.time) / SECOND
            out["others_age"][number] = min(age, MAX_AGE_S)
            if age <= self.spec.vision_hold_s:
                out["others"][number], out["others_present"][number] = frame.vision, frame.present

    def _help(self, frames: Sequence[VisionFrame | None], tick: int, out: Features) -> None:
        """Let the others help the reference camera: depth, and joints that it does not see."""
        assert self._rig is not None
        fresh = [
            f if f is not None and tick - f.time <= self.spec.vision_hold_s * SECOND else None for f in frames
        ]
        key = tuple(None if frame is None else frame.time for frame in fresh)
        if sum(frame is not None and bool(frame.present.any()) for frame in fresh[1:]) == 0:
            return
        if self._helped is None or self._helped[0] != key:
            self._helped = key, self._merged(fresh)
        made = self._helped[1]
        if not made["vision_present"].any():
            return
        for name in ("vision", "vision_present", "vision_world", "box"):
            out[name][...] = made[name]
        out["vision_age"][...] = min((tick - int(made["time"])) / SECOND, MAX_AGE_S)

    def _merged(self, fresh: Sequence[VisionFrame | None]) -> Features:
        rig = self._rig
        assert rig is not None
        now = max(frame.time for frame in fresh if frame is not None)
        new = self._looks(fresh, now)
        moment = now - round(float(moment_of(new.age, new.present)) * SECOND)
        pairs = [sight.around(moment) for sight in self._calibrated]
        early, late = (self._looks([pair[number] for pair in pairs], now) for number in (0, 1))
        seen = between(early, late, np.array((now - moment) / SECOND))
        found = met(seen, rig)
        if found.known[PELVIS]:
            self._anchor, self._anchored = found.places[PELVIS], moment
        held = moment - self._anchored <= ANCHOR_S * SECOND
        told = merged(seen, found, rig, self._anchor if held else np.full(3, np.nan))
        present = told.present & (told.present.sum() >= self.spec.min_joints)
        own = fresh[0] if bool(told.own) and fresh[0] is not None and fresh[0].box is not None else None
        if own is not None and own.box is not None:
            box = self._filter.follow(own.box.astype(np.float64), moment)
        elif present.any():
            box = self._filter(box_of(told.vision[:, :2], present), moment)
        else:
            box = np.zeros(3)
        vision = told.vision.copy()
        vision[:, :2] = (vision[:, :2] - box[:2]) / max(box[2], 1e-6)
        vision[:, 3:6] /= max(box[2], 1e-6) ** 2
        world = np.where(told.world_known[:, None], told.world, 0.0 if own is None else own.world)
        return {
            "time": np.array(moment),
            "vision": (vision * present[:, None]).astype(np.float32),
            "vision_present": present.astype(np.float32),
            "vision_world": (world * present[:, None]).astype(np.float32),
            "box": box.astype(np.float32),
        }

    def _looks(self, frames: Sequence[VisionFrame | None], now: int) -> Looks:
        """Return what the cameras' frames tell; one that has none tells nothing."""
        assert self._rig is not None
        nobody = self._calibrated[0].reader.nobody(now - 10 * SECOND)
        all_ = [frame or nobody for frame in frames]
        boxes = [np.zeros(3) if frame.box is None else frame.box for frame in all_]
        return looks(
            np.stack([frame.vision for frame in all_]),
            np.stack([frame.present for frame in all_]),
            np.array([(now - frame.time) / SECOND for frame in all_]),
            np.stack(boxes),
            self._rig,
        )


def _camera_of(info: StreamInfo) -> str:
    return info.name if info.kind == "camera" else info.properties.get("camera", info.name)
