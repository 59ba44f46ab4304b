"""An IMU on a serial port (USB, Bluetooth SPP, UART), in any protocol of this package.

The port is read as bytes arrive, at most about every :data:`PACE_S`, and every sample is stamped with
the arrival of the chunk that completed it. What is lost is counted by the protocol's parser.
"""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Callable
from typing import Any

from drivers.base import Driver, DriverContext, Samples, StreamInfo
from drivers.errors import DeviceError, Fault
from drivers.imu.parser import Parser, Rows
from drivers.imu.rate import wired_rate
from drivers.imu.serial.options import SerialImuConfig
from drivers.imu.serial.port_errors import no_port, port_error
from drivers.imu.serial.protocols import BAUDRATES, Candidates, identify
from drivers.ports import PortFinder, known_ports

PACE_S = 0.004
"""Between two looks at a port where bytes come faster: the error of one arrival; the lower envelope of many
is far better. What comes more rarely is waited for."""
BATCH_S, LONGEST_BATCH_S = 0.023, 0.03
"""Rows are handed on together: with the first that comes after so long, or after so long in any case.
Single rows cost the bus and the file far more, and so does each time that a process wakes up."""
READ_BYTES = 1 << 16
MEASURED_ROWS = 20
"""Rows whose arrival tells the nominal rate, where the rig gives none."""


class SerialImuDriver(Driver[SerialImuConfig]):
    """Samples of an IMU: (6..13,) float32 rows, channels as :mod:`drivers.imu.parser` lists them."""

    Config = SerialImuConfig

    def __init__(self, config: SerialImuConfig, context: DriverContext) -> None:
        super().__init__(config, context)
        self._serial: Any = None
        self._parser = next(iter(config.parsers().values()))
        self._found = config.protocol, config.baudrate  # what it turned out to be, once known
        self._last_byte = self._last_row = self._last_look = 0.0
        self._restarts = 0
        self._broken: DeviceError | None = None
        self._finder = PortFinder(config.port)
        self._path = config.port
        self._batch_s = 0.0 if context.prompt else BATCH_S
        self._paced = True  # bytes come so fast that they are looked for, not waited for

    def open(self) -> StreamInfo:
        """Open the port and listen until the sensor's samples are understood.

        Raises:
            DeviceError: no such port, no permission, busy, silent, or another protocol or baud rate.
        """
        self.close()
        self._restarts, self._broken = 0, None
        self._serial = self._open_port()
        self._last_byte = self._last_row = self._last_look = time.monotonic()
        try:
            self._identify()
            if self.config.rate_hz or self._parser.rate_hz:
                self._listen(lambda: False, self._parser.settle_s)
            rate = self.config.rate_hz or self._parser.rate_hz or self._measure()
        except BaseException:
            self.close()
            raise
        return StreamInfo(
            name=self.context.stream,
            kind="imu",
            shape=(len(self._parser.channels),),
            channels=self._parser.channels,
            units=self._parser.units,
            rate_hz=rate,
            regular=True,
            device=f"{self._found[0]} IMU on {self._path}",
            worn_on=self.context.worn_on,
            properties={
                "port": self._path,
                "protocol": self._found[0],
                "baudrate": str(self._found[1]),
            },
        )

    def read(self, timeout_s: float) -> Samples | None:
        """Return about 20 ms of samples; see :class:`Driver`."""
        if self._serial is None:
            raise DeviceError(
                self.context.stream, Fault.FAILED, "it was read while closed", mend="Open it first"
            )
        if self._broken is not None:
            raise self._broken
        try:
            self._gather(min(timeout_s, LONGEST_BATCH_S))
        except DeviceError as error:
            self._broken = error  # after the rows that came before
        rows = self._parser.take()
        now = time.monotonic()
        if rows is None and self._broken is not None:
            raise self._broken
        if rows is None:
            quiet_bytes, quiet_rows = now - self._last_byte, now - self._last_row
            if max(quiet_bytes, quiet_rows) > self.config.patience_s:
                raise self._nothing()
            return None
        return _samples(rows)

    def counter(self) -> tuple[int, int] | None:
        """Return the sensor's own count, where the protocol has one; see :class:`Driver`."""
        return self._parser.counter

    def close(self) -> None:
        """Let the port go."""
        if self._serial is not None:
            port, self._serial = self._serial, None
            port.close()

    def events(self) -> list[tuple[int, str, str]]:
        """Tell of a device whose counter began again: it was reset, what it missed is unknown."""
        restarts = getattr(self._parser, "restarts", 0)
        if restarts == self._restarts:
            return []
        self._restarts = restarts
        return [(time.monotonic_ns(), "device", f"{self.context.stream}: its counter began again")]

    def _open_port(self) -> Any:
        import serial

        ports = known_ports()
        try:
            self._path = self._finder.find(ports)
            opened = serial.Serial(self._path, self._baudrates()[0], timeout=0, exclusive=True)
        except LookupError as error:
            raise no_port(self.context.stream, str(error)) from error
        except (serial.SerialException, OSError, ValueError) as error:
            raise port_error(self.context.stream, self._path, self._baudrates()[0], error) from error
        self._finder.opened(self._path, ports)
        return opened

    def _baudrates(self) -> tuple[int, ...]:
        baudrate = self._found[1]
        return BAUDRATES if baudrate in ("auto", 0) else (int(baudrate),)

    def _identify(self) -> None:
        """Find the parser that understands the sensor, among those that come into question."""
        protocol, baudrates = self._found[0], self._baudrates()
        names = [name for name in self.config.parsers() if protocol in ("auto", name)]
        patience = self.config.patience_s
        if len(names) == len(baudrates) == 1:
            self._parser = self.config.parsers()[names[0]]
            self._listen(lambda: self._parser.ready and self._parser.waiting > 0, patience)
            if not self._parser.ready or not self._parser.waiting:
                raise self._nothing()
            return

        def fresh() -> dict[str, Parser]:
            return {name: parser for name, parser in self.config.parsers().items() if name in names}

        baudrate, heard = identify(self._wait, self._set_baudrate, baudrates, fresh, patience)
        if heard.best:
            self._parser = heard.parsers[heard.best]
            self._found = heard.best, baudrate  # opened again, it is looked for at once
            self._last_row = self._last_look
        else:
            self._found = self.config.protocol, self.config.baudrate
            raise self._unknown(heard)

    def _set_baudrate(self, baudrate: int) -> bool:
        try:
            self._serial.baudrate = baudrate
            self._serial.reset_input_buffer()
        except (ValueError, OSError):
            return False
        return True

    def _listen(self, enough: Callable[[], bool], limit_s: float) -> None:
        """Read and parse until ``enough``, or for ``limit_s``."""
        deadline = time.monotonic() + limit_s
        while not enough():
            self._look(min(deadline, time.monotonic() + LONGEST_BATCH_S))
            if time.monotonic() >= deadline:
                return

    def _look(self, deadline: float) -> None:
        """Wait for bytes, till ``deadline`` at most, and feed them to the parser."""
        self._feed([self._wait(deadline - time.monotonic())])

    def _gather(self, limit_s: float) -> None:
        """Read until a row comes after :data:`BATCH_S` (prompt: any row), or for ``limit_s``.

        The pieces are parsed together, each with its own arrival: a processor that sleeps between them has
        to fetch the parser anew each time.
        """
        begin = time.monotonic()
        pieces: list[tuple[bytes, int]] = []
        try:
            while (left := begin + limit_s - time.monotonic()) > 0:
                pieces.append(self._wait(left))
                if pieces[-1][0] and self._last_look - begin >= self._batch_s and self._feed(pieces):
                    return
        finally:
            self._feed(pieces)

    def _feed(self, pieces: list[tuple[bytes, int]]) -> bool:
        """Parse and forget pieces of data with their arrivals; say whether the last one made a row."""
        grown = False
        for data, arrival in pieces:
            if data:
                before = self._parser.waiting
                self._parser.feed(data, arrival)
                grown = self._parser.waiting > before
                if grown:
                    self._last_row = arrival / 1e9
        pieces.clear()
        return grown

    def _wait(self, limit_s: float) -> tuple[bytes, int]:
        """Return the bytes that come within ``limit_s`` and their arrival, host monotonic ns."""
        import serial

        now = time.monotonic()
        deadline = now + limit_s
        rest = self._last_look + PACE_S - now
        if self._paced and rest > 0:  # bytes that come meanwhile wait in the kernel
            time.sleep(min(rest, max(0.0, limit_s)))
        try:
            data = self._received(deadline)
        except (serial.SerialException, OSError) as error:
            raise DeviceError(
                self.context.stream,
                Fault.UNPLUGGED,
                f"the port {self._path} was unplugged",
                mend="Plug it in again; the stream goes on by itself",
            ) from error
        arrival = time.monotonic_ns()
        self._paced = arrival / 1e9 - self._last_look < 1.1 * PACE_S
        self._last_look = arrival / 1e9
        if data:
            self._last_byte = self._last_look
        return data, arrival

    def _received(self, deadline: float) -> bytes:
        """Return what has arrived, or what arrives till ``deadline``."""
        if os.name != "posix":
            if not self._serial.in_waiting:
                time.sleep(max(0.0, min(PACE_S, deadline - time.monotonic())))
            return self._serial.read(max(1, self._serial.in_waiting))
        # Past pyserial, whose read asks the system five times where once will do.
        port = self._serial.fileno()
        data = _read(port) if self._paced else b""
        limit_s = deadline - time.monotonic()
        if not data and limit_s > 0 and select.select([port], [], [], limit_s)[0]:
            data = _read(port)
            if not data:
                raise OSError(errno.EIO, "the port is readable and has nothing to read")
        return data

    def _nothing(self) -> DeviceError:
        """Say why no sample came: nothing at all, or nothing that could be read."""
        config, stream = self.config, self.context.stream
        if (
            time.monotonic() - self._last_byte >= min(config.patience_s, 1.0)
            and self._last_row >= self._last_byte
        ):
            return DeviceError(
                stream,
                Fault.SILENT,
                f"{self._path} sent nothing for {config.patience_s:g} s",
                mend="Switch the sensor on, check the cable and that 'port' is the right one",
            )
        note = self._parser.note()
        detail = f" ({note})" if note else ""
        mend = f"Check 'baudrate' (now {config.baudrate}) and 'protocol' (now {config.protocol}), or try auto"
        if config.protocol == "witmotion" and note:
            mend = "Switch on acceleration (0x51) and angular rate (0x52) with the maker's tool"
        return DeviceError(
            stream,
            Fault.GARBAGE,
            f"{self._path} sends bytes, but no {config.protocol} sample in {config.patience_s:g} s{detail}",
            mend=mend,
        )

    def _unknown(self, heard: Candidates) -> DeviceError:
        """Say what was heard instead of an IMU when all protocols or baud rates were tried."""
        if not heard.seen:
            return self._nothing()
        if heard.text:
            what = f"lines such as '{heard.text:.60}'"
            mend = "Name their columns and units: 'protocol: lines', 'columns', 'units'"
        else:
            notes = [f"{name}: {note}" for name, parser in heard.parsers.items() if (note := parser.note())]
            what = "; ".join(notes) or "bytes"
            mend = "Set 'protocol' and 'baudrate' as the maker says; see `chorus devices --probe`"
        return DeviceError(
            self.context.stream,
            Fault.GARBAGE,
            f"{self._path} sends {what}, but nothing that a known protocol explains",
            mend=mend,
        )

    def _measure(self) -> float:
        """Estimate the nominal rate, Hz, from the first rows, which are kept."""
        first = time.monotonic()
        for span_s in (0.5, 1.0, 2.0):  # longer where arrivals are too ragged to tell
            self._listen(
                lambda: self._parser.waiting >= MEASURED_ROWS and time.monotonic() - first >= span_s,  # noqa: B023
                first + 2.0 - time.monotonic(),
            )
            rows = self._parser.take()
            assert rows is not None
            self._parser.give_back(rows)
            rate, certain = wired_rate(rows)
            if certain:
                break
        return rate


def _read(port: int) -> bytes:
    try:
        return os.read(port, READ_BYTES)
    except BlockingIOError:
        return b""


def _samples(rows: Rows) -> Samples:
    return Samples(
        data=rows.values,
        time_host=rows.time_host,
        time_device=rows.time_device,
        seq=rows.seq,
        lost=rows.lost,
    )
