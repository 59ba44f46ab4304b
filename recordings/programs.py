"""The programs of a recording: a process for each driver, started again where it was killed; and workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from drivers.bus import Hub
from drivers.rig import Rig
from recordings.restarts import Restarts

if TYPE_CHECKING:
    from drivers.process import DriverProcesses, Exit


class Worker(Protocol):
    """A program beside the drivers, such as one that turns pictures into features. Like Popen.

    It may have two attributes more: ``feeds``, the streams it makes by the streams of the rig it makes them
    of, whose first rows are waited for if that stream is a required camera; and ``error``, why it failed.
    """

    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


class Programs:
    """Starts, watches and ends them.

    Args:
        rig: drivers of its streams are started, but of the remote ones.
        hub: that they connect to.

    Attributes:
        coming_back: streams whose driver was started again and has not said so yet.
    """

    def __init__(self, rig: Rig, hub: Hub) -> None:
        self.coming_back: set[str] = set()
        self._rig, self._hub = rig, hub
        self._drivers: DriverProcesses | None = None
        self._workers: list[Worker] = []
        self._restarts: dict[str, Restarts] = {}

    def start(self, workers: Sequence[Callable[[str], Worker]]) -> None:
        """Start all."""
        if any(not stream.remote for stream in self._rig.streams.values()):
            from drivers.process import DriverProcesses

            self._drivers = DriverProcesses(self._rig, self._hub.address)
        self._workers = [worker(self._hub.address) for worker in workers]

    def stop(self) -> None:
        """Wait for all to end, as they see the bus stop; end those that do not."""
        if self._drivers is not None:
            self._drivers.stop()
        for worker in self._workers:
            _end(worker)

    @property
    def running(self) -> tuple[str, ...]:
        """Streams whose driver runs here."""
        return self._drivers.running if self._drivers is not None else ()

    @property
    def feeds(self) -> list[tuple[str, str]]:
        """Of the workers: a stream of the rig, and one that is made of it, each."""
        return [pair for worker in self._workers for pair in _feeds(worker).items()]

    def spare(self) -> None:
        """See to it that a driver which is killed can be replaced at once."""
        if self._drivers is not None and not self.coming_back:
            self._drivers.prepare()

    def over(self, known: Collection[str], tell_restart: Callable[[str, str], None] | None) -> list[Exit]:
        """Return the drivers that are over for good; start those again that were killed.

        Args:
            known: streams that nobody needs to hear of any more.
            tell_restart: called with a stream and why its driver is started again; None: it is not.
        """
        exits = [
            over for over in (self._drivers.check() if self._drivers else ()) if over.stream not in known
        ]
        return [over for over in exits if tell_restart is None or not self._comes_back(over, tell_restart)]

    def _comes_back(self, over: Exit, tell: Callable[[str, str], None]) -> bool:
        """Start a driver again whose process was killed; whether that is so, or will be."""
        if over.code >= 0:
            return False
        now, restarts = time.monotonic(), self._restarts.setdefault(over.stream, Restarts())
        if restarts.due_s is None:
            if not restarts.died(now):
                return False
            tell(over.stream, over.error)
        if restarts.take(now):
            assert self._drivers is not None
            self._hub.release(over.stream)
            self.coming_back.add(over.stream)
            self._drivers.restart(over.stream)
        return True

    def failed_workers(self) -> list[tuple[tuple[str, ...], str]]:
        """Return the streams that a worker made, and why it failed, for each that did."""
        return [
            (
                tuple(_feeds(worker).values()),
                getattr(worker, "error", "") or f"a program beside the drivers ended with status {code}",
            )
            for worker in self._workers
            if (code := worker.poll())
        ]


def _feeds(worker: Worker) -> dict[str, str]:
    return getattr(worker, "feeds", {})


def _end(worker: Worker) -> None:
    """Wait for a program that saw the bus stop; end it if it did not."""
    try:
        worker.wait(5.0)
    except Exception:
        worker.terminate()
        worker.wait(5.0)
