"""Blocks of a sound card: what overruns cost is counted to the sample, though single times scatter."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.base import NO_TIME
from drivers.microphone.blocks import Block, BlockOrder, restamped

RATE = 48_000
ROWS = 960


def played(
    gaps: dict[int, int], count: int = 200, jitter_ms: float = 1.0, *, stamped: bool = True
) -> tuple[list[Block], list[int]]:
    """Blocks of a card that overran before some of them, and the true number of each one's first sample."""
    chance, blocks, starts, start = np.random.default_rng(3), [], [], 0
    for number in range(count):
        start += gaps.get(number, 0)
        time = round(start * 1e9 / RATE + chance.normal(0, jitter_ms * 1e6))
        stamp = time if stamped else NO_TIME
        blocks.append(Block(b"", ROWS, time, stamp, 0, number in gaps))
        starts.append(start)
        start += ROWS
    return blocks, starts


def counted(blocks: list[Block]) -> list[int]:
    """The number that the order gives to each block's first sample."""
    order, numbers, number = BlockOrder(RATE), [], 0
    for block in [*blocks, None]:
        order.offer(block) if block is not None else order.flush()
        while (item := order.take()) is not None:
            number += item[1]
            numbers.append(number)
            number += item[0].rows
    return numbers


@pytest.mark.parametrize("stamped", [True, False])
@pytest.mark.parametrize("gaps", [{}, {50: 4800}, {50: 333, 52: 4000}, {50: 96_000, 199: 2000}, {50: 0}])
def test_an_overrun_is_counted_though_its_size_is_nowhere_told(gaps, stamped):
    blocks, starts = played(gaps, jitter_ms=0.0, stamped=stamped)
    assert counted(blocks) == starts


def test_scattered_times_cost_a_fraction_of_their_scatter():
    blocks, starts = played({50: 4800, 120: 7777}, jitter_ms=2.0)
    wrong = np.abs(np.array(counted(blocks)) - starts)
    assert wrong.max() < 0.0015 * RATE * 2  # 2 ms of scatter are 96 samples; each overrun costs less
    assert wrong[:50].max() == 0


def test_blocks_without_room_are_counted_exactly():
    blocks, starts = played({}, count=40)
    kept = [*blocks[:10], blocks[13]._replace(dropped=3 * ROWS), *blocks[14:]]
    assert counted(kept) == [*starts[:10], *starts[13:]]


def test_an_overrun_at_the_very_beginning_has_nothing_to_compare_with():
    blocks, starts = played({0: 0}, count=40)
    assert counted(blocks) == starts


def test_first_blocks_get_the_times_that_later_ones_tell():
    blocks, starts = played({}, count=100, jitter_ms=0.0)
    wrong = [block._replace(time_device=block.time_device + 80_000_000) for block in blocks[:40]]
    mended = restamped([*wrong, *blocks[40:]], RATE, 1.0)
    assert [block.time_device for block in mended] == [round(start * 1e9 / RATE) for start in starts]
    silent = [block._replace(time_device=NO_TIME) for block in blocks]
    assert restamped(silent, RATE, 1.0) == silent
