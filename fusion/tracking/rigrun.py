"""Live tracking of a rig's devices, from their start to their stop."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from drivers.base import Batch, StreamInfo
from drivers.bus.hub import Hub
from drivers.bus.messages import BACK, LOST, Event, Failed
from drivers.bus.nearby import noted
from drivers.bus.subscriber import Subscriber
from drivers.errors import BusError
from drivers.rig import Rig, hub_options
from fusion.features import stature_of
from fusion.model.stepper import Network
from fusion.tracking.assembly import engine_of
from fusion.tracking.console import LiveConsole
from fusion.tracking.engine import LiveEngine
from fusion.tracking.listeners import PageNotes
from fusion.tracking.meter import Meter, Summary
from fusion.tracking.options import LiveOptions
from fusion.tracking.outputs import Outputs
from fusion.tracking.sinks import BusSink, PeopleSink
from fusion.tracking.watch import AnglesToBus
from fusion.vision.several import FrontEnds
from fusion.web.start import page_of

if TYPE_CHECKING:
    from drivers.process import DriverProcesses
    from fusion.web.sink import WebSink

START_S = 30.0
"""How long required streams may take to be there."""

STOP_S = 10.0

Say = Callable[[str], None]


def run_rig(
    rig: Rig, net: Network, options: LiveOptions, outputs: Outputs, stop: threading.Event, say: Say
) -> Summary:
    """Track a rig's devices until they end, or it is time to stop; return the summary.

    Raises:
        ChorusError: of every kind.
    """
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
        engine = engine_of(infos, net, eyes, sinks, options, now, meter, view, stature_m)
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
