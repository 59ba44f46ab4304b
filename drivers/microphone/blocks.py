"""Blocks of a sound card in their order, and how many samples are missing between them.

A card that overran (XRUN) says that samples are gone, and not how many: that only its clock can tell. The
ADC times of single blocks scatter, by milliseconds on sound servers; so the blocks after an overrun are held
for a moment, and the median of their times is compared with that of the blocks before.
"""

from __future__ import annotations

import statistics
from collections import deque
from typing import NamedTuple

from drivers.base import NO_TIME

HOLD_S = 0.25
"""Sound held after an overrun, until its length is known."""
BEFORE = 25
"""Blocks before an overrun whose times count."""


class Block(NamedTuple):
    """One block as PortAudio handed it on.

    Attributes:
        data: its samples, interleaved.
        rows: how many of each channel.
        time_host: arrival of the first, ns.
        time_device: when the ADC took the first, on the host's clock, ns, or NO_TIME.
        dropped: rows just before it for which there was no room: counted.
        overran: the card says that samples are missing before it, or within the one before.
    """

    data: bytes
    rows: int
    time_host: int
    time_device: int
    dropped: int = 0
    overran: bool = False


class BlockOrder:
    """Takes blocks in, and gives them out with what is missing before each.

    Args:
        rate: samples a second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._count = 0  # rows so far, missing ones included
        self._before: deque[float] = deque(maxlen=BEFORE)
        self._held: list[tuple[Block, float]] = []  # since an overrun, and how late each is
        self._ready: deque[tuple[Block, int]] = deque()

    def offer(self, block: Block) -> None:
        """Take the next block."""
        if block.overran and self._held:
            self._settle()
        self._count += block.dropped
        late = self._late_ns(block)
        self._count += block.rows
        if self._held or (block.overran and self._before):
            self._held.append((block, late))
            if sum(held.rows for held, _ in self._held) >= HOLD_S * self._rate:
                self._settle()
            return
        self._before.append(late)
        self._ready.append((block, block.dropped))

    def take(self) -> tuple[Block, int] | None:
        """Return the next block and the rows missing before it, or None if there is none yet."""
        return self._ready.popleft() if self._ready else None

    @property
    def has_more(self) -> bool:
        """Whether :meth:`take` has a block."""
        return bool(self._ready)

    def flush(self) -> None:
        """Give out what is held: nothing follows."""
        if self._held:
            self._settle()

    def _late_ns(self, block: Block) -> float:
        """How much later than its row number says a block was taken."""
        time = block.time_host if block.time_device == NO_TIME else block.time_device
        return time - self._count * 1e9 / self._rate

    def _settle(self) -> None:
        after = statistics.median(late for _, late in self._held)
        missing = max(0, round((after - statistics.median(self._before)) * 1e-9 * self._rate))
        self._count += missing
        held, self._held = self._held, []
        for block, late in held:
            self._before.append(late - missing * 1e9 / self._rate)
            self._ready.append((block, block.dropped + missing))
            missing = 0


def restamped(blocks: list[Block], rate: float, steady_s: float) -> list[Block]:
    """Return blocks with the ADC times that the last ``steady_s`` of them tell for all.

    Sound servers report the latency of another moment for their first second.
    """
    counts, count = [], 0
    for block in blocks:
        count += block.dropped
        counts.append(count)
        count += block.rows
    late = [
        block.time_device - start * 1e9 / rate
        for block, start in zip(blocks, counts, strict=True)
        if block.time_device != NO_TIME and start >= count - steady_s * rate
    ]
    if not late:
        return blocks
    origin = statistics.median(late)
    return [
        block._replace(time_device=round(origin + start * 1e9 / rate))
        for block, start in zip(blocks, counts, strict=True)
    ]
