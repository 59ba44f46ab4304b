"""Live tracking from start to stop: of a rig's devices, or of a recording.

::

    rig ----> hub + a process per driver --> subscriber --+
                                                          +--> LiveEngine --> sinks
    recording --> its batches, at their own pace ---------+
    recording --> run_recording: every frame, the same each time --> sinks
"""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from drivers.base import Batch, StreamInfo
from drivers.bus.hub import Hub
from drivers.bus.messages import BACK, LOST, Ended, Event, Failed
from drivers.bus.nearby import noted
from drivers.bus.subscriber import Subscriber
from drivers.errors import BusError, ConfigError, DataError
from drivers.interrupt import orderly_interrupt
from drivers.rig import Rig, hub_options
from fusion.features import FeatureBuilder, stature_of, vision_of
from fusion.features.offline import usable_streams
from fusion.features.vision import picture_size
from fusion.model.checkpoint import load_net
from fusion.model.net import FusionNet
from fusion.tracking.console import LiveConsole
from fusion.tracking.engine import LiveEngine, Timing
from fusion.tracking.footage import is_footage
from fusion.tracking.listeners import Listeners, PageNotes
from fusion.tracking.meter import Meter, Summary
from fusion.tracking.options import LiveOptions
from fusion.tracking.outputs import Outputs
from fusion.tracking.sequential import fuser_of, one_camera, run_recording
from fusion.tracking.sinks import BusSink, PeopleSink, Sink
from fusion.tracking.tracked import track_footage
from fusion.tracking.watch import AnglesToBus
from fusion.vision.several import FrontEnds
from fusion.web.start import page_of
from recordings.reader import Recording, open_recording

if TYPE_CHECKING:
    from drivers.process import DriverProcesses
    from fusion.web.sink import WebSink

START_S = 30.0
"""How long required streams may take to be there."""

STOP_S = 10.0

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
    torch.set_num_threads(max(1, options.threads))
    outputs = Outputs(options)
    if options.source is None and rig is None:
        raise ConfigError(
            "there is nothing to track", mend="Give a rig, or a recording with --source FILE.h5"
        )
    net = load_net(options.weights)
    with orderly_interrupt() as stop:
        if options.source is not None and is_footage(Path(options.source)):
            name = options.vision or (rig.vision if rig is not None else "blazepose")
            summary = track_footage(options, net, name, outputs, stop.is_set)
        elif options.source is not None:
            with open_recording(options.source) as recording:
                summary = _run_source(recording, net, options, rig, outputs, stop, say)
        else:
            assert rig is not None
            summary = _run_rig(rig, net, options, outputs, stop, say)
    if not summary.poses:
        raise DataError(
            "no pose came out: no stream of the rig or the recording can be tracked",
            mend="Give it a camera, an IMU or a microphone; chorus info FILE shows what a recording holds",
        )
    return summary, outputs.folder


# A recording.


def _run_source(
    recording: Recording,
    net: FusionNet,
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
    net: FusionNet,
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
    engine = _engine(infos, net, eyes, sinks, options, now, meter, view, stature_m)
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


# A rig.


def _run_rig(
    rig: Rig, net: FusionNet, options: LiveOptions, outputs: Outputs, stop: threading.Event, say: Say
) -> Summary:
    from drivers.process import DriverProcesses

    # Before the devices start, as its weights may have to be fetched.
    eyes = FrontEnds(options.vision or rig.vision, options.people) if _may_see(rig) else None
    with contextlib.ExitStack() as stack:
        if eyes is not None:
            stack.callback(eyes.close)
        hub = stack.enter_context(Hub(**hub_options(rig.bus)))
        stack.enter_context(noted(hub.address, "tracks live"))
        say(f"bus at {hub.address}")
        subscriber = stack.enter_context(Subscriber(hub, set(rig.streams), reliable=False))
        processes = DriverProcesses(rig, hub.address, prompt=True)
        stack.callback(_stop_drivers, hub, subscriber, processes)
        infos = _await_streams(rig, subscriber, processes, stop)
        meter = Meter(time.monotonic_ns, live=True)
        private = {info.name for info in infos if info.kind == "camera"}.intersection(rig.private)
        pictures = any(info.kind == "camera" for info in infos) and not private  # nothing of them on a disk
        angles = AnglesToBus(hub.address, options.features.rate_hz)
        stack.callback(angles.close)
        outputs.told.add(angles)
        sinks = outputs.open(
            net.config.actions,
            pictures=pictures,
            threaded=True,
        )
        camera = next((info.name for info in infos if info.kind == "camera"), "")
        bus = BusSink(hub.address, options.features.rate_hz, camera, net.config.actions)
        sinks.insert(0, bus)  # publishing waits for nobody: no thread of its own, and no pose waits for one
        if options.people > 1:
            most = options.people + 1  # and a wearer whom no camera sees
            sinks.append(PeopleSink(hub.address, options.features.rate_hz, camera, net.config.actions, most))
        view = LiveConsole(meter, net.config.actions)
        epoch = hub.session.epoch_ns
        stature_m = stature_of(rig.metadata)

        def now() -> int:
            return time.monotonic_ns() - epoch

        page = page_of(options, infos, net.config.actions, meter, now, say, rig=rig, hub=hub.address)
        if page is not None:
            stack.callback(page.close)
            sinks.append(page)
            outputs.told.add(PageNotes(page.tell))
        engine = _engine(infos, net, eyes, sinks, options, now, meter, view, stature_m)
        if page is not None:
            page.follow(engine.crowd)
        try:
            with view.shown():
                _forget_backlog(subscriber, engine)
                engine.start()
                try:
                    _pump(subscriber, engine, options.duration, view, stop, say, page)
                finally:
                    engine.stop()
        finally:
            summary = outputs.close(meter)
    return summary


def _forget_backlog(subscriber: Subscriber, engine: LiveEngine) -> None:
    """Let the rows go that came while everything was prepared: live is now."""
    while (message := subscriber.receive(0.0)) is not None:
        if not isinstance(message, Batch):
            engine.feed(message)


def _may_see(rig: Rig) -> bool:
    """Return whether a stream of the rig may be a camera, as far as the names of drivers tell."""
    blind = ("imu.", "microphone.", "simulator.imu", "simulator.microphone", "simulator.truth")
    return any(not stream.driver.startswith(blind) for stream in rig.streams.values())


def _pump(
    subscriber: Subscriber,
    engine: LiveEngine,
    duration: float | None,
    view: LiveConsole,
    stop: threading.Event,
    say: Say,
    page: WebSink | None,
) -> None:
    end = None if duration is None else time.monotonic() + duration
    while not stop.is_set() and not engine.finished() and (end is None or time.monotonic() < end):
        message = subscriber.receive(0.05)
        if message is not None:
            if isinstance(message, Failed):
                say(f"{message.error} (tracking goes on without {message.stream})")
            elif isinstance(message, Event) and message.kind in (LOST, BACK):
                say(message.label)
            if page is not None:
                page.take(message)
            engine.feed(message)
        view.update()


def _await_streams(
    rig: Rig, subscriber: Subscriber, processes: DriverProcesses, stop: threading.Event
) -> list[StreamInfo]:
    """Return the streams once all required ones are announced; rows that come meanwhile are let go."""
    required = {name for name, stream in rig.streams.items() if stream.required}
    deadline = time.monotonic() + START_S
    while missing := sorted(required - set(subscriber.streams)):
        message = subscriber.receive(0.05)
        if isinstance(message, Failed) and message.stream in required:
            raise _not_tracked(message.stream, message.error)
        for gone in processes.check():
            if gone.stream in missing and gone.code:
                raise _not_tracked(gone.stream, gone.error)
        if stop.is_set():
            raise BusError(f"stopped before {', '.join(missing)} came", mend="Start again with chorus live")
        if time.monotonic() > deadline:
            raise _not_tracked(missing[0], f"{missing[0]}: was not there within {START_S:.0f} s")
    return list(subscriber.streams.values())


def _not_tracked(stream: str, error: str) -> BusError:
    return BusError(error.rstrip("."), mend=f"Or set streams.{stream}.required: false to track without it")


def _stop_drivers(hub: Hub, subscriber: Subscriber, processes: DriverProcesses) -> None:
    hub.request_stop()
    deadline = time.monotonic() + STOP_S
    while processes.running and time.monotonic() < deadline:
        subscriber.receive(0.05)
    processes.stop()


# Both.


def _engine(
    infos: Sequence[StreamInfo],
    net: FusionNet,
    eyes: FrontEnds | None,
    sinks: Sequence[Sink],
    options: LiveOptions,
    now: Callable[[], int],
    meter: Meter,
    view: LiveConsole,
    stature_m: float,
) -> LiveEngine:
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
        timing=Timing(options.patience_s),
        on_pose=view.pose,
    )
