"""Simulated people before one camera, one of whom wears the sensors: for what follows several of them.

::

    bodies that do random actions --> joints in the camera's picture and in metres, with errors --> Actors
               one of them, or one after the other --> rows of IMUs, with errors of parts and mounting

The camera stands 1.4 m high and 4.5 m away, pitched by up to 15 degrees. What it tells errs by 40 mm for
0.3 s at a time, in metres, and by 1.5 % of a person's height in the picture, which shows clothes and no more.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus.messages import Ended
from drivers.places import PLACES
from fusion.features import FeatureBuilder, FeatureSpec
from fusion.inertial.features import STANDARD_GRAVITY
from fusion.skeletons import BODY20
from fusion.tracking.crowd import Crowd
from fusion.tracking.engine import LiveEngine, Timing
from fusion.tracking.meter import Meter
from fusion.tracking.pose import Pose
from fusion.tracking.sinks import Sink
from fusion.virtual.corrupt import corruption
from fusion.virtual.kinematics import forward
from fusion.virtual.motion import Motions
from fusion.virtual.sensing import SensorRanges, VirtualSensors
from fusion.virtual.simulated import simulated
from fusion.vision.base import FrontEnd, Person

RATE_HZ = 60.0
EVERY = 2
"""Ticks from picture to picture: 30 Hz."""
SIZE = (640, 480)
JOINT_M, TAU_S, PIXEL = 0.04, 0.3, 0.015
CLOTHES = ((40, 40, 200), (60, 180, 60), (190, 60, 40), (30, 200, 220), (200, 40, 160))
SECOND = 1_000_000_000

CAMERA = StreamInfo(name="camera", kind="camera", dtype="|u1", shape=(SIZE[1], SIZE[0], 3), rate_hz=30.0)
_TOLD = (("specific_force", "xyz"), ("angular_rate", "xyz"), ("orientation", "xyzw"))
_CHANNELS = tuple(f"{what}_{axis}" for what, axes in _TOLD for axis in axes)
_UNITS = ("m/s^2",) * 3 + ("rad/s",) * 3 + ("1",) * 4
_TRUNK = [BODY20.index(name) for name in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")]

Visible = Callable[[int, float], bool]


class Stage:
    """What happens.

    Args:
        seed: of all that is random.
        seconds: how long.
        people: how many.
        sensors: of training, such as ``imus:six,calibrated:15``.
        keep: places (of PLACES) of the sensors that are left on; None: all.
        apart_m: from one person to the next.

    Attributes:
        joints: (people, T, 20, 3) m from the pelvis, camera axes, as they are.
        picture: (people, T, 20, 2) px, as they are.
        inertial, present: (people, T, 16, 12) and (people, T, 16): what sensors on each would tell.
    """

    def __init__(
        self,
        seed: int,
        seconds: float,
        people: int = 3,
        *,
        sensors: str = "imus:six,calibrated:15",
        keep: Sequence[int] | None = None,
        apart_m: float = 1.6,
        sway: float | None = None,
    ) -> None:
        rng = np.random.default_rng((seed, 31))
        virtual = VirtualSensors(corruption(sensors).ranges(SensorRanges()), RATE_HZ)
        motions = [simulated(100 * seed + n, seconds + 1.0, RATE_HZ, sway=sway) for n in range(people)]
        rows = min(len(motion) for motion in motions)
        batch = virtual(Motions.windows(motions, [0] * people, rows), torch.Generator().manual_seed(seed))
        self.inertial = batch["features"]["inertial"].numpy().astype(np.float64)
        self.present = batch["features"]["inertial_present"].numpy() > 0.5
        if keep is not None:
            self.present[..., [place for place in range(len(PLACES)) if place not in keep]] = False
        self.ticks = self.inertial.shape[1]
        pitch = math.radians(float(rng.uniform(-15.0, 15.0)))
        level = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
        turn = Rotation.from_euler("x", pitch).as_matrix() @ level
        focal, far = 0.9 * SIZE[1], 4.5
        joints: list[NDArray[np.float64]] = []
        picture: list[NDArray[np.float64]] = []
        for n, motion in enumerate(motions):
            posed = forward(motion.rotations, motion.skeleton.offsets, motion.root, motion.girdle)
            world = posed.joints.numpy().astype(np.float64)[-self.ticks :]
            aside = (n - (people - 1) / 2) * apart_m
            middle = np.array([*(world[:, 0, :2].mean(axis=0) - [aside, far]), 1.4])
            seen = (world - middle) @ turn.T
            joints.append(seen - seen[:, :1])
            picture.append(focal * seen[..., :2] / np.maximum(seen[..., 2:], 0.5) + np.array(SIZE) / 2)
        self.joints, self.picture = np.stack(joints), np.stack(picture)
        self._told = np.stack([_erring(each, rng) for each in self.joints])
        tall = np.ptp(self.picture[..., 1], axis=-1)
        noise = rng.normal(size=self.picture.shape) * (PIXEL * tall)[..., None, None]
        self._placed = self.picture + noise
        self.people = people

    def time(self, tick: int) -> int:
        """Return the session time of a tick, ns, as the engine's grid has it."""
        return round(tick * SECOND / RATE_HZ)

    def streams(self) -> list[StreamInfo]:
        """Return the camera and an IMU for each place where somebody's sensor is."""
        worn = [PLACES[n] for n in np.flatnonzero(self.present.any(axis=(0, 1)))]
        return [CAMERA, *(_imu(place) for place in worn)]

    def batches(
        self, wearer: Callable[[float], int | None], visible: Visible = lambda n, s: True
    ) -> Iterator[tuple[Batch, int]]:
        """Yield batches in order of time, each with its tick.

        Args:
            wearer: who wears the sensors at a time, s, from 0; None: they lie about, switched off.
            visible: whether the camera sees a person at a time.
        """
        for tick in range(self.ticks):
            seconds = tick / RATE_HZ
            who = wearer(seconds)
            for place in np.flatnonzero(self.present[who, tick]) if who is not None else ():
                row = self.inertial[who, tick, place]
                yield Batch(PLACES[place], _stamps(self.time(tick), tick), _raw(row)[None]), tick
            if tick % EVERY == 0:
                there = [n for n in range(self.people) if visible(n, seconds)]
                image = self.image(tick, there)
                yield Batch(CAMERA.name, _stamps(self.time(tick), tick // EVERY), image[None]), tick

    def image(self, tick: int, there: Sequence[int]) -> NDArray[np.uint8]:
        """Return the picture (H, W, 3) of who is there, in their clothes."""
        image = np.full((SIZE[1], SIZE[0], 3), 120, np.uint8)
        for n in there:
            trunk = self.picture[n, tick, _TRUNK]
            down = trunk[2:] + 0.4 * (trunk[2:] - trunk[[1, 0]])
            for corners in (trunk, np.concatenate([trunk[[3, 2]], down])):
                cv2.fillConvexPoly(image, corners.round().astype(np.int32), CLOTHES[n % len(CLOTHES)])
        return image

    def stand_still(self, n: int, since_s: float, until_s: float = math.inf, *, sensors: bool = True) -> None:
        """Let somebody not move for a while; without ``sensors`` only what the camera sees stands still."""
        first, last = round(since_s * RATE_HZ), round(min(until_s, self.ticks / RATE_HZ) * RATE_HZ)
        for seen in (self.joints, self.picture, self._told, self._placed):
            seen[n, first:last] = seen[n, first]
        if sensors:
            self.inertial[n, first:last] = self.inertial[n, first]

    def person(self, n: int, tick: int) -> Person:
        """Return somebody as the camera tells at a tick."""
        points = self._placed[n, tick]
        low, high = points.min(axis=0), points.max(axis=0)
        spread = (PIXEL * (high - low).max()) ** 2
        return Person(
            keypoints=points.astype(np.float32),
            score=np.full(len(BODY20), 0.9, np.float32),
            variance=np.tile(np.array([spread, 0.0, spread], np.float32), (len(BODY20), 1)),
            box=(float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])),
            world=self._told[n, tick].astype(np.float32),
        )


class Actors(FrontEnd):
    """Sees who is on a stage.

    Args:
        stage: what happens.
        visible: as given to :meth:`Stage.batches`.
    """

    name = "actors"
    skeleton = BODY20

    def __init__(self, stage: Stage, visible: Visible = lambda n, s: True) -> None:
        self._stage, self._visible = stage, visible

    def __call__(self, image: NDArray[Any], time_ns: int) -> list[Person]:
        tick = round(time_ns * RATE_HZ / SECOND)
        there = [n for n in range(self._stage.people) if self._visible(n, tick / RATE_HZ)]
        return [self._stage.person(n, tick) for n in there]


def _erring(joints: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return joints (T, 20, 3) as a camera tells them, m."""
    keep = math.exp(-1.0 / (TAU_S * RATE_HZ))
    noise = rng.normal(0.0, JOINT_M / math.sqrt(3.0), joints.shape)
    for row in range(1, len(noise)):
        noise[row] = keep * noise[row - 1] + math.sqrt(1.0 - keep**2) * noise[row]
    told = joints * np.array([1.0, 1.0, rng.uniform(0.8, 1.1)]) + noise
    return told - told[:, :1]


def _imu(place: str) -> StreamInfo:
    return StreamInfo(
        name=place,
        kind="imu",
        shape=(len(_CHANNELS),),
        channels=_CHANNELS,
        units=_UNITS,
        rate_hz=RATE_HZ,
        worn_on=place,
    )


def _raw(row: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return what a device sends of a row (12,) of the features: force, rate and quaternion xyzw."""
    x, y = row[6:9], row[9:12]
    turn = np.stack([x, y, np.cross(x, y)], axis=1)
    quaternion = Rotation.from_matrix(turn).as_quat()
    return np.concatenate([STANDARD_GRAVITY * row[:3], row[3:6], quaternion]).astype(np.float32)


def _stamps(time: int, number: int) -> NDArray[np.void]:
    stamps = np.zeros(1, STAMP)
    stamps["time"], stamps["seq"] = time, number
    return stamps


class Kept(Sink):
    """Keeps everybody's poses, and lets one wait for them."""

    name = "kept"

    def __init__(self) -> None:
        self.all: list[list[Pose]] = []
        self._came = threading.Condition()

    def pose(self, pose: Pose) -> None:
        self.poses([pose])

    def poses(self, poses: Sequence[Pose]) -> None:
        with self._came:
            self.all.append(list(poses))
            self._came.notify_all()

    def wait(self, time: int, timeout_s: float = 30.0) -> bool:
        """Wait for the poses of a session time, ns; return whether they came."""
        with self._came:
            return self._came.wait_for(lambda: bool(self.all) and self.all[-1][0].time >= time, timeout_s)


def play(
    stage: Stage,
    crowd: Crowd,
    wearer: Callable[[float], int | None],
    visible: Visible = lambda n, s: True,
    on_picture: Callable[[float], None] = lambda s: None,
) -> list[list[Pose]]:
    """Return everybody's poses at each tick: all that happens, tick by tick, nothing waited for.

    Args:
        stage: what happens.
        crowd: new.
        wearer: as given to :meth:`Stage.batches`.
        visible: whether the camera sees a person at a time, s.
        on_picture: called with the time, s, before each picture.
    """
    builder, eyes = FeatureBuilder(stage.streams(), BODY20, FeatureSpec(cameras=1)), Actors(stage, visible)
    out: list[list[Pose]] = []
    for tick, batches in itertools.groupby(stage.batches(wearer, visible), key=lambda each: each[1]):
        for batch, _ in batches:
            if batch.stream == CAMERA.name:
                on_picture(tick / RATE_HZ)
                at, image = int(batch.stamps["time"][0]), np.asarray(batch.data[0])
                seen = eyes(image, at)
                crowd.see(at, seen, image)
                builder.push_people(at, seen, CAMERA.name)
            else:
                builder.push(batch)
        while (due := builder.next_time) is not None and due <= stage.time(tick):
            out.append(crowd.poses(crowd.turns(builder.step(due))))
    return out


def play_live(
    stage: Stage, crowd: Crowd, wearer: Callable[[float], int | None], visible: Visible = lambda n, s: True
) -> list[list[Pose]]:
    """Return the same as :func:`play`, through the live engine with its threads; no picture is left out."""
    clock, patience = 0, 0.2
    kept = Kept()
    engine = LiveEngine(
        FeatureBuilder(stage.streams(), BODY20, FeatureSpec(cameras=1)),
        crowd,
        Actors(stage, visible),
        [kept],
        now=lambda: clock,
        meter=Meter(time.monotonic_ns, live=False),
        timing=Timing(patience),
    )
    engine.start()
    try:
        for batch, tick in stage.batches(wearer, visible):
            clock = stage.time(tick)
            engine.feed(batch)
            if batch.stream == CAMERA.name:
                engine.wait_seen(30.0)
                if tick > 15:
                    kept.wait(clock - round((patience + 0.05) * SECOND))
        for info in stage.streams():
            engine.feed(Ended(info.name, 0, {}))
        engine.wait(30.0)
    finally:
        engine.stop()
    return kept.all
