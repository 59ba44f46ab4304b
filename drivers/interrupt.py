"""Ctrl-C that ends things in order."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def orderly_interrupt(stop: threading.Event | None = None) -> Iterator[threading.Event]:
    """Let Ctrl-C and SIGTERM set an event; a second one interrupts as ever.

    Away from the main thread, where signals can't be taken, nothing changes.

    Args:
        stop: the event; by default a new one.
    """
    stop = stop or threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def interrupt(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
