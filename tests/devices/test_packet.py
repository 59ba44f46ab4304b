"""Packets as the rig lays them out: values, time, loss, and any bytes at all."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import NO_TIME
from drivers.errors import ConfigError
from drivers.imu.wireless.packet import Layout
from drivers.imu.wireless.packets import PacketParser
from drivers.imu.wireless.sequence import Stamped, Wrapping

G = 9.80665
SIX = [
    {"name": ["ax", "ay", "az"], "type": "i16", "unit": "mg"},
    {"name": ["gx", "gy", "gz"], "type": "i16", "unit": "deg/s", "scale": 0.1},
]
COUNTED = {"header": [{"name": "seq", "type": "u8"}], "sample": SIX}
STAMPED = {"header": [{"name": "t", "type": "u32", "unit": "us"}], "sample": SIX}


def six(n: int) -> bytes:
    return struct.pack("<6h", n % 2000, 0, 1000, 10, 0, -10)


def fed(parser: PacketParser, packets: list[bytes], period_ns: int = 10_000_000) -> PacketParser:
    for index, packet in enumerate(packets):
        parser.feed(packet, index * period_ns)
    return parser


def test_numbers_become_si_units_in_the_order_of_a_row() -> None:
    tree = {
        "endian": "big",
        "sample": [
            {"name": ["gx", "gy", "gz"], "type": "i24", "unit": "mdeg/s"},
            {"name": "-", "type": "u8"},
            {"name": ["ax", "ay", "az"], "type": "f32", "unit": "g", "bias": 0.5},
            {"name": ["qw", "qx", "qy", "qz"], "type": "i16", "scale": 1 / 16384, "endian": "little"},
        ],
    }
    data = b"".join(value.to_bytes(3, "big", signed=True) for value in (-1000, 0, 90_000)) + b"?"
    data += struct.pack(">3f", 0.5, -0.5, 0) + struct.pack("<4h", 16384, 0, -16384, 0)
    parser = fed(PacketParser(Layout(tree)), [data])
    rows = parser.take()
    assert rows is not None
    assert [name[:-2] for name in parser.channels[::3]][:3] == [
        "specific_force",
        "angular_rate",
        "orientation",
    ]
    expected = [G, 0, G / 2, math.radians(-1), 0, math.radians(90), 0, -1, 0, 1]
    np.testing.assert_allclose(rows.values[0], expected, rtol=1e-6, atol=1e-6)
    assert rows.time_device[0] == NO_TIME


def test_a_counter_that_comes_round_tells_what_is_missing() -> None:
    sent = [n for n in range(600) if not 250 <= n < 260]
    rows = fed(PacketParser(Layout(COUNTED), 100), [bytes([n % 256]) + six(n) for n in sent]).take()
    assert rows is not None
    assert rows.seq.tolist() == sent
    assert rows.lost == {"device_gap": 10}


def test_a_short_counter_that_comes_round_in_a_silence_is_told_by_how_long_it_was() -> None:
    parser = PacketParser(Layout(COUNTED), 100)
    for n in [*range(100), *range(1000, 1100)]:  # 9 s of silence: the counter came round three times
        parser.feed(bytes([n % 256]) + six(n), n * 10_000_000 + (7_000_000 if n % 3 else 0))
    rows = parser.take()
    assert rows is not None
    assert rows.seq.tolist() == [*range(100), *range(1000, 1100)]
    assert rows.lost == {"device_gap": 900}


def test_a_packet_that_comes_twice_is_taken_once() -> None:
    parser = fed(PacketParser(Layout(COUNTED), 100), [bytes([n]) + six(n) for n in (0, 1, 1, 2)])
    rows = parser.take()
    assert rows is not None
    assert (rows.seq.tolist(), rows.lost, parser.damaged) == ([0, 1, 2], {}, 1)


def test_damaged_packets_are_lost_by_checksum_and_the_rest_by_the_device() -> None:
    packets = [bytes([n]) + six(n) for n in range(20)]
    packets[5] = packets[5][:-1]
    del packets[9:12]
    rows = fed(PacketParser(Layout(COUNTED), 100), packets).take()
    assert rows is not None
    assert rows.seq.tolist() == [n for n in range(20) if n != 5 and not 9 <= n < 12]
    assert rows.lost == {"checksum": 1, "device_gap": 3}


def test_a_device_that_begins_anew_is_noticed_and_nothing_is_called_lost() -> None:
    tree = {"header": [{"name": "seq", "type": "u32"}], "sample": SIX}
    packets = [struct.pack("<I", n) + six(n) for n in [*range(5000, 5050), *range(50)]]
    parser = fed(PacketParser(Layout(tree), 100), packets)
    rows = parser.take()
    assert rows is not None
    assert (rows.seq.tolist(), rows.lost, parser.restarts) == (list(range(100)), {}, 1)


def test_stamps_tell_time_over_their_wrap_and_what_is_missing() -> None:
    start, period = 2**32 - 1_000_000, 16667
    sent = [n for n in range(300) if n not in (100, 101, 200)]
    packets = [struct.pack("<I", (start + n * period) % 2**32) + six(n) for n in sent]
    parser = PacketParser(Layout(STAMPED), 60)
    for n, packet in zip(sent, packets, strict=True):
        parser.feed(packet, n * 16_667_000)
    rows = parser.take()
    assert rows is not None
    assert rows.seq.tolist() == sent
    assert rows.lost == {"device_gap": 3}
    assert rows.time_device.tolist() == [(start + n * period) * 1000 for n in sent]


@pytest.mark.parametrize("seed", range(5))
def test_stamps_that_jitter_or_whose_rate_is_not_the_nominal_one_lose_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    true = 1e6 / random.uniform(40, 130)  # the rig says 100 Hz
    stamps = np.arange(1000) * true + random.normal(0, 0.08 * true, 1000) + 1e6
    parser = PacketParser(Layout(STAMPED), 100)
    for n, stamp in enumerate(stamps):
        parser.feed(struct.pack("<I", int(stamp)) + six(n), int(stamp * 1000))
    rows = parser.take()
    assert rows is not None
    assert rows.seq.tolist() == list(range(1000))
    assert rows.lost == {}


def test_several_samples_a_packet_with_the_time_of_the_last() -> None:
    """The acceleration of a Polar H10: as many samples as fit, stamped with the last of them."""
    tree = {
        "header": [
            {"type": "u8", "equals": 2},
            {"name": "t", "type": "u64", "unit": "ns"},
            {"type": "u8", "equals": 1},
        ],
        "sample": [{"name": ["ax", "ay", "az"], "type": "i16", "unit": "mg"}],
        "samples": 0,
        "stamps": "last",
    }
    parser = PacketParser(Layout(tree), 200)
    count, first = 0, 599_616_000_000_000_000
    for number in [36] * 20 + [16] + [36] * 5:
        count += number
        body = struct.pack(f"<{3 * number}h", *[0, 0, 1000] * number)
        parser.feed(struct.pack("<BQB", 2, first + (count - 1) * 5_000_000, 1) + body, count * 5_000_000)
        parser.feed(
            struct.pack("<BQB", 0, 77, 0) + b"ecg", count * 5_000_000
        )  # the electrocardiogram beside it
    rows = parser.take()
    assert rows is not None
    assert (len(rows), parser.others) == (count, 26)
    assert (rows.time_device - first).tolist() == [5_000_000 * n for n in range(count)]
    np.testing.assert_allclose(rows.values[:, 2], G, rtol=1e-6)


def test_many_samples_and_a_counter_of_packets() -> None:
    tree = {**COUNTED, "samples": 3}
    packets = [bytes([n]) + six(3 * n) + six(3 * n + 1) + six(3 * n + 2) for n in range(40) if n != 17]
    rows = fed(PacketParser(Layout(tree), 100), packets, 30_000_000).take()
    assert rows is not None
    assert rows.seq.tolist() == [n for n in range(120) if not 51 <= n < 54]
    assert rows.lost == {"device_gap": 3}
    np.testing.assert_allclose(rows.values[:, 0], rows.seq * G / 1000, rtol=1e-5)


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (None, "packet: the file has no 'sample'"),
        ({"sample": []}, "sample names no values"),
        ({"sample": SIX, "smaples": 3}, "Did you mean 'samples'?"),
        (
            {"sample": [{"name": "ax", "tpye": "u8"}]},
            "sample[0] has an unknown key 'tpye'. Did you mean 'type'?",
        ),
        ({"sample": [{"name": "ax", "type": "i12"}]}, "It must be one of u8, i8"),
        ({"sample": [{"name": "ax"}]}, "needs a unit: m/s^2"),
        ({"sample": [{"name": "ax", "unit": "deg/s"}]}, "cannot be in 'deg/s'"),
        ({"sample": [{"name": "acc", "unit": "g"}]}, "unknown name 'acc'"),
        ({"sample": [SIX[0], {"name": "gx", "unit": "deg/s"}]}, "come together"),
        ({"sample": [SIX[0], {**SIX[1], "name": ["ax", "ay", "az"], "unit": "g"}]}, "is named twice"),
        ({"sample": [{**SIX[0], "scale": 0}, SIX[1]]}, "scale must be a number other than 0"),
        ({"sample": SIX, "size": 5}, "its fields take 12"),
        ({"sample": SIX, "stride": 5, "samples": 2}, "stride is 5"),
        ({"sample": [*SIX, {"name": "seq", "type": "u8"}], "samples": 2}, "stand in the header, once"),
        ({"sample": SIX, "header": SIX}, "is named twice"),
        ({"sample": SIX, "header": [{"name": ["mx", "my", "mz"], "unit": "uT"}]}, "stands in the header"),
        ({"sample": [{**SIX[0], "offset": -1}, SIX[1]]}, "offset must be 0"),
        ({"sample": SIX, "header": [{"name": "seq", "type": "f32"}]}, "whole number"),
        ({"sample": SIX, "header": [{"name": "seq", "type": "u8", "bits": 9}]}, "bits must be 0 (all) to 8"),
        ({"sample": 7}, "no list of fields"),
    ],
)
def test_a_layout_that_contradicts_itself_is_refused_in_one_line(tree: object, says: str) -> None:
    with pytest.raises((ConfigError, ValueError)) as caught:
        Layout(tree)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


LAYOUTS = [
    COUNTED,
    STAMPED,
    {**COUNTED, "samples": 0},
    {
        "sample": [{"name": ["gx", "gy", "gz"], "type": "f64", "unit": "rad/s"}],
        "samples": 0,
        "stamps": "last",
    },
    {
        "header": [{"name": "t", "type": "f32", "unit": "s"}, {"name": "seq", "type": "u24", "equals": 7}],
        "sample": [{"name": ["ax", "ay", "az"], "type": "i24", "unit": "g", "scale": 1e30}],
        "counts": "samples",
    },
]


@pytest.mark.parametrize("tree", LAYOUTS, ids=range(len(LAYOUTS)))
@given(
    packets=st.lists(st.binary(max_size=64), max_size=40), host=st.lists(st.integers(0, 10**10), min_size=40)
)
def test_any_bytes_are_refused_or_read_and_the_ledger_holds(
    tree: dict, packets: list[bytes], host: list[int]
) -> None:
    parser, at = PacketParser(Layout(tree), 50), 0
    for packet, wait in zip(packets, host, strict=False):
        at += wait
        parser.feed(packet, at)
    rows = parser.take()
    assert parser.damaged + parser.others <= len(packets)
    if rows is not None:
        assert np.isfinite(rows.values).all()
        assert (np.diff(rows.seq.astype(np.int64)) > 0).all()
        assert int(rows.seq[-1]) + 1 <= len(rows) + sum(rows.lost.values()) + sum(parser._lost.values())


def test_a_million_random_and_mutated_bytes_raise_nothing_and_the_next_packet_is_read() -> None:
    random = np.random.default_rng(3)
    for tree in LAYOUTS[:4]:
        parser, fed_bytes, n = PacketParser(Layout(tree), 100), 0, 0
        good = struct.pack("<I", 0) + six(5) * 3
        while fed_bytes < 300_000:
            n += 1
            data = bytearray(random.bytes(int(random.integers(0, 80))) if n % 2 else good)
            if not n % 2:
                data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
            parser.feed(bytes(data), n * 10_000_000)
            fed_bytes += len(data)
            if not n % 1000:
                parser.take()
        parser.take()
        layout = Layout(tree)
        whole = bytes(layout._least)
        parser.feed(whole, (n + 1) * 10_000_000)
        parser.feed(b"\x01" * layout._least, (n + 2) * 10_000_000)
        assert parser.waiting


@given(st.lists(st.integers(1, 40_000), min_size=2, max_size=60), st.sampled_from([8, 16, 24]))
def test_a_wrapping_number_grows_by_what_passed_however_often_it_came_round(
    steps: list[int], bits: int
) -> None:
    wrapping, number, host = Wrapping(bits, 100.0), 0, 0
    assert wrapping.step(0, 0) is None
    for step in steps:
        number, host = number + step, host + step * 10_000_000
        assert wrapping.step(number % (1 << bits), host) == step


def test_a_step_of_many_periods_is_a_loss_and_a_new_rate_is_not() -> None:
    stamped = Stamped()
    assert [stamped.steps(10.0) for _ in range(20)] == [1] * 20
    assert stamped.steps(50.0) == 5
    assert [stamped.steps(10.0) for _ in range(20)] == [1] * 20
    assert [stamped.steps(20.0) for _ in range(100)][-60:] == [1] * 60
