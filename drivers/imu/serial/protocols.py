"""The protocols of serial IMUs by name, and which of them some bytes are."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping

from drivers.imu.parser import Parser
from drivers.imu.serial.bno08x import Bno08xParser
from drivers.imu.serial.witmotion import WitMotionParser
from drivers.imu.serial.ximu3 import XImu3Parser
from drivers.imu.serial.xsens import XsensParser

PROTOCOLS: dict[str, Callable[[], Parser]] = {
    "witmotion": WitMotionParser,
    "bno08x": Bno08xParser,
    "xsens": XsensParser,
    "ximu3": XImu3Parser,
}
"""Name to parser with usual settings; ``lines`` is not among them, its columns being anybody's."""
BAUDRATES = (115200, 9600, 921600, 460800, 230400, 57600, 38400, 19200, 1000000, 2000000, 4000000)
"""Bits per second in the order tried: what makers set, the commonest first."""
ENOUGH_ROWS = 8
"""Rows after which a protocol is believed at once; two in a row are no accident where nothing is refused."""
LISTEN_S = 0.6
"""How long each baud rate is listened to: six samples of the slowest usual sensor."""
NOISE_BYTES = 2000
"""Bytes of which no protocol made a row: another baud rate."""
_TEXT = frozenset(b"\t\r\n") | frozenset(range(0x20, 0x7F))


@dataclasses.dataclass
class Candidates:
    """All protocols listening to the same bytes.

    Args:
        parsers: by name, fresh.
    """

    parsers: Mapping[str, Parser]
    seen: int = 0
    """Bytes so far."""
    tail: bytes = b""
    """The last of them, at most 4096."""

    def feed(self, data: bytes, time_host: int) -> None:
        """Give one chunk to all."""
        self.seen += len(data)
        self.tail = (self.tail + data)[-4096:]
        for parser in self.parsers.values():
            parser.feed(data, time_host)

    @property
    def best(self) -> str:
        """Name the protocol that fits so far; empty: none does."""
        fitting = {
            name: parser.waiting
            for name, parser in self.parsers.items()
            if parser.ready and parser.waiting >= 2 and parser.damaged <= 2 + parser.waiting // 8
        }
        return max(fitting, key=fitting.__getitem__) if fitting else ""

    @property
    def sure(self) -> bool:
        """Whether further listening would not change the mind."""
        return bool(self.best) and self.parsers[self.best].waiting >= ENOUGH_ROWS

    @property
    def hopeless(self) -> bool:
        """Whether the bytes are noise to all."""
        return self.seen >= NOISE_BYTES and not any(
            parser.ready and parser.waiting for parser in self.parsers.values()
        )

    @property
    def text(self) -> str:
        """The last whole line of what was heard, if most of that is text.

        The first bytes may be wrong: a port is opened in the middle of one.
        """
        whole = [line.strip() for line in self.tail.splitlines()[1:-1]]
        lines = [line for line in whole if line and _TEXT.issuperset(line)]
        if not lines or 4 * len(lines) < 3 * len(whole):
            return ""
        return lines[-1].decode("ascii")


def identify(
    read: Callable[[float], tuple[bytes, int]],
    set_baudrate: Callable[[int], bool],
    baudrates: tuple[int, ...],
    parsers: Callable[[], Mapping[str, Parser]],
    patience_s: float,
) -> tuple[int, Candidates]:
    """Try baud rates until a protocol fits what the port sends.

    Args:
        read: waits so many s at most; returns bytes and their arrival, host monotonic ns.
        set_baudrate: sets the port to a rate and forgets what came before; False: it cannot do it.
        baudrates: to be tried in this order.
        parsers: makes fresh parsers by name.
        patience_s: how long to wait for the first byte of all.

    Returns:
        the baud rate and what was heard at it: ``best`` is empty where nothing fitted; then those of
        the rate at which text came, or else the last ones with bytes.
    """
    heard: tuple[int, Candidates] | None = None
    for baudrate in baudrates:
        candidates = Candidates(parsers())
        if not set_baudrate(baudrate):
            continue
        begin = time.monotonic()
        limit = begin + (LISTEN_S if heard else max(LISTEN_S, patience_s))
        while not (candidates.sure or candidates.hopeless) and (left := limit - time.monotonic()) > 0:
            data, arrival = read(min(left, 0.05))
            if data:
                if not candidates.seen:
                    limit = min(limit, time.monotonic() + LISTEN_S)
                candidates.feed(data, arrival)
        if candidates.best:
            return baudrate, candidates
        if not candidates.seen and heard is None:
            return baudrate, candidates  # no byte at one rate is no byte at any
        if heard is None or not heard[1].text:
            heard = baudrate, candidates
    assert heard is not None or baudrates == ()
    return heard or (0, Candidates({}))
