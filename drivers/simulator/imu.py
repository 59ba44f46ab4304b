"""``simulator.imu``: a sensor on the virtual body, read through the real serial driver.

::

    Body -> Sensor -> WitMotion bytes -> pseudo-terminal -> drivers.imu.serial.driver -> samples
"""

from __future__ import annotations

import dataclasses

import msgspec

from drivers.base import Driver, DriverContext, Samples, StreamInfo
from drivers.errors import DeviceError, Fault
from drivers.imu.serial.driver import SerialImuConfig, SerialImuDriver
from drivers.simulator.clock import SimulatedClock
from drivers.simulator.options import ClockOptions, generator, session_epoch
from drivers.simulator.sensor import CLOCK_BEGINS_S, PseudoTerminal, Sensor


@dataclasses.dataclass(frozen=True)
class ImuConfig(ClockOptions):
    """Options of ``simulator.imu``; the rig's ``worn_on`` says where it sits.

    Attributes:
        rate_hz: samples per second.
        noise: size of noise and bias against those of a common part; 0: none.
        shock: feel the impact of steps and claps.
        dropout: probability that a packet never leaves the sensor.
        garbage: probability that a packet is damaged on the way.
    """

    rate_hz: float = 100.0
    noise: float = 1.0
    shock: bool = True
    dropout: float = 0.0
    garbage: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.rate_hz <= 1000:
            raise ValueError("rate_hz must be 1 to 1000")
        if not 0 <= self.noise <= 100:
            raise ValueError("noise must be 0 to 100")
        if not (0 <= self.dropout <= 0.5 and 0 <= self.garbage <= 0.5):
            raise ValueError("dropout and garbage must be 0 to 0.5")


class SimulatedImu(Driver[ImuConfig]):
    """Samples of the serial driver: specific force, angular rate, orientation."""

    Config = ImuConfig

    def __init__(self, config: ImuConfig, context: DriverContext) -> None:
        super().__init__(config, context)
        self._terminal: PseudoTerminal | None = None
        self._driver: SerialImuDriver | None = None
        self.clock: SimulatedClock | None = None

    def prepare(self) -> None:
        """Plan the body's motion."""
        self.config.body().inertial([0.0, 60.0])

    def open(self) -> StreamInfo:
        """Plug the sensor in and open its port.

        Raises:
            DeviceError: this system has no pseudo-terminals.
        """
        self.close()
        config, place = self.config, self.context.worn_on or "unspecified"
        rng = generator(config, self.context.stream)

        body = config.body()
        body.inertial([0.0, 60.0])  # planned and imported before the clock starts

        def make(start_ns: int) -> Sensor:
            clock = config.clock(config.rate_hz, start_ns)
            offset = CLOCK_BEGINS_S * 10**9 + clock.offset_ns
            self.clock = dataclasses.replace(clock, offset_ns=offset)
            return Sensor(body, place, clock, rng, config.noise, config.shock)

        self._terminal = PseudoTerminal(self.context.stream, dropout=config.dropout, garbage=config.garbage)
        self._driver = SerialImuDriver(
            SerialImuConfig(port=self._terminal.port, rate_hz=config.rate_hz), self.context
        )
        try:
            self._terminal.play(make, session_epoch(self.context))
            info = self._driver.open()
        except BaseException:
            self.close()
            raise
        assert self.clock is not None  # samples came, so the sensor runs
        return msgspec.structs.replace(
            info,
            device=f"simulated WitMotion IMU on {self._terminal.port}",
            properties=info.properties | {"true_clock": self.clock.text()},
        )

    def read(self, timeout_s: float) -> Samples | None:
        """Return what the serial driver read; see :class:`~drivers.base.Driver`."""
        if self._driver is None:
            raise DeviceError(
                self.context.stream, Fault.FAILED, "it was read while closed", mend="Open it first"
            )
        return self._driver.read(timeout_s)

    def events(self) -> list[tuple[int, str, str]]:
        """Return the serial driver's events."""
        return [] if self._driver is None else self._driver.events()

    def close(self) -> None:
        """Close the port and unplug the sensor."""
        if self._driver is not None:
            self._driver.close()
            self._driver = None
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None
        self.clock = None
