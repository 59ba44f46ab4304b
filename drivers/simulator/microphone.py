"""``simulator.microphone``: blocks of sound in which the body's steps and claps are heard."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from drivers.base import StreamInfo
from drivers.simulator.options import ClockOptions, PacedDriver
from drivers.simulator.sound import Sound


@dataclasses.dataclass(frozen=True)
class MicrophoneConfig(ClockOptions):
    """Options of ``simulator.microphone``.

    Attributes:
        rate_hz: samples per second.
        block: samples in a block.
        noise: root mean square of the background, full scale 1.
    """

    rate_hz: int = 48_000
    block: int = 960
    noise: float = 0.002

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 8_000 <= self.rate_hz <= 192_000:
            raise ValueError("rate_hz must be 8000 to 192000")
        if not 16 <= self.block <= self.rate_hz:
            raise ValueError("block must be 16 samples to one second")
        if not 0 <= self.noise <= 0.5:
            raise ValueError("noise must be 0 to 0.5")


class SimulatedMicrophone(PacedDriver[MicrophoneConfig]):
    """One channel of int16, block-stamped, as sound cards give it."""

    Config = MicrophoneConfig

    def open(self) -> StreamInfo:
        """Begin; see :class:`~drivers.base.Driver`."""
        self.close()
        config = self.config
        self._sound = Sound(config.body(), config.seed, config.noise)
        clock = self._start(config.rate_hz, config.block)
        return StreamInfo(
            name=self.context.stream,
            kind="audio",
            dtype="<i2",
            shape=(1,),
            channels=("mono",),
            units=("1",),
            rate_hz=config.rate_hz,
            regular=True,
            stamping="block",
            device="simulated microphone",
            worn_on=self.context.worn_on,
            properties={"true_clock": clock.text()},
        )

    def _make(self, rows: range) -> Any:
        assert self.clock is not None
        sound = self._sound(self.clock.capture(np.array(rows)) / 1e9)
        return np.rint(sound * 32767.0).astype("<i2")[:, None]
