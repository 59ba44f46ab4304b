"""Devices simulated at the wire: pseudo-terminals here, HTTP, sound server and files beside it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import termios
import threading
import time
import tty
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from drivers.base import Driver, EndOfStream, Samples


class WiredPort:
    """A pseudo-terminal: ``path`` is the serial port, ``send`` is what the device sends.

    The path is a link that goes with the device: numbers of pseudo-terminals are given out again at once, and
    a driver that looks for an unplugged device would find that of another test.
    """

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self._folder = tempfile.TemporaryDirectory(prefix="chorus-port-")
        self.path = f"{self._folder.name}/ttyUSB0"
        Path(self.path).symlink_to(os.ttyname(self._slave))
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()

    def let_go(self) -> None:
        """Hold the port no more: from here on it is open only while a driver has it."""
        os.close(self._slave)
        self._slave = -1

    def send(self, data: bytes) -> None:
        os.write(self.master, data)

    def send_paced(self, chunks: Sequence[bytes], rate_hz: float) -> None:
        """Send chunk after chunk from a thread, on a clock that never drifts."""

        def run() -> None:
            start = time.monotonic()
            for index, chunk in enumerate(chunks):
                if self._stop.wait(max(0.0, start + index / rate_hz - time.monotonic())):
                    return
                with contextlib.suppress(OSError):
                    self.send(chunk)

        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()

    def unplug(self) -> None:
        self._stop.set()
        self._folder.cleanup()
        for thread in self._threads:
            thread.join()
        for descriptor in (self.master, self._slave):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self.master = self._slave = -1


SPEEDS = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name[1:].isdigit() and name[0] == "B"
}
"""Constants of termios to bits per second."""


class Uart(WiredPort):
    """A pseudo-terminal with a baud rate: who listens at another one hears what a UART would make of it.

    Bits go out as start, eight from the lowest, stop; the listener samples them at its own rate. ``seen``
    are the rates at which somebody listened.
    """

    def __init__(self, baudrate: int) -> None:
        super().__init__()
        self.baudrate = baudrate
        self.seen: list[int] = []

    def send(self, data: bytes) -> None:
        listening = SPEEDS.get(termios.tcgetattr(self.master)[5], 0)
        self.seen.append(listening)
        os.write(
            self.master, data if listening == self.baudrate else misheard(data, self.baudrate, listening)
        )


def misheard(data: bytes, sent: int, heard: int) -> bytes:
    """Return what a UART at ``heard`` bits/s makes of bytes sent at ``sent`` bits/s."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8)[:, None], axis=1, bitorder="little")
    frames = np.concatenate(
        [np.zeros((len(data), 1), np.uint8), bits, np.ones((len(data), 1), np.uint8)], axis=1
    )
    line = np.concatenate([frames.ravel(), np.ones(12, np.uint8)])
    ratio, at, out = sent / heard, 0.0, bytearray()
    while True:
        low = np.flatnonzero(line[int(np.ceil(at)) :] == 0)
        if not len(low):
            return bytes(out)
        start = int(np.ceil(at)) + int(low[0])  # the falling edge
        samples = (start + (np.arange(1, 9) + 0.5) * ratio).astype(int)
        if samples[-1] >= len(line):
            return bytes(out)
        out.append(int(np.packbits(line[samples], bitorder="little")[0]))
        at = start + 9.5 * ratio


def gather(driver: Driver, enough: Callable[[list[Samples]], bool], limit_s: float = 20.0) -> list[Samples]:
    """Read until ``enough`` or the end of the stream; fail after ``limit_s``."""
    got: list[Samples] = []
    deadline = time.monotonic() + limit_s
    while not enough(got):
        assert time.monotonic() < deadline, f"only {sum(map(len, got))} rows in {limit_s} s"
        try:
            samples = driver.read(0.1)
        except EndOfStream:
            break
        if samples is not None:
            got.append(samples)
    return got


def rows(samples: Sequence[Samples]) -> int:
    return sum(len(item) for item in samples)


def joined(samples: Sequence[Samples], field: str) -> np.ndarray:
    return np.concatenate([getattr(item, field) for item in samples])


def losses(samples: Sequence[Samples]) -> int:
    return sum(sum(item.lost.values()) for item in samples)
