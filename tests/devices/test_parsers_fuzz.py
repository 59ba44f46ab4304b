"""Every serial protocol under noise and damage: no exception, bounded, soon back, each row counted once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.devices import fuzz
from benchmarks.devices.wires import Wire, wires

WIRES = wires(seed=3)
each_wire = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)


@each_wire
def test_a_million_random_and_a_million_damaged_bytes(wire: Wire) -> None:
    found = fuzz.fuzz(wire, 1_000_000, seed=11)
    assert found.seen >= 2_000_000
    assert found.damages > 3000
    assert (found.exceptions, found.false_random, found.uncounted) == (0, 0, 0)
    assert found.buffer <= fuzz.BUFFER_LIMIT
    assert found.latest <= 2
    assert found.good(wire.name in fuzz.CHECKED), found


@each_wire
@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4000), max_size=30), st.integers(0, 4000))
def test_rows_do_not_depend_on_how_the_bytes_are_cut(wire: Wire, cuts: list[int], garbage: int) -> None:
    stream = b"".join(wire.send(k) for k in range(30)) + b"\xaa\x55\xfa" * (garbage % 9)
    stream += b"".join(wire.send(k) for k in range(30, 45))
    whole, pieces = wire.parser(), wire.parser()
    whole.feed(stream, 0)
    ends = sorted({cut for cut in cuts if cut < len(stream)})
    for begin, end in zip([0, *ends], [*ends, len(stream)], strict=True):
        pieces.feed(stream[begin:end], 0)
    one, other = whole.take(), pieces.take()
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.seq, other.seq)
    assert (one.lost, whole.damaged) == (other.lost, pieces.damaged)
    assert wire.false(one.values) == 0


@each_wire
def test_an_undamaged_stream_is_exact_and_whole(wire: Wire) -> None:
    parser = wire.parser()
    parser.feed(b"".join(wire.send(k) for k in range(4200)), 0)  # past where the known values begin again
    rows = parser.take()
    assert rows is not None
    assert len(rows) >= 4180
    assert wire.differing(rows.values) == 0
    assert (rows.lost, parser.damaged) == ({}, 0)
    assert rows.seq.tolist() == list(range(len(rows)))
    assert len(parser.channels) == len(parser.units) == rows.values.shape[1]


@each_wire
def test_joining_in_the_middle_of_a_packet_costs_no_exception_and_no_false_row(wire: Wire) -> None:
    stream = b"".join(wire.send(k) for k in range(40))
    for offset in range(1, len(wire.send(0)) + 1):
        parser = wire.parser()
        parser.feed(stream[offset:], 0)
        rows = parser.take()
        assert rows is not None
        assert len(rows) >= 17
        assert wire.false(rows.values) == 0
        assert rows.lost == {}


@each_wire
def test_missing_packets_are_counted_by_what_the_device_counts(wire: Wire) -> None:
    if wire.name == "witmotion":
        pytest.skip("it counts nothing: whole sets that vanish leave no trace")
    parser = wire.parser()
    for k in range(300):
        if not (100 <= k < 117 or k == 200):
            parser.feed(wire.send(k), 0)
    rows = parser.take()
    assert rows is not None
    assert rows.lost == {"device_gap": 18}
    assert int(rows.seq[-1]) == len(rows) + 17
