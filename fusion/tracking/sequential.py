"""A recording through the same features and network as live, one step after the other, every frame.

The poses depend on the recording alone, not on how fast this machine is; they equal the full window
over :func:`fusion.features.features_of` of the recording.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from drivers.base import Batch
from fusion.features import FeatureBuilder, FeatureSpec
from fusion.features.offline import (
    Looker,
    Looks,
    batches_in_order,
    builder_of,
    decode,
    lookers_of,
    usable_streams,
)
from fusion.features.vision import picture_size
from fusion.model.stepper import Network, Runtime
from fusion.tracking.ahead import ahead
from fusion.tracking.crowd import Crowd
from fusion.tracking.meter import Meter
from fusion.tracking.pose import Fuser, Pose
from fusion.tracking.sinks import Picture, Sink
from fusion.vision.base import FrontEnd
from fusion.vision.several import FrontEnds

if TYPE_CHECKING:
    from recordings.reader import Recording


def run_recording(
    recording: Recording,
    net: Network,
    eyes: FrontEnd | FrontEnds | None,
    sinks: Sequence[Sink],
    *,
    spec: FeatureSpec | None = None,
    meter: Meter,
    people: int = 1,
    duration_s: float | None = None,
    on_pose: Callable[[Pose], None] | None = None,
    progress: Callable[[float], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> None:
    """Fuse a recording and hand every pose to the sinks.

    Args:
        recording: an open session.
        net: the network.
        eyes: the vision front ends, or one for one camera; None where the session keeps no pictures.
        sinks: where poses go.
        spec: choices behind the features.
        meter: counts.
        people: how many are followed, through one camera where several are; front ends look for as many as
            they were made for.
        duration_s: stop after so much session time.
        on_pose: called with each pose.
        progress: called now and then with the fraction done.
        stop: asked now and then whether to stop early.
    """
    infos, _ = usable_streams(recording)
    eyes = FrontEnds(eyes) if isinstance(eyes, FrontEnd) else eyes
    builder = builder_of(recording, infos, eyes, one_camera(spec, people))
    total = max(1, sum(len(recording.all_streams[name].stamps) for name in builder.used))
    count = 0

    def on_batch(batch: Batch) -> None:
        nonlocal count
        count += len(batch.stamps)
        if progress is not None:
            progress(count / total)

    run_batches(
        batches_in_order(recording, builder),
        builder,
        net,
        eyes,
        sinks,
        meter=meter,
        people=people,
        duration_s=duration_s,
        on_pose=on_pose,
        on_batch=on_batch,
        stop=stop,
    )


def one_camera(spec: FeatureSpec | None, people: int) -> FeatureSpec:
    """Return the choices for so many people: several are followed through the first camera alone."""
    spec = spec or FeatureSpec()
    return spec if people == 1 else dataclasses.replace(spec, cameras=1)


def fuser_of(
    builder: FeatureBuilder,
    net: Network,
    eyes: FrontEnds | None,
    people: int,
    runtime: Runtime = "auto",
) -> Fuser | Crowd:
    """Return who makes poses of the builder's features: of one person, or of several in its camera's
    pictures."""
    pictured = any(camera.kind == "camera" for camera in builder.cameras)
    if people > 1 and eyes is not None and pictured:
        return Crowd(net, eyes.skeleton, builder.spec, runtime)
    return Fuser(net, [picture_size(camera) for camera in builder.cameras], runtime)


def run_batches(
    batches: Iterable[tuple[Batch, bool]],
    builder: FeatureBuilder,
    net: Network,
    eyes: FrontEnd | FrontEnds | None,
    sinks: Sequence[Sink],
    *,
    meter: Meter,
    people: int = 1,
    duration_s: float | None = None,
    on_pose: Callable[[Pose], None] | None = None,
    on_batch: Callable[[Batch], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> None:
    """Fuse batches in the order of time, as :func:`run_recording` does those of a recording.

    Args:
        batches: each with whether it is the last of its stream.
        builder: of their streams, new; of one camera where several people are followed.
        people: how many are followed; front ends look for as many as they were made for.
        on_batch: called with each when it was taken.
    """
    eyes = FrontEnds(eyes) if isinstance(eyes, FrontEnd) else eyes
    fuser = fuser_of(builder, net, eyes, people)
    lookers = {} if eyes is None else lookers_of(builder, eyes)
    if eyes is not None:
        eyes.reset()
    pictured = [sink for sink in sinks if sink.wants_pictures]

    def on_picture(name: str, time: int, image: Picture) -> None:
        meter.looked(name)
        for sink in pictured if name == builder.shown else ():
            sink.picture(time, image)

    for name, looker in lookers.items():
        looker.on_picture = functools.partial(on_picture, name)
        if isinstance(fuser, Crowd):
            looker.on_people = fuser.see
    end = None

    # One thread reads, one looks, this one fuses: on two cores a picture takes as long as a look.
    read = ahead(_by_picture(batches, lookers), lambda group: [_decoded(batch, lookers) for batch in group])
    seen = ahead(read, lambda group: [(*each, _looks(each[0], lookers)) for each in group])
    for batch, done, looks in itertools.chain.from_iterable(seen):
        if looks is None:
            builder.push(batch)
        else:
            lookers[batch.stream].take(looks)
        if done:
            builder.end(batch.stream)
        if duration_s is not None and end is None and builder.next_time is not None:
            end = builder.next_time + round(duration_s * 1e9)
        for features in builder.steps():
            if end is not None and int(features["time"]) >= end:
                return
            poses = fuser.poses(fuser.turns(features)) if isinstance(fuser, Crowd) else [fuser(features)]
            meter.pose(poses[0], None)
            for sink in sinks:
                sink.poses(poses)
            if on_pose is not None:
                on_pose(poses[0])
        if on_batch is not None:
            on_batch(batch)
        if stop is not None and stop():
            return


_MOST = 64
"""Batches that are handed from thread to thread together, at most."""

_Item = tuple[Batch, bool]


def _by_picture(batches: Iterable[_Item], cameras: Collection[str]) -> Iterator[list[_Item]]:
    """Yield batches in groups that end with one picture: handing over a row costs more than the row."""
    group: list[_Item] = []
    for batch, done in batches:
        count = len(batch.stamps) if batch.stream in cameras else 0
        for i in range(count):
            one = dataclasses.replace(batch, stamps=batch.stamps[i : i + 1], data=batch.data[i : i + 1])
            yield [*group, (one, done and i == count - 1)]
            group = []
        if not count:
            group.append((batch, done))
        if len(group) >= _MOST:
            yield group
            group = []
    if group:
        yield group


def _decoded(item: _Item, cameras: Collection[str]) -> _Item:
    """Return a batch with its picture as pixels."""
    batch, done = item
    if batch.stream not in cameras:
        return item
    return dataclasses.replace(batch, data=decode(batch.data[0])[None]), done


def _looks(batch: Batch, lookers: Mapping[str, Looker]) -> Looks | None:
    return lookers[batch.stream].look(batch) if batch.stream in lookers else None
