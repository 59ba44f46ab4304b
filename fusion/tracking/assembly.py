"""The live engine for a rig or a recording, ready: what takes seconds to prepare was done."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence

import numpy as np

from drivers.base import StreamInfo
from fusion.features import FeatureBuilder
from fusion.features.vision import picture_size
from fusion.model.stepper import Network
from fusion.tracking.console import LiveConsole
from fusion.tracking.engine import LiveEngine, Timing
from fusion.tracking.meter import Meter
from fusion.tracking.options import LiveOptions
from fusion.tracking.sequential import fuser_of, one_camera
from fusion.tracking.sinks import Sink
from fusion.vision.several import FrontEnds


def engine_of(
    infos: Sequence[StreamInfo],
    net: Network,
    eyes: FrontEnds | None,
    sinks: Sequence[Sink],
    options: LiveOptions,
    now: Callable[[], int],
    meter: Meter,
    view: LiveConsole,
    stature_m: float,
) -> LiveEngine:
    """Return the engine of some streams, not started; front ends have looked at a first picture.

    Args:
        infos: of the streams.
        net: the network.
        eyes: the vision front ends; None where there are no pictures.
        sinks: where poses go.
        options: choices.
        now: session time, ns.
        meter: counts.
        view: is told each pose.
        stature_m: of the wearer, 0 where nobody said.
    """
    spec = one_camera(options.features, options.people)
    builder = FeatureBuilder(infos, eyes.skeleton if eyes else (), spec, stature_m)
    pictured = [camera for camera in builder.cameras if camera.kind == "camera"]
    for number, camera in enumerate(pictured if eyes is not None else ()):
        assert eyes is not None
        width, height = picture_size(camera)
        one = eyes.of(number)
        one(np.zeros((height, width, 3), np.uint8), 0)  # networks prepare themselves at the first picture
        one.reset()
    fuser = fuser_of(builder, net, eyes, options.people, options.runtime)
    gc.collect()  # what preparing left behind; from the start on the collector leaves alone what there is
    return LiveEngine(
        builder,
        fuser,
        eyes if pictured else None,
        sinks,
        now=now,
        meter=meter,
        timing=Timing(options.patience_s, first=options.priority == "realtime"),
        on_pose=view.pose,
    )
