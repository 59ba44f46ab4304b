"""Single keys of the console while a program runs."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
import time
from collections.abc import Callable


class Keyboard:
    """Calls back at each key, with the moment it was pressed; a context manager, puts the console back.

    Does nothing where standard input is no terminal, or the system has no such thing as ``termios``.

    Args:
        pressed: called in a thread of its own: the key, and the moment on this host's monotonic clock, ns.
    """

    def __init__(self, pressed: Callable[[str, int], None]) -> None:
        self._pressed = pressed
        self._before: list | None = None
        self._thread: threading.Thread | None = None
        self._near, self._far = -1, -1

    @property
    def listens(self) -> bool:
        """Whether keys are heard."""
        return self._thread is not None

    def __enter__(self) -> Keyboard:
        try:
            import termios
            import tty

            if not sys.stdin.isatty() or os.getpgrp() != os.tcgetpgrp(sys.stdin.fileno()):
                return self
            self._before = termios.tcgetattr(sys.stdin.fileno())
            tty.setcbreak(sys.stdin.fileno())  # Ctrl-C still interrupts
        except (ImportError, OSError, ValueError):
            return self
        self._near, self._far = os.pipe()
        self._thread = threading.Thread(target=self._listen, name="keyboard", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is None:
            return
        import termios

        os.write(self._far, b"\0")
        self._thread.join()
        os.close(self._near)
        os.close(self._far)
        with contextlib.suppress(termios.error, OSError, ValueError):
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._before or [])

    def _listen(self) -> None:
        descriptor = sys.stdin.fileno()
        while True:
            ready, _, _ = select.select([descriptor, self._near], [], [])
            now_ns = time.monotonic_ns()
            if self._near in ready:
                return
            try:
                keys = os.read(descriptor, 64).decode(errors="ignore")
            except OSError:
                return
            if not keys:
                return
            if keys.startswith("\x1b"):  # an arrow or the like
                continue
            for key in keys:
                self._pressed(key, now_ns)
