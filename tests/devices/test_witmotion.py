"""The WitMotion parser: exact, resynchronising, counting, bounded."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import NO_TIME
from drivers.imu.parser import Rows
from drivers.imu.serial.witmotion import WitMotionParser, packet

int16 = st.integers(-32768, 32767)
quads = st.tuples(int16, int16, int16, int16)
cycles = st.sampled_from(
    [(0x51, 0x52), (0x51, 0x52, 0x53), (0x51, 0x52, 0x54, 0x59), (0x50, 0x51, 0x52, 0x59)]
)


def sample_set(cycle: tuple[int, ...], counts: tuple[int, int, int, int]) -> bytes:
    return b"".join(packet(kind, counts) for kind in cycle)


def everything(parser: WitMotionParser, chunks: list[bytes]) -> list[Rows]:
    taken = []
    for index, chunk in enumerate(chunks):
        parser.feed(chunk, index)
        rows = parser.take()
        if rows is not None:
            taken.append(rows)
    return taken


def count(taken: list[Rows]) -> tuple[int, int]:
    """Rows received and rows counted lost."""
    return sum(map(len, taken)), sum(sum(rows.lost.values()) for rows in taken)


@given(cycles, st.lists(quads, min_size=3, max_size=30), st.data())
def test_every_sample_is_exact_however_the_bytes_are_cut(cycle, samples, data):
    stream = b"".join(sample_set(cycle, counts) for counts in samples)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    parser = WitMotionParser(range_g=16, range_dps=2000)
    taken = everything(parser, chunks)
    values = np.concatenate([rows.values for rows in taken])
    counts = np.array(samples, dtype=np.float64)
    assert values.dtype == np.float32
    force = (counts[:, :3] / 32768 * (9.80665 * 16)).astype(np.float32)
    rate = (counts[:, :3] / 32768 * (math.radians(1) * 2000)).astype(np.float32)
    np.testing.assert_array_equal(values[:, :3], force)
    np.testing.assert_array_equal(values[:, 3:6], rate)
    if 0x59 in cycle:  # w x y z on the wire, x y z w in the row
        np.testing.assert_array_equal(values[:, -4:], (counts[:, [1, 2, 3, 0]] / 32768).astype(np.float32))
    assert count(taken) == (len(samples), 0)
    np.testing.assert_array_equal(np.concatenate([rows.seq for rows in taken]), np.arange(len(samples)))


@given(cycles, st.integers(8, 40), st.data())
def test_a_damaged_byte_loses_one_sample_and_the_ledger_knows(cycle, number, data):
    samples = [(7 * index, -index, 3, index) for index in range(number)]
    sets = [bytearray(sample_set(cycle, counts)) for counts in samples]
    victim = data.draw(st.integers(4, number - 3))
    where = data.draw(st.integers(0, len(sets[victim]) - 1))
    sets[victim][where] ^= data.draw(st.integers(1, 255))
    taken = everything(WitMotionParser(), [bytes(item) for item in sets])
    assert count(taken) == (number - 1, 1)
    seq = np.concatenate([rows.seq for rows in taken])
    assert seq.tolist() == [index for index in range(number) if index != victim]


@given(cycles, st.data())
def test_a_packet_that_never_came_loses_its_sample(cycle, data):
    packets = [packet(kind, (index, 0, 0, 0)) for index in range(20) for kind in cycle]
    gone = data.draw(st.integers(4 * len(cycle), 18 * len(cycle) - 1))
    del packets[gone]
    taken = everything(WitMotionParser(), packets)
    assert count(taken) == (19, 1)
    assert {reason for rows in taken for reason in rows.lost} == {"device_gap"}


@given(st.integers(1, 6), st.integers(0, 60))
def test_a_burst_of_noise_over_whole_samples_counts_each_of_them(length, seed):
    cycle = (0x51, 0x52, 0x59)
    sets = [sample_set(cycle, (index, 0, 0, 0)) for index in range(30)]
    noise = np.random.default_rng(seed).integers(0x60, 0x100, len(sets[0]) * length, dtype=np.uint8)
    stream = b"".join(sets[:10]) + noise.tobytes() + b"".join(sets[10 + length :])
    taken = everything(WitMotionParser(), [stream])
    assert count(taken) == (30 - length, length)
    assert np.concatenate([rows.seq for rows in taken])[-1] == 29


@given(st.binary(max_size=40), cycles)
def test_joining_in_the_middle_costs_only_the_first_sample(garbage, cycle):
    stream = b"".join(sample_set(cycle, (index, 1, 2, 3)) for index in range(12))
    taken = everything(WitMotionParser(), [garbage + stream[5:]])
    got, lost = count(taken)
    # Garbage may look like the beginning of one packet; it never costs more than that.
    assert got + lost >= 10
    assert got >= 10
    assert np.concatenate([rows.values for rows in taken])[-1, 0] == np.float32(11 / 32768 * 16 * 9.80665)


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=200), max_size=30))
def test_noise_never_raises_and_never_grows_the_buffer(chunks):
    parser = WitMotionParser()
    everything(parser, chunks)
    assert len(parser._buffer) < 11
    assert len(parser._learning) < 600


def test_the_magnetic_field_is_microtesla_and_angles_become_a_quaternion():
    cycle = (0x51, 0x52, 0x53, 0x54)
    quarter = packet(0x53, (0, 0, 16384, 0))  # yaw 90 deg
    one = packet(0x51, (0,) * 4) + packet(0x52, (0,) * 4) + quarter + packet(0x54, (450, -20, 3, 0))
    parser = WitMotionParser(magnetic_ut=0.1)
    (rows,) = everything(parser, [one * 4])
    assert parser.cycle == cycle
    assert parser.channels[6:] == (
        "magnetic_field_x", "magnetic_field_y", "magnetic_field_z",
        "orientation_x", "orientation_y", "orientation_z", "orientation_w",
    )  # fmt: skip
    assert parser.units == ("m/s^2",) * 3 + ("rad/s",) * 3 + ("uT",) * 3 + ("1",) * 4
    np.testing.assert_allclose(rows.values[0, 6:9], [45, -2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(rows.values[0, 9:], [0, 0, math.sqrt(0.5), math.sqrt(0.5)], atol=1e-6)


def test_the_time_packet_becomes_device_time():
    def clock(milli: int, second: int = 5) -> bytes:
        body = bytes([0x55, 0x50, 25, 1, 2, 3, 4, second]) + milli.to_bytes(2, "little")
        return body + bytes([sum(body) & 0xFF])

    tail = packet(0x51, (0,) * 4) + packet(0x52, (0,) * 4)
    (rows,) = everything(
        WitMotionParser(), [b"".join(clock(10 * k) + tail for k in range(5)) + clock(0, 99) + tail]
    )
    assert np.diff(rows.time_device[:5]).tolist() == [10_000_000] * 4
    assert rows.time_device[0] == 1_735_787_045 * 10**9  # 2025-01-02 03:04:05
    assert rows.time_device[5] == NO_TIME  # second 99 does not exist


def test_rows_are_stamped_with_the_chunk_of_their_last_byte():
    stream = sample_set((0x51, 0x52), (1, 2, 3, 4))
    parser = WitMotionParser()
    for index in range(5):
        parser.feed(stream[:15], 10 * index)
        parser.feed(stream[15:], 10 * index + 5)
    rows = parser.take()
    assert rows is not None
    assert rows.time_host.tolist() == [5, 15, 25, 35, 45]


@pytest.mark.parametrize("kinds", [(0x51,), (0x52, 0x53), (0x53, 0x59)])
def test_a_sensor_without_acceleration_or_angular_rate_is_not_an_imu(kinds):
    parser = WitMotionParser()
    assert everything(parser, [sample_set(kinds, (1, 2, 3, 4)) * 20]) == []
    assert not parser.ready
    assert f"0x{kinds[0]:02X}" in parser.note()
