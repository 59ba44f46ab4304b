"""A person in 3D from the recorded cameras of a session.

::

    pictures ── front end, camera by camera ── key points ┐
    recorded key points ──────────────────────────────────┴─ same moments ─ same sides
                                                              ─ triangulate ─ turn ─ smooth
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from drivers.camera.model import CameraModel, model_of
from drivers.errors import ConfigError, DataError
from fusion.features.offline import vision_of
from fusion.features.vision import best_person, keypoints_of, picture_size, skeleton_of
from fusion.geometry.fit import Fit, fitted
from fusion.geometry.seen import Track, together
from fusion.geometry.sides import same_sides
from fusion.geometry.smooth import smoothed
from fusion.geometry.triangulate import Points, Weights, check, triangulate
from fusion.geometry.turn import offsets, telling, turned
from fusion.vision.base import FrontEnd, front_end

if TYPE_CHECKING:
    from recordings.reader import Recording
    from recordings.stream_reader import StreamReader

FLOOR, CUTOFF = 0.003, 0.02
"""Error of a key point beyond what its looks tell, and where it is another thing: of the longer side. With
this floor BlazePose's key points are as far from the result as their variances say."""
LEAST_SCORE = 0.5

Told = Callable[[str, float], None]


@dataclasses.dataclass(frozen=True)
class Options:
    """How a person is triangulated.

    Attributes:
        vision: name of the front end; empty: the one of the session's rig.
        looks: looks at each picture, see :mod:`fusion.vision.looks`.
        turn: turn cameras that see all joints to one side: ``auto`` where it is more than key points err by.
        smooth_hz: cutoff of the low-pass; 0: jumps and gaps only. Films that were played slower are
            smoothed in their own time.
        fit: how pictures differ from those that were calibrated, see :mod:`fusion.geometry.fit`.
    """

    vision: str = ""
    looks: int = 4
    turn: Literal["auto", "yes", "no"] = "auto"
    smooth_hz: float = 6.0
    fit: Fit = "auto"


@dataclasses.dataclass(frozen=True)
class Person3D:
    """One person over T moments, J joints.

    Attributes:
        skeleton: (J) joint names.
        times: (T,) ns of session time.
        raw: (T, J, 3) m, world, as triangulated.
        places: (T, J, 3) m, smoothed.
        points: all of ``raw`` (N = T * J) with errors and covariances.
        cameras: as used, by name.
        turned_deg: by how much each camera was turned.
        offset_px: (px, before turning) how far each camera sees all joints to one side.
        seen: fraction of moments at which each camera saw somebody.
        swapped: fraction of moments at which each camera took sides of body or limbs for the other.
        pace: seconds of a film that passed in one of session time; less than 1 if it was played slower.
    """

    skeleton: tuple[str, ...]
    times: NDArray[np.int64]
    raw: NDArray[np.float64]
    places: NDArray[np.float64]
    points: Points
    cameras: dict[str, CameraModel]
    turned_deg: dict[str, float]
    offset_px: dict[str, float]
    seen: dict[str, float]
    swapped: dict[str, float]
    pace: float = 1.0

    @property
    def error_px(self) -> NDArray[np.float64]:
        """(T, J) reprojection error."""
        return self.points.error_px.reshape(len(self.times), -1)

    @property
    def deviation_m(self) -> NDArray[np.float64]:
        """(T, J) m: standard deviation of the raw place, root mean square over its axes."""
        spread = np.trace(self.points.covariance, axis1=1, axis2=2) / 3
        return np.sqrt(spread).reshape(len(self.times), -1)

    @property
    def cameras_used(self) -> NDArray[np.int64]:
        """(T, J) cameras that each place rests on."""
        return self.points.used.sum(0).reshape(len(self.times), -1)


def person_of(
    recording: Recording,
    cameras: Mapping[str, CameraModel] | None = None,
    options: Options | None = None,
    told: Told | None = None,
) -> Person3D:
    """Return the person whom the cameras of a session see best.

    Args:
        recording: an open session.
        cameras: calibrated cameras by stream; None: as the session keeps them.
        options: choices.
        told: told of the fraction done, camera by camera.

    Raises:
        ConfigError: fewer than two cameras, or one whose lens or place is unknown.
        DataError: nobody was seen by two cameras at once.
        WeightsError: the front end's network could not be obtained.
    """
    options = options or Options()
    streams = _streams(recording, cameras)
    models = {name: _model(stream, cameras, options.fit) for name, stream in streams.items()}
    check(list(models.values()))
    skeleton: tuple[str, ...] = ()
    tracks: dict[str, Track] = {}
    for name, stream in streams.items():
        skeleton, tracks[name] = _track(recording, stream, options, told)
    times, at_once = together(tracks)
    longest = max(max(model.size) for model in models.values())
    weights = Weights(FLOOR * longest, 1.0, LEAST_SCORE, CUTOFF * longest)
    used = list(models.values())
    pixels, score, variance = (
        np.stack([getattr(track, field) for track in at_once]) for field in ("pixels", "score", "variance")
    )
    named, swapped = same_sides(used, skeleton, (pixels, score, variance), weights)
    pixels, score, variance = (each.reshape(len(used), -1, *each.shape[3:]) for each in named)
    points = triangulate(used, pixels, score, variance, weights)
    if not np.isfinite(points.places).any():
        raise DataError(
            f"{recording.path}: no two cameras saw the same person",
            mend="Check that the calibration belongs to these cameras (--map), and that they see one person",
        )
    off = offsets(used, pixels, points)
    turns = np.zeros(len(used))
    if options.turn == "yes" or (options.turn == "auto" and telling(used, off)):
        used, turns = turned(used, pixels, score, points)
        points = triangulate(used, pixels, score, variance, weights)
    raw = points.places.reshape(len(times), len(skeleton), 3)
    pace = _pace(recording, list(streams))
    own = times[0] + ((times - times[0]) * pace).astype(np.int64)
    return Person3D(
        skeleton,
        times,
        raw,
        smoothed(own, raw, options.smooth_hz),
        points,
        dict(zip(models, used, strict=True)),
        dict(zip(models, turns.tolist(), strict=True)),
        dict(zip(models, np.linalg.norm(off, axis=1).tolist(), strict=True)),
        {
            name: float((np.isfinite(track.pixels).all(-1).sum(1) > 0).mean())
            for name, track in zip(models, at_once, strict=True)
        },
        dict(zip(models, swapped.mean(1).tolist(), strict=True)),
        pace,
    )


def _pace(recording: Recording, names: list[str]) -> float:
    """Return how fast films were played, where all of them were at the same pace; else 1."""
    paces = set()
    for name in names:
        info = recording.streams[name].info
        own = float(info.properties.get("file_rate_hz", 0.0))
        paces.add(round(info.rate_hz / own, 4) if own and info.rate_hz else 1.0)
    return paces.pop() if len(paces) == 1 else 1.0


def _streams(recording: Recording, cameras: Mapping[str, CameraModel] | None) -> dict[str, StreamReader]:
    """Return the streams to look at: pictures, or key points where no pictures were kept."""
    found: dict[str, StreamReader] = {}
    for name, stream in recording.streams.items():
        if stream.info.kind == "camera" and len(stream) and (cameras is None or name in cameras):
            found[name] = stream
    for stream in recording.features.values():
        of = stream.info.properties.get("camera", "")
        if "skeleton" in stream.info.properties and of in found and found[of].withheld:
            found[of] = stream
    found = {name: stream for name, stream in found.items() if not stream.withheld}
    if len(found) < 2:
        raise ConfigError(
            f"{recording.path} has {len(found)} cameras to triangulate with ({', '.join(found) or 'none'})",
            mend="It takes two or more that are calibrated; --map says which is which",
        )
    return found


def _model(stream: StreamReader, cameras: Mapping[str, CameraModel] | None, fit: Fit) -> CameraModel:
    """Return the model of one stream's camera for its pictures.

    Raises:
        ConfigError: its lens is unknown, or its pictures are of another shape.
    """
    name = stream.info.properties.get("camera", stream.info.name)
    size = picture_size(stream.info)
    if cameras is not None:
        picture = (
            stream.image(0) if stream.info.kind == "camera" else np.zeros((size[1], size[0], 3), np.uint8)
        )
        return dataclasses.replace(fitted(cameras[name], picture, fit), name=name)
    model = model_of(stream.info.properties, size, name)
    if model is None:
        raise ConfigError(
            f"the lens of camera {name} is unknown",
            mend="Give --calibration=FILE, or calibrate: chorus calibrate camera, then extrinsics",
        )
    return dataclasses.replace(model, name=name)


def _track(
    recording: Recording, stream: StreamReader, options: Options, told: Told | None
) -> tuple[tuple[str, ...], Track]:
    name = stream.info.name
    if stream.info.kind == "features":
        skeleton = skeleton_of(stream.info)
        return skeleton, _arrays(stream.times, list(np.asarray(stream.data[:], np.float64)), len(skeleton))
    rows: list[NDArray[np.float32] | None] = []
    with _eyes(options, vision_of(recording)) as eyes:
        times = stream.times
        for number in range(len(stream)):
            person = best_person(eyes(stream.image(number), int(times[number])))
            rows.append(None if person is None else keypoints_of(person))
            if told is not None:
                told(name, (number + 1) / len(stream))
        return tuple(eyes.skeleton), _arrays(times, rows, len(eyes.skeleton))


def _eyes(options: Options, usual: str) -> FrontEnd:
    name = options.vision or usual
    if name != "blazepose":
        return front_end(name)
    from fusion.vision.blazepose import BlazePose
    from fusion.vision.looks import SeveralLooks

    return SeveralLooks(BlazePose(heatmaps=False), options.looks)


def _arrays(times: NDArray[np.int64], rows: list, joints: int) -> Track:
    table = np.full((len(rows), joints, 6), np.nan)
    for number, row in enumerate(rows):
        if row is not None:
            table[number] = np.asarray(row, np.float64)[:, :6]
    return Track(
        np.asarray(times, np.int64),
        table[..., :2],
        np.nan_to_num(table[..., 2]),
        np.nan_to_num(table[..., 3:]),
    )
