"""Record a rig into a session file: ``chorus record``.

::

    record(rig) ── Hub ◄── a process for each driver
                    │
                 Subscriber ──> SessionWriter ──> sessions/<rig>-<UTC>.h5

One failing device never takes the session down. Stopping is orderly: the drivers are told to end,
each tells its totals, everything under way is written, and the ledger is closed.
"""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from drivers.bus import Hub, Subscriber
from drivers.bus.nearby import noted
from drivers.bus.session import SessionInfo
from drivers.errors import RecordingExists
from drivers.interrupt import orderly_interrupt
from drivers.private import forbid_dumps
from drivers.rig import Rig, hub_options
from recordings import layout
from recordings.continuity import Continuity
from recordings.metadata import check_metadata
from recordings.programs import Worker
from recordings.resuming import session_info, session_to_resume
from recordings.run import Run
from recordings.status import RecordStatus, RecordSummary
from recordings.writer import DiskFull, SessionWriter

__all__ = ["Worker", "default_output", "record"]


def default_output(rig: Rig, folder: Path | str = "sessions") -> Path:
    """Return ``sessions/<rig>-<UTC date and time>.h5``."""
    now = datetime.datetime.now(datetime.UTC)
    return Path(folder) / f"{rig.name}-{now:%Y%m%dT%H%M%SZ}.h5"


def record(
    rig: Rig,
    output: Path | str | None = None,
    duration: float | None = None,
    *,
    resume: Path | str | None = None,
    on_status: Callable[[RecordStatus], None] | None = None,
    workers: Sequence[Callable[[str], Worker]] = (),
    stop: threading.Event | None = None,
    start_s: float = 30.0,
) -> RecordSummary:
    """Record a rig.

    The duration counts from the moment all required streams are there; rows that came before are
    kept too. Ctrl-C stops in order.

    Args:
        rig: the rig.
        output: the file; by default :func:`default_output`.
        duration: s, or None for until Ctrl-C, ``stop``, or the end of all streams.
        resume: instead of ``output``, a session file to go on with, closed or not, in its session time.
            Drivers that still run elsewhere send what was missed; what none kept is a gap on the ledger.
        on_status: called about twice a second.
        workers: each is called with the hub's address and starts a program.
        stop: set it to stop in order.
        start_s: how long required streams may take to be there.

    Raises:
        RecordingExists: the output is there already; nothing was started.
        RecordingError: a required stream did not start, and nothing was kept; or the disk is full,
            and what was recorded is safe; or the file to resume can't be gone on with.
        BusError: the bus can't be opened.
    """
    path = Path(output) if output is not None else default_output(rig)
    session = None
    if resume is not None:
        path = Path(resume)
        session = session_to_resume(path, rig)
    elif path.exists():
        raise RecordingExists(
            f"{path} exists already and is not overwritten", mend="give another name with --output"
        )
    check_metadata(rig.metadata)
    stop = stop or threading.Event()
    if rig.private:
        forbid_dumps()
    with contextlib.ExitStack() as stack:
        stack.enter_context(orderly_interrupt(stop))
        known = None if session is None else session_info(session)
        hub = stack.enter_context(Hub(**hub_options(rig.bus), session=known))
        stack.enter_context(noted(hub.address, f"records {path}"))
        writer = stack.enter_context(
            SessionWriter(
                path,
                session or attributes_of(rig, hub.session),
                sync_s=rig.recorder.sync_s,
                resume=session is not None,
            )
        )
        continuity = Continuity(writer)
        subscriber = stack.enter_context(Subscriber(hub, positions=continuity.positions()))
        run = Run(rig, hub, subscriber, writer, continuity, duration, on_status, stop)
        try:
            run.start(workers, start_s)
            run.record()
        except DiskFull:
            raise
        except BaseException:
            if run.phase == "starting" and session is None:
                writer.discard()
            raise
        finally:
            run.stop()
        writer.close()
    return run.summary()


def attributes_of(rig: Rig, session: SessionInfo) -> layout.SessionAttributes:
    """Return what a session file says of a rig that is recorded in the session of a hub."""
    return layout.SessionAttributes(
        id=session.id,
        epoch_ns=session.epoch_ns,
        utc_ns=session.utc_ns,
        utc_uncertainty_ns=session.utc_uncertainty_ns,
        clock=session.clock,
        subject=rig.subject,
        task=rig.task,
        metadata=check_metadata(rig.metadata),
        software=layout.software(),
        rig=rig.text,
        expected=tuple(rig.streams),
    )
