"""A sound card through PortAudio (sounddevice).

PortAudio's own thread puts each block in a bounded queue; ``time_device`` is when the ADC took its first
sample, on the host's monotonic clock. A block for which the queue has no room, and samples that the card
reports as overrun (XRUN), are counted as ``driver_queue``. PulseAudio and PipeWire are reached through the
device ``pulse``; the environment variable PULSE_SOURCE picks the source there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import time
from collections import deque
from typing import Any, Literal

import numpy as np

from drivers.base import NO_TIME, Driver, DriverContext, Samples, StreamInfo
from drivers.clock.device import CLOCK, HOST
from drivers.errors import DeviceError, Fault
from drivers.microphone.blocks import Block, BlockOrder, restamped
from drivers.microphone.inputs import Inputs, library
from drivers.microphone.sound import one_block, sound_info
from drivers.quiet import quiet_stderr

QUEUE_S = 10.0
"""Sound kept while the reader is busy, s."""
PERIODS = 4
"""Blocks that the card buffers: 80 ms of slack before an overrun, as most cards split their buffer."""
PATIENCE_S = 3.0
"""No block for so long: the card has failed."""
OFFSETS = 512
"""Blocks whose comparison of PortAudio's clock with the host's counts: the least of about 10 s."""
STEADY_S, STEADY_NS, UNSTEADY_S = 1.5, 5_000_000, 4.0
"""ADC times count as settled once they kept to the sample count, within so many ns, for so long, and are
taken as they are after so long: sound servers report the latency of another moment for the first second."""
MOST_CHANNELS = 256
_INVALID_RATE, _UNAVAILABLE = -9997, -9985
"""PaErrorCode paInvalidSampleRate, paDeviceUnavailable."""


@dataclasses.dataclass(frozen=True)
class PortAudioConfig:
    """Options of ``microphone.portaudio``.

    Attributes:
        device: name (or part of it) or index of the input; empty: the system's default.
        rate: samples a second; 0: the device's own.
        channels: how many to record, the first ones; or which, counted from 0: [0, 3]. 0: all it has.
        of_channels: how many the input is opened with, to choose from; 0: as many as needed. A sound server
            mixes channels where this is not the number that the source has.
        dtype: of one sample.
        block_ms: sound handed on at a time, ms; the card rounds it.
    """

    device: int | str = ""
    rate: int = 48000
    channels: int | tuple[int, ...] = 1
    of_channels: int = 0
    dtype: Literal["int16", "float32"] = "int16"
    block_ms: float = 20.0

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 768_000:
            raise ValueError("rate must be 0 (the device's own) to 768000")
        which = self.channels if isinstance(self.channels, tuple) else (self.channels,)
        if not which or any(not 0 <= one <= MOST_CHANNELS for one in which):
            raise ValueError(f"channels must be 0 (all) to {MOST_CHANNELS}, or a list of them, from 0")
        if len(set(which)) < len(which):
            raise ValueError("channels names one twice")
        most = max(which) + 1 if isinstance(self.channels, tuple) else self.channels
        if self.of_channels and not most <= self.of_channels <= MOST_CHANNELS:
            raise ValueError(f"of_channels must be 0 (as many as needed) or {most} to {MOST_CHANNELS}")
        if not 1 <= self.block_ms <= 1000:
            raise ValueError("block_ms must be 1 to 1000")


class PortAudioDriver(Driver[PortAudioConfig]):
    """Blocks of a sound card as (R, channels) int16 or float32."""

    Config = PortAudioConfig

    def __init__(self, config: PortAudioConfig, context: DriverContext) -> None:
        super().__init__(config, context)
        self._stream: Any = None
        self._queue: queue.Queue[Block] = queue.Queue()
        self._ahead: deque[Block] = deque()  # came while it was opened
        self._order = BlockOrder(1.0)
        self._rate = 0.0
        self._opened = 0  # channels that the card sends
        self._which: tuple[int, ...] = ()  # of these, those to record
        self._seq = 0
        self._inputs = Inputs(context.stream, config.device)
        self._dropped = 0  # rows for which the queue had no room, since the last that had
        self._overran = False  # one of these came after an overrun
        self._offsets: deque[int] = deque(maxlen=OFFSETS)  # host's clock minus PortAudio's, ns, or more
        self._last_block = 0.0
        self._events: list[tuple[int, str, str]] = []

    def open(self) -> StreamInfo:
        """Open the input and start it.

        Raises:
            DeviceError: no such input, busy, or it does not do the rate or the channels.
            MissingDependency: PortAudio is not installed.
        """
        self.close()
        with quiet_stderr():
            sounddevice = library(self.context.stream)
            device = self._inputs.find(sounddevice)
            self._choose(device)
            rate = float(self.config.rate or device["default_samplerate"])
            self._queue = queue.Queue(int(QUEUE_S * 1000 / self.config.block_ms) + 1)
            self._rate, self._seq, self._dropped = rate, 0, 0
            self._order = BlockOrder(rate)
            self._events = []
            self._ahead.clear()
            self._offsets.clear()
            try:
                self._stream = sounddevice.RawInputStream(
                    device=device["index"],
                    samplerate=rate,
                    # The card's own periods: blocks of another size beat against them, and the
                    # beat, some ms over many s, can't be told from a drifting clock.
                    blocksize=0,
                    channels=self._opened,
                    dtype=self.config.dtype,
                    latency=PERIODS * self.config.block_ms / 1000,
                    callback=self._receive,
                )
                self._stream.start()
            except sounddevice.PortAudioError as error:
                self.close()
                self._inputs.stale = True
                raise self._refused(error, device) from error
        self._last_block = time.monotonic()
        blocks = self._settle()
        if self._inputs.opened(device):  # it is back: what came meanwhile is part of the stream
            self._ahead.extend(restamped(blocks, rate, STEADY_S))
        return sound_info(
            self.context,
            self._which,
            rate,
            dtype="<i2" if self.config.dtype == "int16" else "<f4",
            device=f"{device['name']} (PortAudio)",
            properties={CLOCK: HOST},
        )

    def _settle(self) -> list[Block]:
        """Return the first blocks, until their ADC times are steady; at the start nobody misses them."""
        blocks: list[Block] = []
        count, since, anchor = 0, time.monotonic(), None
        deadline = since + UNSTEADY_S
        while (now := time.monotonic()) < deadline and now - since < STEADY_S:
            try:
                block = self._queue.get(timeout=deadline - now)
            except queue.Empty:
                break  # read() tells
            self._last_block = time.monotonic()
            blocks.append(block)
            if block.time_device == NO_TIME:
                break
            count += block.dropped
            excess = block.time_device - round(count * 1e9 / self._rate)
            count += block.rows
            if anchor is None or abs(excess - anchor) > STEADY_NS:
                anchor, since = excess, self._last_block
        return blocks

    def read(self, timeout_s: float) -> Samples | None:
        """Return the next block; see :class:`Driver`."""
        if self._stream is None:
            raise DeviceError(
                self.context.stream, Fault.FAILED, "it was read while closed", mend="Open it first"
            )
        deadline = time.monotonic() + timeout_s
        while (item := self._order.take()) is None:
            if not self._ahead:
                try:
                    self._ahead.append(self._queue.get(timeout=max(0.0, deadline - time.monotonic())))
                except queue.Empty:
                    self._watch()
                    return None
                self._last_block = time.monotonic()
            self._order.offer(self._ahead.popleft())
        block, missing = item
        if missing:
            self._events.append(
                (block.time_host, "device", f"{self.context.stream}: {missing} samples overran")
            )
        self._seq += missing
        data = np.frombuffer(block.data, self.config.dtype).reshape(block.rows, self._opened)
        if self._which != tuple(range(self._opened)):
            data = np.ascontiguousarray(data[:, self._which])
        lost = {"driver_queue": missing} if missing else {}
        samples = one_block(data, self._seq, block.time_host, block.time_device, lost)
        self._seq += block.rows
        return samples

    def close(self) -> None:
        """Stop the input and let it go."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            with quiet_stderr(), contextlib.suppress(Exception):
                stream.abort()
            with quiet_stderr(), contextlib.suppress(Exception):
                stream.close()

    def events(self) -> list[tuple[int, str, str]]:
        """Tell of overruns; see :class:`Driver`."""
        told, self._events = self._events, []
        return told

    def _receive(self, data: Any, rows: int, times: Any, status: Any) -> None:
        """Take a block on PortAudio's thread: no lock is held for long, nothing waits."""
        now = time.monotonic_ns()
        arrival = now - round(rows * 1e9 / self._rate)
        stamp = self._on_host(float(times.inputBufferAdcTime), float(times.currentTime), now)
        overran = bool(status.input_overflow) or self._overran
        try:
            self._queue.put_nowait(Block(bytes(data), rows, arrival, stamp, self._dropped, overran))
            self._dropped, self._overran = 0, False
        except queue.Full:
            self._dropped += rows
            self._overran = overran

    def _on_host(self, adc: float, current: float, now: int) -> int:
        """Move an ADC time (s of PortAudio's clock) to the host's clock, ns.

        PortAudio read its clock before this thread read the host's, so the least difference of late is
        the truest; that of long ago is not, as some systems let PortAudio's clock be set.
        """
        if not (adc > 0 and current > 0):
            return NO_TIME
        self._offsets.append(now - round(current * 1e9))
        return round(adc * 1e9) + min(self._offsets)

    def _watch(self) -> None:
        """Say so if the card has failed, once all that came before was read."""
        self._order.flush()
        if self._order.has_more:
            return
        quiet = time.monotonic() - self._last_block
        if not self._stream.active:
            self._inputs.stale = True
            raise DeviceError(
                self.context.stream,
                Fault.UNPLUGGED,
                "the sound input stopped",
                mend="Plug it in again; the stream goes on by itself",
            )
        if quiet > PATIENCE_S:
            self._inputs.stale = True
            raise DeviceError(
                self.context.stream,
                Fault.SILENT,
                f"the sound input gave nothing for {PATIENCE_S:g} s",
                mend="Check that the sound server runs and that no other program holds the input",
            )

    def _choose(self, device: dict[str, Any]) -> None:
        """Note which channels to ask for, and which of them to record."""
        has, wanted = int(device["max_input_channels"]), self.config.channels
        if not isinstance(wanted, tuple):
            wanted = tuple(range(wanted or self.config.of_channels or min(has, MOST_CHANNELS)))
        self._opened, self._which = self.config.of_channels or max(wanted) + 1, wanted
        if has < self._opened:
            raise DeviceError(
                self.context.stream,
                Fault.UNSUPPORTED,
                f"{device['name']} has {has} channels, not {self._opened}",
                mend=f"Set 'channels: {has}', or a list of channels below that",
            )

    def _refused(self, error: Exception, device: dict[str, Any]) -> DeviceError:
        code = error.args[1] if len(error.args) > 1 else 0
        name, stream = device["name"], self.context.stream
        if code == _INVALID_RATE:
            own = round(device["default_samplerate"])
            return DeviceError(
                stream,
                Fault.UNSUPPORTED,
                f"{name} does not do {self.config.rate} samples a second",
                mend=f"Set 'rate: {own}', which the device has",
            )
        if code == _UNAVAILABLE:
            return DeviceError(
                stream,
                Fault.BUSY,
                f"{name} is in use by another program or was removed",
                mend="Close the program that records from it",
            )
        return DeviceError(
            stream,
            Fault.FAILED,
            f"{name} cannot be opened: {error.args[0] if error.args else error}",
            mend="Check that the sound server runs, and 'device', 'rate' and 'channels'",
        )
