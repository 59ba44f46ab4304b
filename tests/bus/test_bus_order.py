"""The order of one stream, whatever the network does to its messages."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bus import wire
from drivers.bus.messages import Ended, Missed
from drivers.bus.order import PATIENCE_S, Due, StreamOrder
from drivers.bus.resend import ResendBuffer

FRAMES = [b"d/wrist/", b"", b"", b""]


def data(number: int, row: int, rows: int, lost: int = 0) -> wire.DataHeader:
    return wire.DataHeader(
        run=1, number=number, row=row, lost={"device_gap": lost} if lost else {}, rows=rows, sizes=[]
    )


def stream(sizes: list[int], losses: list[int]) -> tuple[list[wire.DataHeader], wire.EndedHeader]:
    headers, row, lost = [], 0, 0
    for number, (rows, gone) in enumerate(zip(sizes, losses, strict=True)):
        lost += gone
        headers.append(data(number, row, rows, lost))
        row += rows
    end = wire.EndedHeader(
        run=1, number=len(sizes), row=row, lost={"device_gap": lost} if lost else {}, produced=row + lost
    )
    return headers, end


def collect(order: StreamOrder, now: float, into: list[object]) -> None:
    into.extend(order.due(now))


messages = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=60)


@settings(deadline=None)
@given(messages, st.floats(0, 0.9), st.floats(0, 0.9), st.randoms(use_true_random=False))
def test_lossy_reordered_and_doubled_messages_come_out_complete(
    rows_and_losses, drop, fail, rng: random.Random
):
    headers, end = stream(*map(list, zip(*rows_and_losses, strict=True)))
    order = StreamOrder("wrist", 1, from_start=True)
    got: list[object] = []
    now = 0.0
    arriving = [header for header in headers if rng.random() >= drop]
    arriving += [header for header in arriving if rng.random() < 0.2]  # sent twice
    rng.shuffle(arriving)
    for header in arriving:
        order.offer(header, FRAMES, now)
        collect(order, now, got)
    order.offer(end, FRAMES, now)
    while not order.finished:
        collect(order, now, got)
        wanted = order.wanted(now)
        if wanted is not None and rng.random() >= fail:  # a request or its answer can be lost too
            for number in range(wanted[0], wanted[1] + 1):
                order.offer(headers[number], FRAMES, now)
        now += 0.05
        assert now < 10_000
    missed = sum(item.rows for item in got if isinstance(item, Missed))
    delivered = [item.header for item in got if isinstance(item, Due)]
    assert [header.number for header in delivered] == sorted({header.number for header in delivered})
    assert sum(header.rows for header in delivered) + missed == end.row
    if fail == 0:
        assert delivered == headers
    final = got[-1]
    assert isinstance(final, Ended)
    assert final.produced == end.produced
    assert final.lost == dict(end.lost)
    told = sum(sum(item.lost.values()) for item in got if isinstance(item, Due))
    if delivered and delivered[-1] is headers[-1]:
        assert told == sum(final.lost.values())


@settings(deadline=None)
@given(messages, st.integers(1, 400), st.randoms(use_true_random=False))
def test_what_the_publisher_lacks_is_counted_at_once_and_the_rest_is_filled(rows_and_losses, held, rng):
    headers, end = stream(*map(list, zip(*rows_and_losses, strict=True)))
    buffer = ResendBuffer(held)
    for header in headers:
        buffer.append(header.number, [b"x" * 20])
    order = StreamOrder("wrist", 1, from_start=True)
    got: list[object] = []
    now = 0.0
    for header in headers:
        if rng.random() < 0.3:
            order.offer(header, FRAMES, now)
            collect(order, now, got)
    order.offer(end, FRAMES, now)
    while not order.finished:
        wanted = order.wanted(now)
        if wanted is not None:
            for number in range(wanted[0], wanted[1] + 1):
                if buffer.get(number) is None:
                    order.lacking(number, number)
                else:
                    order.offer(headers[number], FRAMES, now)
        collect(order, now, got)
        now += 0.3
        assert now < PATIENCE_S * 2 + len(headers)
    missed = sum(item.rows for item in got if isinstance(item, Missed))
    delivered = [item.header for item in got if isinstance(item, Due)]
    assert sum(header.rows for header in delivered) + missed == end.row
    assert {header.number for header in delivered} >= set(range(buffer.first, len(headers)))


def test_a_gap_is_given_up_only_after_patience_without_progress():
    headers, _ = stream([1] * 10, [0] * 10)
    order = StreamOrder("wrist", 1, from_start=True, patience_s=1.0)
    order.offer(headers[0], FRAMES, 0.0)
    order.offer(headers[5], FRAMES, 0.0)
    assert [item.header.number for item in order.due(0.0)] == [0]
    assert order.wanted(0.0) == (1, 4)
    assert list(order.due(0.9)) == []
    order.offer(headers[3], FRAMES, 0.9)  # progress
    assert list(order.due(1.5)) == []
    got = list(order.due(2.0))
    assert [item.rows for item in got if isinstance(item, Missed)] == [2]
    assert [item.header.number for item in got if isinstance(item, Due)] == [3]
    assert [item.rows for item in order.due(4.0) if isinstance(item, Missed)] == [1]


def test_a_lying_header_cannot_make_it_run_away():
    order = StreamOrder("wrist", 1, from_start=True)
    order.offer(data(2**62, 2**62, 1), FRAMES, 0.0)
    first, last = order.wanted(0.0)
    assert last - first < 100
    order.lacking(0, 2**62)
    assert len(order._lacking) < 100
    assert sum(isinstance(item, Missed) for item in order.due(100.0)) == 1


@given(st.lists(st.integers(0, 300), max_size=80), st.integers(0, 1000))
def test_the_resend_buffer_keeps_the_newest_within_its_bound(sizes, limit):
    buffer = ResendBuffer(limit)
    for number, size in enumerate(sizes):
        buffer.append(number, [b"", bytes(size)])
        assert buffer.size <= limit
    kept = [number for number in range(len(sizes)) if buffer.get(number) is not None]
    assert kept == list(range(len(sizes) - len(kept), len(sizes)))
    if kept and kept[0] > 0:  # one more would not have fitted
        assert sum(sizes[kept[0] - 1 :]) > limit
    assert buffer.get(len(sizes)) is None
    assert buffer.get(-1) is None


def test_small_messages_are_let_go_by_age_long_before_they_fill_the_bound():
    buffer = ResendBuffer(1 << 20, keep_s=180.0)
    for number in range(600):
        buffer.append(number, [b"row"], float(number))
    assert buffer.first == 599 - 180
    assert buffer.get(buffer.first) == [b"row"]
    assert buffer.get(buffer.first - 1) is None
    tight = ResendBuffer(2, keep_s=180.0)
    tight.append(0, [b"larger than all that may be kept"], 0.0)
    assert len(tight) == 0
