"""Sound as it arrives, read back by ticks: blocks -> AudioReader -> (33,) features."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import StreamInfo
from drivers.errors import ConfigError
from fusion.audio.logmel import BANDS, WIDTH, log_mel, onset_strength, to_mono, window_size

_SECOND = 1_000_000_000


class AudioReader:
    """Takes the blocks of one sound stream and gives the features of each tick.

    The samples of a block follow its stamp at the nominal rate. A tick is served from the first block
    that reaches it, whatever comes later: the result depends neither on how blocks were cut into
    batches nor on when they arrived. Samples that were lost are silence.

    Raises:
        ConfigError: the stream has no rate.
    """

    def __init__(self, info: StreamInfo) -> None:
        if info.rate_hz <= 0:
            raise ConfigError(
                f"{info.name}: a sound stream needs a sampling rate",
                mend="Set rate_hz of the stream in the rig",
            )
        self.info = info
        log_mel(np.zeros(window_size(info.rate_hz)), info.rate_hz)  # the filters are made now, not at a tick
        self._rate = info.rate_hz
        self._window = window_size(info.rate_hz)
        self._blocks: collections.deque[tuple[int, int, NDArray[np.float32]]] = collections.deque()
        self._past = np.zeros(self._window, np.float32)  # the window's samples before the first block
        self._end_seq: int | None = None
        self._bands: NDArray[np.float64] | None = None

    @property
    def last_time(self) -> int:
        """Session time of the newest sample, ns; the smallest int64 before there is one."""
        if not self._blocks:
            return int(np.iinfo(np.int64).min)
        time, _, sound = self._blocks[-1]
        return time + self._offset(len(sound) - 1)

    def _offset(self, samples: int) -> int:
        return int(samples * _SECOND / self._rate)

    def append(self, stamps: NDArray[Any], rows: NDArray[Any]) -> None:
        """Take a batch: stamps (N,) with N = 1 for block-stamped streams, rows (R, channels)."""
        sound = to_mono(rows)
        if len(stamps) == 1 or len(stamps) != len(sound):
            self._append(int(stamps["time"][0]), int(stamps["seq"][0]), sound)
            return
        for i in range(len(stamps)):  # a row-stamped sound stream: slow, but right
            self._append(int(stamps["time"][i]), int(stamps["seq"][i]), sound[i : i + 1])

    def _append(self, time: int, seq: int, sound: NDArray[np.float32]) -> None:
        if not len(sound):
            return
        if self._end_seq is not None and seq > self._end_seq:
            gap = min(seq - self._end_seq, self._window)
            silence = np.zeros(gap, np.float32)
            self._blocks.append((time - self._offset(gap), seq - gap, silence))
        self._blocks.append((time, seq, sound))
        self._end_seq = seq + len(sound)

    def at(self, tick: int) -> tuple[NDArray[np.float32], int] | None:
        """Return features (33,) at a tick and the time of the newest sample in them; None: no sound yet.

        Ticks must be consecutive from call to call, for the onset strength.
        """
        blocks = self._blocks
        while len(blocks) > 1 and blocks[0][0] + self._offset(len(blocks[0][2]) - 1) < tick:
            if blocks[1][0] > tick:  # the tick falls in the crack between the two
                break
            _, _, sound = blocks.popleft()
            self._past = np.concatenate([self._past, sound])[-self._window :]
        if not blocks or blocks[0][0] > tick:
            return None
        time, _, sound = blocks[0]
        count = min(int((tick - time) * self._rate / _SECOND) + 1, len(sound))
        frame = sound[max(0, count - self._window) : count]
        if len(frame) < self._window:
            frame = np.concatenate([self._past[len(frame) :], frame])
        bands = log_mel(frame, self._rate)
        before = bands if self._bands is None else self._bands
        self._bands = bands
        out = np.empty(WIDTH, np.float32)
        out[:BANDS], out[BANDS] = bands, onset_strength(bands, before)
        return out, time + self._offset(count - 1)
