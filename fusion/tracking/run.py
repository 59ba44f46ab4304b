"""Live tracking from start to stop: of a rig's devices, or of a recording.

::

    rig ----> hub + a process per driver --> subscriber --+
                                                          +--> LiveEngine --> sinks
    recording --> its batches, at their own pace ---------+
    recording --> run_recording: every frame, the same each time --> sinks
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from drivers.base import StreamInfo
from drivers.bus.messages import Ended
from drivers.errors import ConfigError, DataError
from drivers.interrupt import orderly_interrupt
from drivers.rig import Rig
from fusion.features import stature_of, vision_of
from fusion.features.offline import usable_streams
from fusion.model.exported import load_live
from fusion.model.stepper import Network
from fusion.tracking.assembly import engine_of
from fusion.tracking.console import LiveConsole
from fusion.tracking.footage import is_footage
from fusion.tracking.listeners import Listeners, PageNotes
from fusion.tracking.meter import Meter, Summary
from fusion.tracking.options import LiveOptions
from fusion.tracking.outputs import Outputs
from fusion.tracking.rigrun import run_rig
from fusion.tracking.sequential import run_recording
from fusion.tracking.sinks import Sink
from fusion.tracking.tracked import track_footage
from fusion.vision.several import FrontEnds
from fusion.web.start import page_of
from recordings.reader import Recording, open_recording

Say = Callable[[str], None]


def run(options: LiveOptions, rig: Rig | None, say: Say = print) -> tuple[Summary, Path]:
    """Track a rig, or the recording, video or picture ``options.source``.

    Ctrl-C stops in order.

    Args:
        options: choices.
        rig: the rig; None: ``options.source`` is replayed.
        say: prints a line.

    Returns:
        the summary and the folder of the outputs.

    Raises:
        ChorusError: of every kind; nothing that existed was overwritten.
    """
    outputs = Outputs(options)
    if options.source is None and rig is None:
        raise ConfigError(
            "there is nothing to track", mend="Give a rig, or a recording with --source FILE.h5"
        )
    net = load_live(options.weights, max(1, options.threads))
    with orderly_interrupt() as stop:
        if options.source is not None and is_footage(Path(options.source)):
            name = options.vision or (rig.vision if rig is not None else "blazepose")
            summary = track_footage(options, net, name, outputs, stop.is_set)
        elif options.source is not None:
            with open_recording(options.source) as recording:
                summary = _run_source(recording, net, options, rig, outputs, stop, say)
        else:
            assert rig is not None
            summary = run_rig(rig, net, options, outputs, stop, say)
    if not summary.poses:
        raise DataError(
            "no pose came out: no stream of the rig or the recording can be tracked",
            mend="Give it a camera, an IMU or a microphone; chorus info FILE shows what a recording holds",
        )
    return summary, outputs.folder


# A recording.


def _run_source(
    recording: Recording,
    net: Network,
    options: LiveOptions,
    rig: Rig | None,
    outputs: Outputs,
    stop: threading.Event,
    say: Say,
) -> Summary:
    infos, pictures = usable_streams(recording)
    name = options.vision or (rig.vision if rig is not None else vision_of(recording))
    eyes = FrontEnds(name, options.people) if pictures else None
    with contextlib.ExitStack() as stack:
        if eyes is not None:
            stack.callback(eyes.close)
        meter = Meter(time.monotonic_ns, live=options.realtime)
        sinks = outputs.open(net.config.actions, pictures=pictures, threaded=options.realtime)
        view = LiveConsole(meter, net.config.actions)
        try:
            with view.shown():
                if options.realtime:
                    _replay_in_time(
                        recording, infos, net, eyes, sinks, outputs.told, options, meter, view, stop, say
                    )
                else:
                    run_recording(
                        recording,
                        net,
                        eyes,
                        sinks,
                        spec=options.features,
                        meter=meter,
                        people=options.people,
                        duration_s=options.duration,
                        on_pose=view.pose,
                        progress=lambda _: view.update(),
                        stop=stop.is_set,
                    )
        finally:
            summary = outputs.close(meter)
    return summary


def _replay_in_time(
    recording: Recording,
    infos: Sequence[StreamInfo],
    net: Network,
    eyes: FrontEnds | None,
    sinks: Sequence[Sink],
    told: Listeners,
    options: LiveOptions,
    meter: Meter,
    view: LiveConsole,
    stop: threading.Event,
    say: Say,
) -> None:
    times = [stream.stamps["time"] for stream in recording.all_streams.values() if len(stream.stamps)]
    begin, end = min((int(t[0]) for t in times), default=0), max((int(t[-1]) for t in times), default=0)
    if options.duration is not None:
        end = min(end, begin + round(options.duration * 1e9))
    origin = 0  # session time 0 on the monotonic clock; set once all is prepared
    stature_m = stature_of(recording.session.metadata)

    def now() -> int:
        return min(time.monotonic_ns() - origin, end)  # beyond the end there is nothing to track

    page = page_of(options, infos, net.config.actions, meter, now, say, recording=recording)
    if page is not None:
        sinks = [*sinks, page]
        told.add(PageNotes(page.tell))
    engine = engine_of(infos, net, eyes, sinks, options, now, meter, view, stature_m)
    if page is not None:
        page.follow(engine.crowd)
    names = [info.name for info in infos]
    origin = time.monotonic_ns() - begin
    engine.start()
    try:
        for batch in recording.batches(streams=names):
            last = int(batch.stamps["time"][-1])
            if last > end:
                break
            while (ahead := last + origin - time.monotonic_ns()) > 0 and not stop.is_set():
                view.update()
                stop.wait(min(ahead / 1e9, 0.1))
            if stop.is_set() or engine.finished():
                break
            if page is not None:
                page.take(batch)
            engine.feed(batch)
        for name in names:
            engine.feed(Ended(name, 0, {}))
        while not engine.wait(0.1) and not stop.is_set():
            view.update()
    finally:
        engine.stop()
        if page is not None:
            page.close()
