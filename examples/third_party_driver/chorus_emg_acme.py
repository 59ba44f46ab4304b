"""An EMG amplifier that sends its samples over TCP: a driver of Chorus that lives in a package of its own.

The amplifier (a made-up one) sends packets of 12 bytes, little endian, 1000 a second: a counter (u32) and
four channels (i16) of 0.1 microvolt each. Its counter shows what was lost on the way.
"""

from __future__ import annotations

import dataclasses
import select
import socket

import numpy as np

from drivers.base import Driver, Samples, StreamInfo
from drivers.errors import DeviceError, Fault

PACKET = np.dtype([("count", "<u4"), ("channels", "<i2", 4)])
MICROVOLT = 0.1  # in one count


@dataclasses.dataclass(frozen=True)
class EmgConfig:
    """What a rig may say: ``{driver: emg.acme, host: 10.0.0.7}``."""

    host: str
    port: int = 4000

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError("port must be 1 to 65535")  # becomes one line that names the rig and the stream


class EmgDriver(Driver[EmgConfig]):
    """Four channels of surface EMG, (4,) float32 in microvolts."""

    Config = EmgConfig

    def open(self) -> StreamInfo:
        """Connect to the amplifier."""
        self._buffer, self._next = b"", None
        try:
            self._socket = socket.create_connection((self.config.host, self.config.port), timeout=3.0)
        except OSError as error:
            raise DeviceError(
                self.context.stream,
                Fault.NOT_FOUND,
                f"no amplifier answers at {self.config.host}:{self.config.port}",
                mend="Switch it on, and set 'host' to the address on its display",
            ) from error
        return StreamInfo(
            name=self.context.stream,
            kind="features",
            shape=(4,),
            channels=("emg_1", "emg_2", "emg_3", "emg_4"),
            units=("uV",) * 4,
            rate_hz=1000.0,
            regular=True,
            device="Acme EMG amplifier",
        )

    def read(self, timeout_s: float) -> Samples | None:
        """Return what came, with what the counter says was lost before it."""
        if not select.select([self._socket], [], [], timeout_s)[0]:
            return None
        data = self._socket.recv(65536)
        if not data:
            raise DeviceError(
                self.context.stream,
                Fault.UNPLUGGED,
                "the amplifier closed the connection",
                mend="Switch it on",
            )
        self._buffer += data
        whole = len(self._buffer) // PACKET.itemsize * PACKET.itemsize
        packets = np.frombuffer(self._buffer[:whole], PACKET)
        self._buffer = self._buffer[whole:]
        if not len(packets):
            return None
        count = packets["count"].astype(np.uint64)
        missing = 0 if self._next is None else max(0, int(count[-1]) + 1 - self._next - len(count))
        self._next = int(count[-1]) + 1
        microvolts = (packets["channels"] * MICROVOLT).astype(np.float32)
        samples = Samples.arriving(microvolts, first=0, lost={"device_gap": missing} if missing else {})
        return dataclasses.replace(samples, seq=count)

    def close(self) -> None:
        """Hang up; there may be nothing to hang up."""
        if hasattr(self, "_socket"):
            self._socket.close()
