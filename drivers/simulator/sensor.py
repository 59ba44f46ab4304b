"""An IMU on a pseudo-terminal that speaks the WitMotion protocol byte by byte.

Like many a small sensor it starts when its port is opened: sample 0 is the first one sent.
"""

from __future__ import annotations

import os
import select
import struct
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from drivers.errors import DeviceError, Fault
from drivers.imu.serial.witmotion import (
    ACCELERATION,
    ANGULAR_RATE,
    FULL_SCALE,
    QUATERNION,
    TIME,
    packet,
)
from drivers.simulator.body import GRAVITY, Body
from drivers.simulator.clock import SimulatedClock
from drivers.simulator.rotations import from_rotation_vector, quaternion

Array = NDArray[np.float64]

RANGE_G, RANGE_DPS = 16.0, 2000.0
"""Full scale, as a WT901 leaves the factory."""
CLOCK_BEGINS_S = 946_684_800
"""2000-01-01, UTC: where the sensor's own clock begins, s since 1970."""
SETTLE_S = 0.1
"""From the opening of the port to the first sample: the host empties its buffer meanwhile."""
_TEMPERATURE = 2_500  # 0.01 degrees C, the fourth value of the first two packets
_AHEAD_S = 0.2
_SHOCK_DECAY_S, _SHOCK_S = 0.03, 0.3


def shocks(body: Body, times: Array, place: str) -> Array:
    """Return the shock (T,) m/s² along the sensor's z that steps and claps send to ``place``.

    A damped vibration of 28 Hz, the range of soft-tissue resonance, weaker with distance from the
    impact; it comes on top of what the smooth motion gives.
    """
    out = np.zeros(len(times))
    for impact in body.impacts(float(times[0]) - _SHOCK_S, float(times[-1])):
        gain = _shock_gain(impact.kind, impact.side, place)
        if gain:
            since = np.clip(times - impact.time, 0.0, None)
            wave = np.exp(-since / _SHOCK_DECAY_S) * np.sin(2 * np.pi * 28.0 * since)
            out += impact.strength * gain * np.where(since < _SHOCK_S, wave, 0.0)
    return out


def _shock_gain(kind: str, side: str, place: str) -> float:
    place = "right_forearm" if place == "unspecified" else place
    part = place.removeprefix("left_").removeprefix("right_")
    if kind == "clap":
        return {"hand": 30.0, "forearm": 18.0, "upper_arm": 4.0}.get(part, 0.0)
    near = {"foot": 40.0, "shin": 22.0, "thigh": 9.0}.get(part)
    if near is not None:
        return near if place.startswith(side) else 0.0
    return {"pelvis": 5.0, "chest": 3.0, "head": 1.5}.get(part, 0.0)


class Sensor:
    """The bytes of a simulated sensor: motion, bias and noise of a consumer part, quantised.

    Args:
        body: who wears it.
        place: where, one of :data:`drivers.places.PLACES`.
        clock: of the sensor.
        rng: of bias and noise.
        noise: their size against that of a common part (0.02 m/s² and 0.07 deg/s of noise,
            0.06 m/s² and 0.3 deg/s of bias, 0.3 degrees of orientation); 0: ideal but quantised.
        shock: whether impacts are felt.
    """

    def __init__(
        self,
        body: Body,
        place: str,
        clock: SimulatedClock,
        rng: np.random.Generator,
        noise: float = 1.0,
        shock: bool = True,
    ) -> None:
        self.body, self.place, self.clock = body, place, clock
        self.rng, self.noise, self.shock = rng, noise, shock
        self._force_bias = noise * rng.normal(0, 0.06, 3)
        self._rate_bias = noise * np.radians(rng.normal(0, 0.3, 3))

    def counts(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.int16]]:
        """Return int16 counts of acceleration (N, 3), angular rate (N, 3), quaternion wxyz (N, 4)."""
        times = self.clock.capture(rows) / 1e9
        ideal = self.body.inertial(times, (self.place,))
        noise = self.noise * self.rng.normal(size=(3, len(rows), 3))
        force = ideal.specific_force[:, 0] + self._force_bias + 0.02 * noise[0]
        if self.shock:
            force[:, 2] += shocks(self.body, times, self.place)
        rate = ideal.angular_rate[:, 0] + self._rate_bias + np.radians(0.07) * noise[1]
        tilt = np.radians(0.3) * noise[2]
        xyzw = quaternion(ideal.orientations[:, 0] @ from_rotation_vector(tilt))
        return (
            _quantise(force / (RANGE_G * GRAVITY)),
            _quantise(np.degrees(rate) / RANGE_DPS),
            _quantise(xyzw[:, [3, 0, 1, 2]]),
        )

    def packets(self, rows: NDArray[np.int64]) -> list[bytes]:
        """Return the set of packets (0x50, 0x51, 0x52, 0x59) of each row."""
        out = []
        stamps = self.clock.stamp(rows) // 1_000_000
        for stamp, force, rate, turn in zip(stamps, *self.counts(rows), strict=True):
            out.append(
                packet(TIME, _time_counts(int(stamp)))
                + packet(ACCELERATION, (*map(int, force), _TEMPERATURE))  # type: ignore[arg-type]
                + packet(ANGULAR_RATE, (*map(int, rate), _TEMPERATURE))  # type: ignore[arg-type]
                + packet(QUATERNION, tuple(map(int, turn)))  # type: ignore[arg-type]
            )
        return out


def _quantise(fraction: Array) -> NDArray[np.int16]:
    return np.clip(np.rint(fraction * FULL_SCALE), -32768, 32767).astype(np.int16)


def _time_counts(milliseconds: int) -> tuple[int, int, int, int]:
    """Return the payload of a time packet, ms since :data:`CLOCK_BEGINS_S`."""
    seconds, milli = divmod(max(0, milliseconds), 1000)
    date = time.gmtime(CLOCK_BEGINS_S + seconds)
    fields = (date.tm_year - 2000, date.tm_mon, date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec)
    return struct.unpack("<4h", struct.pack("<6BH", *fields, milli))


class PseudoTerminal:
    """A thread that plays a sensor on a pseudo-terminal, from when its port is opened.

    Args:
        stream: name for errors.
        dropout: probability that a packet never leaves the sensor.
        garbage: probability that one byte of a packet is damaged on the way.

    Raises:
        DeviceError: this system has no pseudo-terminals.
    """

    def __init__(self, stream: str, *, dropout: float = 0.0, garbage: float = 0.0) -> None:
        try:
            import pty
            import tty
        except ImportError as error:
            raise DeviceError(
                stream,
                Fault.UNSUPPORTED,
                "this system has no pseudo-terminals",
                mend="Run the simulated IMU on Linux or macOS",
            ) from error
        self.dropout, self.garbage = dropout, garbage
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        os.close(slave)  # from here on the master hangs up until somebody opens the port
        os.set_blocking(self._master, False)
        self.sent: int = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def play(self, make: Callable[[int], Sensor], epoch_ns: int) -> None:
        """Send a sensor's samples in real time.

        Args:
            make: makes the sensor, given the session time of its row 0, ns.
            epoch_ns: the session's epoch, host monotonic ns.
        """
        self._thread = threading.Thread(target=self._play, args=(make, epoch_ns), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Unplug the sensor."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _play(self, make: Callable[[int], Sensor], epoch_ns: int) -> None:
        while not self._opened():
            if self._stop.wait(0.005):
                return
        sensor = make(time.monotonic_ns() - epoch_ns + round(SETTLE_S * 1e9))
        clock, rng = sensor.clock, sensor.rng
        ahead = max(1, round(_AHEAD_S * clock.rate_hz))
        row, last = 0, 0
        while True:
            rows = np.arange(row, row + ahead)
            due = np.maximum(epoch_ns + clock.arrival(rows, rng), last)
            for at, data in zip(due, sensor.packets(rows), strict=True):
                wait = (int(at) - time.monotonic_ns()) / 1e9
                if self._stop.wait(max(0.0, wait)) if wait > 0 else self._stop.is_set():
                    return
                self._send(self._spoil(data, rng))
            row, last = row + ahead, int(due[-1])

    def _opened(self) -> bool:
        poll = select.poll()
        poll.register(self._master, select.POLLHUP)
        return not any(event & select.POLLHUP for _, event in poll.poll(0))

    def _send(self, data: bytes) -> None:
        try:
            self.sent += os.write(self._master, data) == len(data)
        except OSError:
            return  # nobody reads: a real port loses its bytes as well

    def _spoil(self, data: bytes, rng: np.random.Generator) -> bytes:
        if not (self.dropout or self.garbage):
            return data
        out = b""
        for at in range(0, len(data), 11):
            piece = bytearray(data[at : at + 11])
            if rng.random() < self.garbage:
                piece[int(rng.integers(2, 10))] ^= 1 << int(rng.integers(8))
            if rng.random() >= self.dropout:
                out += piece
        return out
