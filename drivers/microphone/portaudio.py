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
from typing import Any, Literal, NamedTuple

import numpy as np

from drivers.base import NO_TIME, Driver, DriverContext, Samples, StreamInfo
from drivers.clock.device import CLOCK, HOST
from drivers.errors import DeviceError, Fault, MissingDependency
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
_INVALID_RATE, _UNAVAILABLE = -9997, -9985
"""PaErrorCode paInvalidSampleRate, paDeviceUnavailable."""


@dataclasses.dataclass(frozen=True)
class PortAudioConfig:
    """Options of ``microphone.portaudio``.

    Attributes:
        device: name (or part of it) or index of the input; empty: the system's default.
        rate: samples a second; 0: the device's own.
        channels: how many to record.
        dtype: of one sample.
        block_ms: sound handed on at a time, ms; the card rounds it.
    """

    device: int | str = ""
    rate: int = 48000
    channels: int = 1
    dtype: Literal["int16", "float32"] = "int16"
    block_ms: float = 20.0

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 768_000:
            raise ValueError("rate must be 0 (the device's own) to 768000")
        if not 1 <= self.channels <= 256:
            raise ValueError("channels must be 1 to 256")
        if not 1 <= self.block_ms <= 1000:
            raise ValueError("block_ms must be 1 to 1000")


class _Block(NamedTuple):
    data: bytes
    rows: int
    time_host: int  # arrival of the first row
    time_device: int
    missing: int  # rows lost just before


class PortAudioDriver(Driver[PortAudioConfig]):
    """Blocks of a sound card as (R, channels) int16 or float32."""

    Config = PortAudioConfig

    def __init__(self, config: PortAudioConfig, context: DriverContext) -> None:
        super().__init__(config, context)
        self._stream: Any = None
        self._queue: queue.Queue[_Block] = queue.Queue()
        self._rate = 0.0
        self._seq = 0
        self._dropped = 0  # rows for which the queue had no room, since the last that had
        self._adc: tuple[float, int] | None = None  # ADC time and rows of the last block
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
            sounddevice = self._library()
            device = self._find(sounddevice)
            rate = float(self.config.rate or device["default_samplerate"])
            self._queue = queue.Queue(int(QUEUE_S * 1000 / self.config.block_ms) + 1)
            self._rate, self._seq, self._dropped, self._adc = rate, 0, 0, None
            self._events = []
            self._offsets.clear()
            try:
                self._stream = sounddevice.RawInputStream(
                    device=device["index"],
                    samplerate=rate,
                    # The card's own periods: blocks of another size beat against them, and the
                    # beat, some ms over many s, can't be told from a drifting clock.
                    blocksize=0,
                    channels=self.config.channels,
                    dtype=self.config.dtype,
                    latency=PERIODS * self.config.block_ms / 1000,
                    callback=self._receive,
                )
                self._stream.start()
            except sounddevice.PortAudioError as error:
                self.close()
                raise self._refused(error, device) from error
        self._last_block = time.monotonic()
        self._settle()
        return sound_info(
            self.context,
            self.config.channels,
            rate,
            dtype="<i2" if self.config.dtype == "int16" else "<f4",
            device=f"{device['name']} (PortAudio)",
            properties={CLOCK: HOST},
        )

    def _settle(self) -> None:
        """Pass over the first blocks, until their ADC times are steady; nobody was promised them."""
        count, since, anchor = 0, time.monotonic(), None
        deadline = since + UNSTEADY_S
        while (now := time.monotonic()) < deadline and now - since < STEADY_S:
            try:
                block = self._queue.get(timeout=deadline - now)
            except queue.Empty:
                return  # read() tells
            self._last_block = time.monotonic()
            if block.time_device == NO_TIME:
                return
            count += block.missing
            excess = block.time_device - round(count * 1e9 / self._rate)
            count += block.rows
            if anchor is None or abs(excess - anchor) > STEADY_NS:
                anchor, since = excess, self._last_block

    def read(self, timeout_s: float) -> Samples | None:
        """Return the next block; see :class:`Driver`."""
        if self._stream is None:
            raise DeviceError(
                self.context.stream, Fault.FAILED, "it was read while closed", mend="Open it first"
            )
        try:
            block = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            self._watch()
            return None
        self._last_block = time.monotonic()
        lost = {"driver_queue": block.missing} if block.missing else {}
        if block.missing:
            self._events.append(
                (block.time_host, "device", f"{self.context.stream}: {block.missing} samples overran")
            )
        self._seq += block.missing
        data = np.frombuffer(block.data, self.config.dtype).reshape(block.rows, self.config.channels)
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
        adc = float(times.inputBufferAdcTime)
        missing = self._dropped
        if status.input_overflow and self._adc is not None and adc > 0:
            # The card says that samples are gone; how many, only its clock can tell.
            before, length = self._adc
            missing += max(0, round((adc - before) * self._rate) - length)
        self._adc = (adc, rows)
        block = _Block(bytes(data), rows, arrival, self._on_host(adc, float(times.currentTime), now), missing)
        try:
            self._queue.put_nowait(block)
            self._dropped = 0
        except queue.Full:
            self._dropped = missing + rows

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
        quiet = time.monotonic() - self._last_block
        if not self._stream.active:
            raise DeviceError(
                self.context.stream,
                Fault.UNPLUGGED,
                "the sound input stopped",
                mend="Plug it in again and start anew; what came before is kept",
            )
        if quiet > PATIENCE_S:
            raise DeviceError(
                self.context.stream,
                Fault.SILENT,
                f"the sound input gave nothing for {PATIENCE_S:g} s",
                mend="Check that the sound server runs and that no other program holds the input",
            )

    def _library(self) -> Any:
        try:
            import sounddevice
        except (ImportError, OSError) as error:
            raise MissingDependency(
                f"{self.context.stream}: a microphone needs the library PortAudio, which is not installed",
                mend="Run 'apt install libportaudio2' (macOS: 'brew install portaudio')",
            ) from error
        return sounddevice

    def _find(self, sounddevice: Any) -> dict[str, Any]:
        """Return PortAudio's description of the input that the rig means."""
        wanted = None if self.config.device == "" else self.config.device
        for attempt in range(2):
            try:
                device = dict(sounddevice.query_devices(wanted, "input"))
                break
            except (ValueError, sounddevice.PortAudioError) as error:
                if attempt:
                    raise self._not_found(sounddevice, wanted, error) from error
                # PortAudio lists devices once; what was plugged in since is seen only anew.
                sounddevice._terminate()
                sounddevice._initialize()
        if device["max_input_channels"] < self.config.channels:
            raise DeviceError(
                self.context.stream,
                Fault.UNSUPPORTED,
                f"{device['name']} has {device['max_input_channels']} channels, not {self.config.channels}",
                mend=f"Set 'channels: {device['max_input_channels']}'",
            )
        return device

    def _not_found(self, sounddevice: Any, wanted: int | str | None, error: Exception) -> DeviceError:
        inputs = [
            f"{item['index']} '{item['name']}'"
            for item in sounddevice.query_devices()
            if item["max_input_channels"] > 0
        ]
        found = ", ".join(inputs) or "none"
        if "Multiple" in str(error):
            what = f"several sound inputs are named like '{wanted}'"
        elif wanted is None:
            what = "there is no default sound input"
        else:
            what = f"there is no sound input '{wanted}'"
        return DeviceError(
            self.context.stream, Fault.NOT_FOUND, what, mend=f"Set 'device'; inputs found: {found}"
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
