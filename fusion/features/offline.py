"""Features of a whole recording, by the same builder that runs live."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from numpy.typing import NDArray

from drivers.base import Batch, StreamInfo
from drivers.camera.pictures import decoded
from drivers.errors import ConfigError
from fusion.features.builder import FeatureBuilder, Features, stack, stature_of
from fusion.features.cache import KeypointCache, Seen
from fusion.features.spec import FeatureSpec
from fusion.features.vision import best_person, keypoints_of
from fusion.vision.base import FrontEnd, Person
from fusion.vision.several import FrontEnds

if TYPE_CHECKING:
    from recordings.reader import Recording

Progress = Callable[[float], None]


def features_of(
    recording: Recording,
    spec: FeatureSpec | None = None,
    vision: FrontEnd | Sequence[FrontEnd] | str | None = None,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Features:
    """Return the features (T, ...) of a recording at all ticks from its first to its last sample.

    Key points come from the recorded pictures by the vision front end, or from the recorded stream of
    key points where the session keeps no pictures.

    Args:
        recording: an open session.
        spec: choices.
        vision: the name of a front end, or front ends, one for each camera that is to take part; None: the
            name that the session's rig has.
        cache: folder that keeps the front end's key points between calls; None: none is kept.
        progress: called now and then with the fraction done.

    Raises:
        ConfigError: the front end is unknown, or a stream lacks what it takes to use it.
        WeightsError: the front end's network could not be obtained.
    """
    spec = spec or FeatureSpec()
    infos, pictures = usable_streams(recording)
    steps: list[Features] = []
    with FrontEnds((vision or vision_of(recording)) if pictures else ()) as eyes:
        eyes.reset()
        builder = builder_of(recording, infos, eyes if pictures else None, spec)
        lookers = lookers_of(builder, eyes)
        stored = {}
        for looker in lookers.values() if cache is not None else ():
            stored[looker] = KeypointCache(Path(cache or ""), recording, looker.camera.name, eyes.told)
            looker.replay = stored[looker].load()
        count, total = 0, max(1, sum(len(recording.all_streams[name].stamps) for name in builder.used))
        for batch, done in batches_in_order(recording, builder):
            take(builder, lookers, batch)
            if done:
                builder.end(batch.stream)
            steps.extend(builder.steps())
            count += len(batch.stamps)
            if progress is not None:
                progress(count / total)
    for looker, kept in stored.items():
        if looker.replay is None:
            kept.save(looker.seen)
    return stack(steps)


def builder_of(
    recording: Recording, infos: Sequence[StreamInfo], eyes: FrontEnds | None, spec: FeatureSpec | None
) -> FeatureBuilder:
    """Return a builder of a recording's streams, with as many cameras as there are front ends for."""
    spec = spec or FeatureSpec()
    if eyes is not None:
        spec = dataclasses.replace(spec, cameras=min(spec.cameras, eyes.most))
    skeleton = eyes.skeleton if eyes is not None else ()
    return FeatureBuilder(infos, skeleton, spec, stature_of(recording.session.metadata))


def usable_streams(recording: Recording) -> tuple[list[StreamInfo], bool]:
    """Return the streams to make features of, and whether there are pictures to look at.

    A camera whose pictures were not kept is left out, so that its key points are found instead.
    """
    infos = [reader.info for reader in recording.all_streams.values() if len(reader) and not reader.withheld]
    return infos, any(info.kind == "camera" for info in infos)


def vision_of(recording: Recording) -> str:
    """Return the name of the front end that the session's rig names; "blazepose" where it names none."""
    rig = yaml.safe_load(recording.rig_text or "") or {}
    return str(rig.get("vision") or "blazepose") if isinstance(rig, dict) else "blazepose"


Looks = list[tuple[int, NDArray[np.uint8] | None, Sequence[Person]]]
"""Of each picture its time, ns, the picture and who is there; None: what was seen then is known already."""


class Looker:
    """Runs a vision front end on a camera's pictures and hands the people to the builder.

    Args:
        builder: of the features.
        eyes: the front end, of this camera alone.
        camera: the camera's stream.

    Attributes:
        camera: the camera it looks through.
        seen: what it saw in each picture, by time.
        replay: what it saw before, by time; then the front end is not run at all.
        on_picture: called with the time and the picture (H, W, 3) of each one it looks at.
        on_people: called with the time, everybody found and the picture.
    """

    def __init__(self, builder: FeatureBuilder, eyes: FrontEnd, camera: StreamInfo) -> None:
        self.camera = camera
        self.seen: dict[int, Seen] = {}
        self.replay: dict[int, Seen] | None = None
        self.on_picture: Callable[[int, NDArray[np.uint8]], None] | None = None
        self.on_people: Callable[[int, Sequence[Person], NDArray[np.uint8]], None] | None = None
        self._builder = builder
        self._eyes = eyes

    def __call__(self, batch: Batch) -> None:
        """Look at each picture of a batch, and take what is seen."""
        self.take(self.look(batch))

    def look(self, batch: Batch) -> Looks:
        """Return what is seen in each picture of a batch; it may run beside all others, in order."""
        looks: Looks = []
        for i, time in enumerate(batch.stamps["time"].tolist()):
            if self.replay is not None and time in self.replay:
                looks.append((time, None, ()))
            else:
                image = decode(batch.data[i])
                looks.append((time, image, self._eyes(image, time)))
        return looks

    def take(self, looks: Looks) -> None:
        """Hand on what was seen."""
        for time, image, people in looks:
            if image is None:
                assert self.replay is not None
                rows, peaks = self.replay[time]
            else:
                if self.on_picture is not None:
                    self.on_picture(time, image)
                if self.on_people is not None:
                    self.on_people(time, people, image)
                person = best_person(people)
                rows = None if person is None else keypoints_of(person)
                peaks = None if person is None else np.asarray(person.peaks, np.float32)
            self.seen[time] = (rows, peaks)
            self._builder.push_keypoints(time, rows, peaks, self.camera.name)


def lookers_of(builder: FeatureBuilder, eyes: FrontEnds) -> dict[str, Looker]:
    """Return who looks at each camera's pictures, by its name."""
    cameras = [camera for camera in builder.cameras if camera.kind == "camera"]
    return {camera.name: Looker(builder, eyes.of(n), camera) for n, camera in enumerate(cameras)}


def take(builder: FeatureBuilder, lookers: Mapping[str, Looker], batch: Batch) -> None:
    """Hand a batch to who looks at it if it holds a camera's pictures, to the builder otherwise."""
    if batch.stream in lookers:
        lookers[batch.stream](batch)
    else:
        builder.push(batch)


def decode(picture: bytes | NDArray[Any]) -> NDArray[np.uint8]:
    """Return the picture (H, W, 3) BGR of a row, an encoded one or an array.

    Raises:
        ConfigError: the bytes are no picture.
    """
    if not isinstance(picture, bytes | memoryview):
        return np.asarray(picture, np.uint8)
    image = decoded(bytes(picture))
    if image is None:
        raise ConfigError(
            "a camera row holds bytes that are no JPEG picture",
            mend="Look for the damage with chorus check FILE",
        )
    return image


def batches_in_order(recording: Recording, builder: FeatureBuilder) -> Iterator[tuple[Batch, bool]]:
    """Yield the batches that the builder uses, and whether each is the last of its stream."""
    left = {name: len(recording.all_streams[name].stamps) for name in builder.used}
    for batch in recording.batches(streams=list(left)):
        left[batch.stream] -= len(batch.stamps)
        yield batch, left[batch.stream] <= 0
