"""A sound file (WAV, FLAC, OGG ...) as a microphone, at its own pace.

The file's rate is the device's: nothing is resampled. Reading is far faster than sound, so nothing
is lost; a reader that comes late gets its blocks late, and all of them.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import Driver, DriverContext, EndOfStream, Samples, StreamInfo
from drivers.errors import DeviceError, Fault, MissingDependency
from drivers.files import find_file
from drivers.microphone.sound import one_block, sound_info


@dataclasses.dataclass(frozen=True)
class SoundFileConfig:
    """Options of ``microphone.file``.

    Attributes:
        path: the file, relative to the current folder or the rig's.
        rate: samples a second the rig counts on; another rate in the file is refused. 0: the file's.
        loop: begin again at the end.
        block_ms: sound handed on at a time, ms.
    """

    path: str
    rate: int = 0
    loop: bool = False
    block_ms: float = 20.0

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 768_000:
            raise ValueError("rate must be 0 (the file's) to 768000")
        if not 1 <= self.block_ms <= 1000:
            raise ValueError("block_ms must be 1 to 1000")


class SoundFileDriver(Driver[SoundFileConfig]):
    """Blocks of a sound file as (R, channels) float32; ``time_device`` is the position in it."""

    Config = SoundFileConfig
    reopens = False

    def __init__(self, config: SoundFileConfig, context: DriverContext) -> None:
        super().__init__(config, context)
        self._file: Any = None
        self._rate = 0
        self._start = 0
        self._seq = 0

    def open(self) -> StreamInfo:
        """Open the file.

        Raises:
            DeviceError: no such file, not sound, empty, or of another rate than the rig says.
            MissingDependency: libsndfile is not there.
        """
        self.close()
        try:
            import soundfile
        except (ImportError, OSError) as error:
            raise MissingDependency(
                f"{self.context.stream}: sound files need the library libsndfile, which is not installed",
                mend="Run 'apt install libsndfile1' and 'pip install soundfile'",
            ) from error
        path, stream = find_file(self.context, self.config.path), self.context.stream
        try:
            file = soundfile.SoundFile(str(path))
        except (soundfile.SoundFileError, TypeError) as error:
            raise DeviceError(
                stream,
                Fault.UNSUPPORTED,
                f"{path} is not a sound file that can be read",
                mend="Set 'path' to a WAV, FLAC or OGG file",
            ) from error
        rate, frames, channels = file.samplerate, file.frames, file.channels
        if frames == 0:
            file.close()
            raise DeviceError(
                stream,
                Fault.UNSUPPORTED,
                f"{path} holds no sound",
                mend="Set 'path' to a file with sound in it",
            )
        if self.config.rate and self.config.rate != rate:
            file.close()
            raise DeviceError(
                stream,
                Fault.UNSUPPORTED,
                f"{path} has {rate} samples a second, not {self.config.rate}",
                mend=f"Set 'rate: {rate}', or convert it: sox {path} -r {self.config.rate} converted.wav",
            )
        self._file, self._rate, self._start, self._seq = file, rate, 0, 0
        return sound_info(self.context, channels, float(rate), dtype="<f4", device=f"sound file {path.name}")

    def read(self, timeout_s: float) -> Samples | None:
        """Return the next block when its last sample is due; see :class:`Driver`."""
        if self._file is None:
            raise DeviceError(
                self.context.stream, Fault.FAILED, "it was read while closed", mend="Open it first"
            )
        deadline = time.monotonic_ns() + int(timeout_s * 1e9)
        self._start = self._start or time.monotonic_ns()
        size = max(1, round(self.config.block_ms / 1000 * self._rate))
        # Sound is handed on when the block is full, as a sound card does.
        rows = size if self.config.loop else min(size, self._file.frames - self._seq)
        wait = self._due(self._seq + rows) - time.monotonic_ns()
        if rows > 0 and wait > 0:
            rest = deadline - time.monotonic_ns()
            time.sleep(max(0, min(wait, rest)) / 1e9)
            if wait > rest:
                return None
        data = self._take(rows)
        arrival = time.monotonic_ns() - round(len(data) * 1e9 / self._rate)
        position = round(self._seq * 1e9 / self._rate)
        samples = one_block(data, self._seq, arrival, position, {})
        self._seq += len(data)
        return samples

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _due(self, seq: int) -> int:
        return self._start + round(seq * 1e9 / self._rate)

    def _take(self, rows: int) -> NDArray[np.float32]:
        """Read ``rows`` from here, beginning again at the end where looped."""
        parts, left = [], rows
        while left > 0:
            part = self._file.read(left, dtype="float32", always_2d=True)
            if len(part) == 0:
                if not self.config.loop or self._file.tell() == 0:
                    break
                self._file.seek(0)
            parts.append(part)
            left -= len(part)
        if left == rows:
            raise EndOfStream
        return np.concatenate(parts)
