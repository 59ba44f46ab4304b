"""The parser of plain lines: CSV or JSON, SI units, counters, bounded."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.imu.serial.lines import LONGEST_LINE, LinesParser

COLUMNS = ("seq", "t", "ax", "ay", "az", "gx", "gy", "gz")
UNITS = ("1", "us", "g", "mg", "m/s^2", "deg/s", "rad/s", "mdeg/s")
VALUES = (1.0, 1000.0, 9.80665, 180.0, 1.0, 1000.0)
SI = (9.80665, 9.80665, 9.80665, math.pi, 1.0, math.radians(1))


def line(seq: int, time: int = 0, values: tuple[float, ...] = VALUES) -> bytes:
    return ",".join(map(str, (seq, time, *values))).encode() + b"\r\n"


def run(stream: bytes, **options):
    parser = LinesParser(COLUMNS, UNITS, **options)
    parser.feed(stream, 7)
    rows = parser.take()
    assert rows is not None
    return rows


def test_units_become_si():
    rows = run(line(0))
    np.testing.assert_allclose(rows.values[0], SI, rtol=1e-6)
    assert rows.values.dtype == np.float32


def test_json_lines_are_read_by_key():
    tree = dict(zip(COLUMNS, (4, 1500, *VALUES), strict=True)) | {"more": "ignored"}
    rows = run(json.dumps(tree).encode() + b"\n")
    np.testing.assert_allclose(rows.values[0], SI, rtol=1e-6)
    assert rows.time_device.tolist() == [1_500_000]


@given(st.lists(st.integers(1, 4), min_size=2, max_size=30), st.sampled_from([8, 16]))
def test_the_counter_shows_what_was_lost_even_where_it_comes_round(steps, bits):
    first = (1 << bits) - 5
    counts = np.concatenate([[0], np.cumsum(steps)])
    rows = run(b"".join(line(int(first + c) % (1 << bits)) for c in counts), counter_bits=bits)
    assert rows.seq.tolist() == counts.tolist()
    assert rows.lost.get("device_gap", 0) == counts[-1] - len(steps)


def test_a_damaged_line_is_counted_once_with_and_without_a_counter():
    rows = run(line(0) + b"1,garbage,\n" + line(2))
    assert (rows.seq.tolist(), rows.lost) == ([0, 2], {"checksum": 1})
    parser = LinesParser(("ax", "ay", "az", "gx", "gy", "gz"), ("g",) * 3 + ("deg/s",) * 3)
    parser.feed(b"1,2,3,4,5,6\n1,2,3,4,5\n1,2,3,4,5,6\n", 0)
    rows = parser.take()
    assert rows is not None
    assert (rows.seq.tolist(), rows.lost) == ([0, 2], {"checksum": 1})


def test_headers_comments_and_half_a_first_line_are_no_losses():
    rows = run(b"3,4,5\nseq,t,ax,ay,az,gx,gy,gz\n# hello\n\n" + line(0) + b"# again\n" + line(1))
    assert (rows.seq.tolist(), rows.lost) == ([0, 1], {})


def test_a_clock_of_32_bits_that_comes_round_goes_on():
    rows = run(line(0, 2**32 - 1000) + line(1, 1000))
    assert np.diff(rows.time_device).tolist() == [2_000_000]


def test_a_counter_that_begins_again_is_a_restart_not_a_loss():
    parser = LinesParser(COLUMNS, UNITS)
    parser.feed(line(500) + line(0) + line(1), 0)
    rows = parser.take()
    assert rows is not None
    assert (rows.seq.tolist(), rows.lost, parser.restarts) == ([0, 1, 2], {}, 1)


@pytest.mark.parametrize("cell", ["nan", "inf", "1e400", "", "0x10"])
def test_what_is_no_finite_number_is_refused(cell):
    rows = run(line(0) + f"1,0,{cell},0,0,0,0,0\n".encode() + line(2))
    assert rows.lost == {"checksum": 1}


def test_an_endless_line_is_not_kept():
    parser = LinesParser(COLUMNS, UNITS)
    parser.feed(line(0), 0)
    for _ in range(100):
        parser.feed(b"7" * LONGEST_LINE, 0)
        assert len(parser._buffer) <= LONGEST_LINE
    parser.feed(b"\n" + line(2), 0)
    rows = parser.take()
    assert rows is not None
    assert (rows.seq.tolist(), rows.lost) == ([0, 2], {"checksum": 1})


@given(st.lists(st.one_of(st.binary(max_size=80), st.just(line(3)), st.just(b'{"seq": [1]}\n')), max_size=30))
def test_noise_never_raises(chunks):
    parser = LinesParser(COLUMNS, UNITS)
    for chunk in chunks:
        parser.feed(chunk, 0)
        parser.take()


@given(st.lists(st.integers(0, 300), max_size=10))
def test_cutting_the_bytes_elsewhere_changes_nothing(cuts):
    stream = b"".join(line(index, 10 * index) for index in range(6))
    parser = LinesParser(COLUMNS, UNITS)
    cuts = sorted(cut for cut in cuts if cut < len(stream))
    for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        parser.feed(stream[a:b], 0)
    rows, whole = parser.take(), run(stream)
    assert rows is not None
    np.testing.assert_array_equal(rows.values, whole.values)
    np.testing.assert_array_equal(rows.seq, whole.seq)


@pytest.mark.parametrize(
    ("columns", "units", "words"),
    [
        (("ax",), ("g", "g"), "one unit for each"),
        (("ax", "ay", "az", "gx", "gy", "wz"), ("g",) * 3 + ("dps",) * 3, "unknown column 'wz'"),
        (("ax", "ay", "az", "gx", "gy", "gz"), ("g",) * 6, "'gx' cannot be in 'g'"),
        (("ax", "ay", "az", "gx", "gy", "-"), ("g",) * 3 + ("dps",) * 3, "angular_rate_z"),
        (("ax", "ay", "az", "gx", "gy", "gz", "mx"), ("g",) * 3 + ("dps",) * 3 + ("uT",), "only some"),
    ],
)
def test_a_wrong_column_or_unit_is_named(columns, units, words):
    with pytest.raises(ValueError, match=words):
        LinesParser(columns, units)


def test_lines_may_tell_orientation_in_place_of_angular_rate():
    parser = LinesParser(("ax", "ay", "az", "qx", "qy", "qz", "qw"), ("g",) * 3 + ("1",) * 4)
    parser.feed(b"0,0,1,0,0,0,1\n", 0)
    rows = parser.take()
    assert rows is not None
    assert len(parser.channels) == 7
    assert not [name for name in parser.channels if "rate" in name]
    assert rows.values[0].tolist() == [0, 0, np.float32(9.80665), 0, 0, 0, 1]
