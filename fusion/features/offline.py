"""Features of a whole recording, by the same builder that runs live."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from fusion.vision.base import FrontEnd, front_end

if TYPE_CHECKING:
    from recordings.reader import Recording

Progress = Callable[[float], None]


def features_of(
    recording: Recording,
    spec: FeatureSpec | None = None,
    vision: FrontEnd | str | None = None,
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
        vision: a front end, or its name; None: the one that the session's rig names.
        cache: folder that keeps the front end's key points between calls; None: none is kept.
        progress: called now and then with the fraction done.

    Raises:
        ConfigError: the front end is unknown, or a stream lacks what it takes to use it.
        WeightsError: the front end's network could not be obtained.
    """
    spec = spec or FeatureSpec()
    infos, pictures = usable_streams(recording)
    name = vision.name if isinstance(vision, FrontEnd) else vision or vision_of(recording)
    eyes = None
    if pictures:
        eyes = vision if isinstance(vision, FrontEnd) else front_end(name)
        eyes.reset()
    builder = FeatureBuilder(
        infos, eyes.skeleton if eyes else (), spec, stature_of(recording.session.metadata)
    )
    looker = Looker(builder, eyes) if eyes and builder.camera and builder.camera.kind == "camera" else None
    stored = None
    if looker and cache is not None:
        stored = KeypointCache(cache, recording, looker.camera.name, name)
        looker.replay = stored.load()
    steps: list[Features] = []
    count, total = 0, max(1, sum(len(recording.all_streams[name].stamps) for name in builder.used))
    try:
        for batch, done in batches_in_order(recording, builder):
            take(builder, looker, batch)
            if done:
                builder.end(batch.stream)
            steps.extend(builder.steps())
            count += len(batch.stamps)
            if progress is not None:
                progress(count / total)
    finally:
        if eyes is not None and not isinstance(vision, FrontEnd):
            eyes.close()
    if stored is not None and looker is not None and looker.replay is None:
        stored.save(looker.seen)
    return stack(steps)


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


class Looker:
    """Runs a vision front end on a camera's pictures and hands the people to the builder.

    Attributes:
        camera: the camera it looks through.
        seen: what it saw in each picture, by time.
        replay: what it saw before, by time; then the front end is not run at all.
        on_picture: called with the time and the picture (H, W, 3) of each one it looks at.
    """

    def __init__(self, builder: FeatureBuilder, eyes: FrontEnd) -> None:
        assert builder.camera is not None
        self.camera = builder.camera
        self.seen: dict[int, Seen] = {}
        self.replay: dict[int, Seen] | None = None
        self.on_picture: Callable[[int, NDArray[np.uint8]], None] | None = None
        self._builder = builder
        self._eyes = eyes

    def __call__(self, batch: Batch) -> None:
        """Look at each picture of a batch."""
        for i, time in enumerate(batch.stamps["time"].tolist()):
            if self.replay is not None and time in self.replay:
                rows, peaks = self.replay[time]
            else:
                image = decode(batch.data[i])
                person = best_person(self._eyes(image, time))
                if self.on_picture is not None:
                    self.on_picture(time, image)
                rows = None if person is None else keypoints_of(person)
                peaks = None if person is None else np.asarray(person.peaks, np.float32)
            self.seen[time] = (rows, peaks)
            self._builder.push_keypoints(time, rows, peaks)


def take(builder: FeatureBuilder, looker: Looker | None, batch: Batch) -> None:
    """Hand a batch to the front end if it holds the camera's pictures, to the builder otherwise."""
    if looker is not None and batch.stream == looker.camera.name:
        looker(batch)
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
