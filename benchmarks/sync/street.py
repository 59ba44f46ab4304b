"""Sessions with planted latencies: a virtual body claps in a street, made in a moment instead of recorded."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME, STAMP, Batch, StreamInfo
from drivers.bus.messages import Ended
from drivers.simulator.body import Body
from drivers.simulator.sensor import shocks
from drivers.simulator.sound import Sound
from drivers.simulator.view import Painter, View
from recordings.layout import SessionAttributes
from recordings.writer import SessionWriter

Array = NDArray[np.float64]

SOUND_HZ, PICTURE_HZ = 48_000, 30.0
FORCE = ("specific_force_x", "specific_force_y", "specific_force_z")


@dataclasses.dataclass(frozen=True)
class Scene:
    """What happens and how well it is recorded.

    Attributes:
        seed: of the body and of all noise.
        latency_ms: of ``sound``, ``imu`` and ``picture``, planted.
        script: what the body does.
        five: the body's seed is the next one from which exactly five claps come.
        snr_db: mean power of the 50 ms after each clap over that of the street.
        wander_ms, jitter_ms: slow and white error of the times of IMUs; sound has a tenth, pictures twice it.
        bangs: doors and the like in the street, as loud as claps, a minute.
        imus: place worn and rate of each sensor.
        pictures: painted and stored; without them the hands are never seen.
        hidden: claps in which pictures are empty.
        gaps: claps in which the IMUs' rows are missing.
    """

    seed: int
    latency_ms: dict[str, float]
    script: tuple[str, ...] = ("stand", "clap", "walk")
    five: bool = True
    snr_db: float = 10.0
    wander_ms: float = 0.3
    jitter_ms: float = 0.3
    bangs: float = 6.0
    imus: tuple[tuple[str, float], ...] = (("left_forearm", 100.0), ("right_forearm", 200.0))
    pictures: bool = True
    hidden: tuple[int, ...] = ()
    gaps: tuple[int, ...] = ()

    def body(self) -> Body:
        """Return the body: of the first seed that has exactly five claps, counted from 1000 x ``seed``."""
        for seed in range(1000 * self.seed, 1000 * self.seed + 1000):
            body = Body(seed, self.script)
            if not self.five or len(claps_of(body, self.length(body))) == 5:
                return body
        raise AssertionError("no body claps five times")

    def length(self, body: Body) -> float:
        """Return how long the body takes for the script, s; 16 s at most."""
        return min([segment.stop for segment in body.segments(0.0, 60.0)][len(self.script) - 1], 16.0)


def claps_of(body: Body, stop_s: float) -> Array:
    """Return the instants of the claps up to ``stop_s``, s."""
    return np.array([impact.time for impact in body.impacts(0.0, stop_s) if impact.kind == "clap"])


def street(rng: np.random.Generator, count: int, bangs: float) -> Array:
    """Return (count,) of a street's noise, of mean power 1: traffic that swells, and bangs."""
    frequency = np.fft.rfftfreq(count, 1 / SOUND_HZ)
    spectrum = rng.normal(size=len(frequency)) + 1j * rng.normal(size=len(frequency))
    colour = 1 / np.sqrt(np.maximum(frequency, 30.0)) / (1 + (frequency / 900.0) ** 1.2)
    noise = np.fft.irfft(spectrum * colour, count)
    t = np.arange(count) / SOUND_HZ
    noise *= 1 + 0.5 * np.sin(2 * np.pi * t / rng.uniform(4, 9) + rng.uniform(0, 6))
    noise /= noise.std()
    for _ in range(rng.poisson(bangs * count / SOUND_HZ / 60)):
        at, decay = rng.uniform(0, t[-1]), rng.uniform(0.01, 0.06)
        since = np.maximum(t - at, 0.0)
        piece = np.where(t >= at, np.exp(-since / decay), 0.0) * rng.normal(size=count)
        noise += rng.uniform(2, 8) * np.cumsum(piece) / max(np.abs(np.cumsum(piece)).max(), 1e-9)
    return noise


def make(path: Path, scene: Scene) -> tuple[Array, float]:
    """Write the session of a scene; return the instants of its claps, s, and its length, s."""
    rng = np.random.default_rng((scene.seed, 11))
    body = scene.body()
    length = scene.length(body)
    claps = claps_of(body, length)
    with SessionWriter(path, SessionAttributes(id=path.stem, rig="vision: markers\n"), sync_s=0) as writer:
        _sound(writer, scene, body, claps, length, rng)
        for place, rate in scene.imus:
            _imu(writer, scene, body, claps, length, rng, place, rate)
        if scene.pictures:
            _pictures(writer, scene, body, claps, length, rng)
    return claps, length


def _stamps(
    true_s: Array, late_ms: float, errors: float, scene: Scene, rng: np.random.Generator
) -> NDArray[np.void]:
    slow = np.sin(2 * np.pi * true_s / rng.uniform(5, 20) + rng.uniform(0, 6))
    white = rng.normal(size=len(true_s))
    wrong = errors * (scene.wander_ms * slow + scene.jitter_ms * white)
    stamps = np.zeros(len(true_s), STAMP)
    stamps["time"] = np.maximum.accumulate(np.rint(true_s * 1e9 + (late_ms + wrong) * 1e6).astype(np.int64))
    stamps["time_host"] = stamps["time"]
    stamps["time_device"] = NO_TIME
    return stamps


def _sound(
    writer: SessionWriter, scene: Scene, body: Body, claps: Array, length: float, rng: np.random.Generator
) -> None:
    info = StreamInfo(
        name="microphone",
        kind="audio",
        dtype="<i2",
        shape=(1,),
        rate_hz=SOUND_HZ,
        regular=True,
        stamping="block",
    )
    block = 960
    count = int(length * SOUND_HZ) // block * block
    t = np.arange(count) / SOUND_HZ
    clean = Sound(body, scene.seed, 0.0)(t)
    power = 0.005
    if len(claps):
        rows = (claps[:, None] * SOUND_HZ + np.arange(int(0.05 * SOUND_HZ))).astype(int)
        power = float(np.mean(clean[np.minimum(rows, count - 1)] ** 2))
    loud = clean + street(rng, count, scene.bangs) * np.sqrt(power / 10 ** (scene.snr_db / 10))
    rows = np.rint(np.clip(0.5 * loud, -1, 1) * 32767).astype("<i2")[:, None]
    stamps = _stamps(t[::block], scene.latency_ms["sound"], 0.1, scene, rng)
    stamps["seq"] = np.arange(0, count, block)
    writer.add_stream(info)
    for i in range(count // block):
        writer.append(Batch(info.name, stamps[i : i + 1], rows[i * block : (i + 1) * block]))
    writer.ended(Ended(info.name, count, {}))


def _imu(
    writer: SessionWriter,
    scene: Scene,
    body: Body,
    claps: Array,
    length: float,
    rng: np.random.Generator,
    place: str,
    rate: float,
) -> None:
    info = StreamInfo(
        name=place,
        kind="imu",
        shape=(3,),
        channels=FORCE,
        units=("m/s^2",) * 3,
        rate_hz=rate,
        regular=True,
        worn_on=place,
    )
    t = rng.uniform(0, 1 / rate) + np.arange(int(length * rate) - 1) / (rate * (1 + 1e-6 * rng.normal(0, 60)))
    force = body.inertial(t, (place,)).specific_force[:, 0]
    force[:, 2] += shocks(body, t, place)
    force += rng.normal(0, 0.02, force.shape) + rng.normal(0, 0.06, 3)
    stamps = _stamps(t, scene.latency_ms["imu"], 1.0, scene, rng)
    stamps["seq"] = np.arange(len(t))
    kept = np.ones(len(t), bool)
    for clap in scene.gaps:
        kept &= np.abs(t - claps[clap]) > 0.1
    kept &= rng.random(len(t)) > 0.01
    writer.add_stream(info)
    writer.append(Batch(place, stamps[kept], force[kept].astype("<f4")))
    writer.ended(Ended(place, len(t), {"device_gap": int((~kept).sum())}))


def _pictures(
    writer: SessionWriter, scene: Scene, body: Body, claps: Array, length: float, rng: np.random.Generator
) -> None:
    view = View.look_at()
    info = StreamInfo(
        name="camera",
        kind="camera",
        encoding="jpeg",
        dtype="|u1",
        shape=(view.height, view.width, 3),
        rate_hz=PICTURE_HZ,
        properties={**view.properties(), "scene": json.dumps(scene.seed)},
    )
    t = rng.uniform(0, 1 / PICTURE_HZ) + np.arange(int(length * PICTURE_HZ) - 1) / PICTURE_HZ
    stamps = _stamps(t, scene.latency_ms["picture"], 2.0, scene, rng)
    stamps["seq"] = np.arange(len(t))
    painter, joints = Painter(view, scene.seed), body.pose(t).joints
    writer.add_stream(info)
    for i, instant in enumerate(t):
        image = painter(joints[i])
        if any(abs(instant - claps[clap]) < 0.25 for clap in scene.hidden):
            image[:] = 90
        noisy = cv2.add(image, cv2.randn(np.empty(image.shape, np.int16), 0, 6), dtype=cv2.CV_8U)
        _, jpeg = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 85])
        writer.append(Batch(info.name, stamps[i : i + 1], (jpeg.tobytes(),)))
    writer.ended(Ended(info.name, len(t), {}))
