"""Starts the page for a run of the engine, if it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from drivers.base import StreamInfo
from drivers.bus.messages import Announcement
from drivers.rig import Rig
from fusion.tracking.meter import Meter
from fusion.tracking.options import LiveOptions
from fusion.web.config import Live, LiveStream, PageConfig

if TYPE_CHECKING:
    from fusion.web.sink import WebSink
    from recordings.reader import Recording


def page_of(
    options: LiveOptions,
    infos: Sequence[StreamInfo],
    actions: Sequence[str],
    meter: Meter,
    now: Callable[[], int],
    say: Callable[[str], None],
    *,
    rig: Rig | None = None,
    hub: str = "",
    recording: Recording | None = None,
) -> WebSink | None:
    """Return the page's sink, its server running, or None where no page is wanted.

    Args:
        options: of the run.
        infos: of the streams.
        actions: names of the network's actions.
        meter: of the run.
        now: session time, ns.
        say: prints a line.
        rig: that is tracked; None for a recording.
        hub: address of the hub.
        recording: that is replayed.

    Raises:
        BusError: the server does not start.
    """
    if not options.web:
        return None
    from fusion.web.sink import WebSink

    cameras = {info.name for info in infos if info.kind == "camera"}
    live = Live(
        name=rig.name if rig is not None else _name(recording),
        address=hub,
        private=rig is not None and bool(cameras.intersection(rig.private)),
        people=options.people,
        actions=tuple(actions),
        streams=tuple(
            LiveStream(
                name=info.name,
                kind=info.kind,
                rate_hz=info.rate_hz,
                worn_on=info.worn_on,
                device=info.device,
                channels=info.channels if info.kind == "imu" else (),
            )
            for info in infos
        ),
        rig_file=rig.file if rig is not None else "",
        rig=rig.text if rig is not None else "",
        rig_folder=rig.folder if rig is not None else ".",
    )
    config = PageConfig(
        host=options.web_host,
        port=options.web_port,
        uploads=options.web_uploads,
        vision=options.vision or (rig.vision if rig is not None else "blazepose"),
        weights=options.weights,
        live=live,
    )
    page = WebSink(config, say, meter, now)
    for info in infos:
        page.take(Announcement(info))
    return page


def _name(recording: Recording | None) -> str:
    return recording.path.stem if recording is not None else "live"
