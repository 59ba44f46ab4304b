"""A recording through the same features and network as live, one step after the other, every frame.

The poses depend on the recording alone, not on how fast this machine is; they equal the full window
over :func:`fusion.features.features_of` of the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from drivers.base import Batch
from fusion.features import FeatureBuilder, FeatureSpec, stature_of
from fusion.features.offline import Looker, batches_in_order, take, usable_streams
from fusion.features.vision import picture_size
from fusion.model.net import FusionNet
from fusion.tracking.meter import Meter
from fusion.tracking.pose import Fuser, Pose
from fusion.tracking.sinks import Picture, Sink
from fusion.vision.base import FrontEnd

if TYPE_CHECKING:
    from recordings.reader import Recording


def run_recording(
    recording: Recording,
    net: FusionNet,
    eyes: FrontEnd | None,
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
        eyes: the vision front end; None where the session keeps no pictures.
        sinks: where poses go.
        spec: choices behind the features.
        meter: counts.
        duration_s: stop after so much session time.
        on_pose: called with each pose.
        progress: called now and then with the fraction done.
        stop: asked now and then whether to stop early.
    """
    infos, _ = usable_streams(recording)
    stature_m = stature_of(recording.session.metadata)
    builder = FeatureBuilder(infos, eyes.skeleton if eyes else (), spec, stature_m)
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
        duration_s=duration_s,
        on_pose=on_pose,
        on_batch=on_batch,
        stop=stop,
    )


def run_batches(
    batches: Iterable[tuple[Batch, bool]],
    builder: FeatureBuilder,
    net: FusionNet,
    eyes: FrontEnd | None,
    sinks: Sequence[Sink],
    *,
    meter: Meter,
    duration_s: float | None = None,
    on_pose: Callable[[Pose], None] | None = None,
    on_batch: Callable[[Batch], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> None:
    """Fuse batches in the order of time, as :func:`run_recording` does those of a recording.

    Args:
        batches: each with whether it is the last of its stream.
        builder: of their streams, new.
        on_batch: called with each when it was taken.
    """
    if eyes is not None:
        eyes.reset()
    camera = builder.camera
    fuser = Fuser(net, picture_size(camera) if camera else (0, 0))
    looker = Looker(builder, eyes) if eyes and camera and camera.kind == "camera" else None
    if looker is not None:
        pictured = [sink for sink in sinks if sink.wants_pictures]

        def on_picture(time: int, image: Picture) -> None:
            meter.frames += 1
            for sink in pictured:
                sink.picture(time, image)

        looker.on_picture = on_picture
    end = None
    for batch, done in batches:
        take(builder, looker, batch)
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
        if on_batch is not None:
            on_batch(batch)
        if stop is not None and stop():
            return
