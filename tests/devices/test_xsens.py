"""The MTData2 parser: number formats, worlds, counters, lengths, and what comes at lower rates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from drivers.base import NO_TIME
from drivers.imu.serial import xdi
from drivers.imu.serial.xdi import block
from drivers.imu.serial.xsens import XsensParser, message

FORCE, RATE, TURN = (0.25, -9.5, 1.125), (0.5, -0.75, 2.0), (0.5, -0.5, 0.5, 0.5)


def sample(count: int, form: int = 0, *more: bytes, clock: bool = True) -> bytes:
    ticks = [block(xdi.SAMPLE_TIME, 0, 25 * count)] if clock else []
    return message(
        block(xdi.COUNTER, 0, count & 0xFFFF),
        *ticks,
        block(xdi.ACCELERATION, form, *FORCE),
        block(xdi.RATE, form, *RATE),
        *more,
    )


def taken(stream: bytes):
    parser = XsensParser()
    parser.feed(stream, 3)
    rows = parser.take()
    assert rows is not None
    return parser, rows


def test_a_message_known_by_heart():
    # counter 1, acceleration (1, 0, 0), rate (0, 0, 0): big endian, the sum of all but FA is 0
    body = bytes.fromhex("FF3623" + "1020020001" + "40200C" + "3F800000" + "00" * 8 + "80200C" + "00" * 12)
    raw = b"\xfa" + body + bytes([-sum(body) & 0xFF])
    _, rows = taken(raw)
    assert rows.values.tolist() == [[1, 0, 0, 0, 0, 0]]
    assert raw == message(
        block(xdi.COUNTER, 0, 1), block(xdi.ACCELERATION, 0, 1, 0, 0), block(xdi.RATE, 0, 0, 0, 0)
    )


@pytest.mark.parametrize("form", [xdi.FLOAT32, xdi.FP1220, xdi.FP1632, xdi.FLOAT64])
def test_every_number_format(form):
    stream = b"".join(sample(k, form, block(xdi.QUATERNION, form, *TURN)) for k in range(5))
    parser, rows = taken(stream)
    assert len(parser.channels) == 10
    np.testing.assert_array_equal(rows.values[0], np.float32([*FORCE, *RATE, -0.5, 0.5, 0.5, 0.5]))
    assert rows.time_device.tolist() == [2_500_000 * k for k in range(5)]


def test_fixed_point_is_sent_fraction_first():
    assert block(xdi.ACCELERATION, xdi.FP1632, -1.25)[3:] == bytes.fromhex("C0000000FFFE")
    assert block(xdi.ACCELERATION, xdi.FP1220, -1.25)[3:] == bytes.fromhex("FFEC0000")


@pytest.mark.parametrize(("world", "axes"), [
    (xdi.ENU, np.eye(3)),
    (xdi.NED, [[0, 1, 0], [1, 0, 0], [0, 0, -1]]),
    (xdi.NWU, [[0, -1, 0], [1, 0, 0], [0, 0, 1]]),
])  # fmt: skip
def test_every_world_becomes_east_north_up(world, axes):
    truth = Rotation.random(random_state=4)  # sensor to east-north-up
    told = Rotation.from_matrix(np.array(axes).T) * truth
    x, y, z, w = told.as_quat()
    roll, pitch, yaw = told.as_euler("ZYX", degrees=True)[::-1]
    for orientation in (
        block(xdi.QUATERNION, world | xdi.FLOAT64, w, x, y, z),
        block(xdi.MATRIX, world | xdi.FLOAT64, *told.as_matrix().T.ravel()),
        block(xdi.EULER, world | xdi.FLOAT64, roll, pitch, yaw),
    ):
        _, rows = taken(sample(0, 0, orientation))
        assert (Rotation.from_quat(rows.values[0, 6:]) * truth.inv()).magnitude() < 1e-6


def test_longer_messages_have_an_extended_length():
    filler = block(0xE010, 0) + bytes([0xE0, 0x20, 250]) + bytes(250)
    raw = sample(0, 0, filler)
    assert raw[3] == 0xFF
    _, rows = taken(raw + sample(1, 0, filler))
    assert (len(rows), rows.lost) == (2, {})


def test_the_counter_counts_what_is_lost_and_comes_round():
    stream = b"".join(sample(65530 + k) for k in range(20) if k not in (3, 9, 10))
    parser, rows = taken(stream)
    assert rows.seq.tolist() == [k for k in range(20) if k not in (3, 9, 10)]
    assert rows.lost == {"device_gap": 3}
    assert parser.counter == ((65530 + 19) & 0xFFFF, 65536)


def test_without_a_counter_the_sample_time_does():
    def timed(ticks: int) -> bytes:
        return message(
            block(xdi.SAMPLE_TIME, 0, ticks % 2**32),
            block(xdi.ACCELERATION, 0, *FORCE),
            block(xdi.RATE, 0, *RATE),
        )

    ticks = [2**32 - 200 + 83 * k + k // 3 for k in range(40) if k not in (7, 20, 21)]
    parser, rows = taken(b"".join(map(timed, ticks)))
    assert rows.lost == {"device_gap": 3}
    assert np.diff(rows.time_device).min() > 0  # the clock came round
    assert parser.restarts == 0


def test_with_neither_a_damaged_message_is_counted_by_its_bytes():
    raw = message(block(xdi.ACCELERATION, 0, *FORCE), block(xdi.RATE, 0, *RATE))
    bad = bytearray(raw)
    bad[10] ^= 1
    _, rows = taken(raw * 3 + bytes(bad) + raw * 3)
    assert (rows.seq.tolist(), rows.lost) == ([0, 1, 2, 4, 5, 6], {"checksum": 1})
    assert rows.time_device.tolist() == [NO_TIME] * 6


def test_what_comes_less_often_is_held():
    def field(k: int) -> tuple[bytes, ...]:
        return (block(xdi.MAGNETIC, 0, k, 0, 0),) if k % 4 == 2 else ()

    parser, rows = taken(b"".join(sample(k, 0, *field(k)) for k in range(12)))
    assert parser.channels[6:] == ("magnetic_field_x", "magnetic_field_y", "magnetic_field_z")
    assert parser.units[6:] == ("1", "1", "1")
    assert rows.values[:, 6].tolist() == [2, 2, 2, 2, 6, 6, 6, 6, 10, 10]  # the first whole row is number 0
    assert rows.seq.tolist() == list(range(10))


def test_messages_between_that_are_no_rows_do_not_look_like_losses():
    def other(k: int) -> bytes:
        return message(block(xdi.COUNTER, 0, k), bytes.fromhex("08100441C80000"))  # temperature

    stream = b"".join(sample(k) if k % 4 == 0 else other(k) for k in range(80) if k not in (40, 41))
    _, rows = taken(stream)
    assert rows.lost == {"device_gap": 1}
    assert int(rows.seq[-1]) == 19


def test_a_damaged_length_stops_nothing():
    bad = bytearray(sample(2))
    bad[3] = 250  # it says that 250 bytes follow
    parser = XsensParser()
    parser.feed(sample(0) + sample(1) + bytes(bad) + sample(3) + sample(4)[:4], 0)
    rows = parser.take()
    assert rows is not None
    assert rows.lost == {"checksum": 1}
    assert len(rows) == 3


def test_other_messages_of_the_bus_are_passed_over():
    wake_up = message(kind=0x3E)
    parser, rows = taken(wake_up + sample(0) + message(b"\x05\x03\x00\x00", kind=0x0D) + sample(1))
    assert (len(rows), rows.lost, parser.damaged) == (2, {}, 0)


def test_a_device_that_began_anew_lost_nothing_that_is_known():
    parser, rows = taken(sample(40000) + sample(40001) + sample(0) + sample(1))
    assert (rows.seq.tolist(), rows.lost, parser.restarts) == ([0, 1, 2, 3], {}, 1)


def test_what_is_no_number_is_refused():
    nan = message(
        block(xdi.COUNTER, 0, 1), block(xdi.ACCELERATION, 0, float("nan"), 0, 0), block(xdi.RATE, 0, *RATE)
    )
    huge = message(
        block(xdi.COUNTER, 0, 2), block(xdi.ACCELERATION, 3, 1e300, 0, 0), block(xdi.RATE, 3, *RATE)
    )
    _, rows = taken(sample(0, clock=False) + nan + huge + sample(3, clock=False) + sample(4, clock=False))
    assert rows.seq.tolist() == [0, 3, 4]
    assert sum(rows.lost.values()) == 2


def test_orientation_alone_makes_no_row_and_says_so():
    parser = XsensParser()
    parser.feed(message(block(xdi.QUATERNION, 0, *TURN)) * 9, 0)
    assert parser.take() is None
    assert not parser.ready
    assert "turn" in parser.note()
