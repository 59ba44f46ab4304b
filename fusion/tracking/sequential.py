"""A recording through the same features and network as live, one step after the other, every frame.

The poses depend on the recording alone, not on how fast this machine is; they equal the full window
over :func:`fusion.features.features_of` of the recording.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fusion.features import FeatureSpec
from fusion.features.offline import batches_in_order, builder_of, lookers_of, take, usable_streams
from fusion.features.vision import picture_size
from fusion.model.net import FusionNet
from fusion.tracking.meter import Meter
from fusion.tracking.pose import Fuser, Pose
from fusion.tracking.sinks import Picture, Sink
from fusion.vision.base import FrontEnd
from fusion.vision.several import FrontEnds

if TYPE_CHECKING:
    from recordings.reader import Recording


def run_recording(
    recording: Recording,
    net: FusionNet,
    eyes: FrontEnd | FrontEnds | None,
    sinks: Sequence[Sink],
    *,
    spec: FeatureSpec | None = None,
    meter: Meter,
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
        duration_s: stop after so much session time.
        on_pose: called with each pose.
        progress: called now and then with the fraction done.
        stop: asked now and then whether to stop early.
    """
    infos, _ = usable_streams(recording)
    eyes = FrontEnds(eyes) if isinstance(eyes, FrontEnd) else eyes
    builder = builder_of(recording, infos, eyes, spec)
    fuser = Fuser(net, [picture_size(camera) for camera in builder.cameras])
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
    total = max(1, sum(len(recording.all_streams[name].stamps) for name in builder.used))
    count, end = 0, None
    for batch, done in batches_in_order(recording, builder):
        take(builder, lookers, batch)
        if done:
            builder.end(batch.stream)
        if duration_s is not None and end is None and builder.next_time is not None:
            end = builder.next_time + round(duration_s * 1e9)
        for features in builder.steps():
            if end is not None and int(features["time"]) >= end:
                return
            pose = fuser(features)
            meter.pose(pose, None)
            for sink in sinks:
                sink.pose(pose)
            if on_pose is not None:
                on_pose(pose)
        count += len(batch.stamps)
        if progress is not None:
            progress(count / total)
        if stop is not None and stop():
            return
