"""The x-IMU3 parser: the manual's messages, text and binary alike, merged on the device's own time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from drivers.imu.serial.ximu3 import LONGEST, XImu3Parser, binary, text

MANUAL_TEXT = b"I,1000000,0.0000,0.0000,0.0000,0.0000,0.0000,1.0000\r\n"
MANUAL_BINARY = bytes.fromhex("C940420F0000000000" + "00" * 20 + "0000803F0A")
encodings = pytest.mark.parametrize("encode", [text, binary])


def taken(*messages: bytes, **options):
    parser = XImu3Parser(**options)
    for message in messages:
        parser.feed(message, 0)
    rows = parser.take()
    assert rows is not None
    return parser, rows


def test_the_messages_of_the_manual():
    assert text("I", 1_000_000, 0, 0, 0, 0, 0, 1) == MANUAL_TEXT
    assert binary("I", 1_000_000, 0, 0, 0, 0, 0, 1) == MANUAL_BINARY
    for one in (MANUAL_TEXT, MANUAL_BINARY):
        _, rows = taken(one, one.replace(b"1000000", b"1002500").replace(b"\x40\x42\x0f", b"\x04\x4c\x0f"))
        np.testing.assert_array_equal(rows.values[0], np.float32([0, 0, 9.80665, 0, 0, 0]))
        assert rows.time_device.tolist() == [1_000_000_000, 1_002_500_000]


def test_ends_and_escapes_within_a_binary_message_are_stuffed():
    value = np.frombuffer(b"\x0a\xdb\xdc\x40", "<f4")[0]
    raw = binary("I", 0x0A0A, value, 0, 0, 0, 0, 1)
    assert raw.count(b"\n") == 1
    _, rows = taken(raw, binary("I", 0x0A0A + 2500, value, 0, 0, 0, 0, 1))
    assert rows.values[0, 3] == np.float32(np.radians(np.float64(value)))
    assert rows.time_device[0] == 0x0A0A * 1000


@encodings
def test_messages_of_one_stamp_are_one_row_and_slower_ones_are_held(encode):
    messages = []
    for k in range(100):
        stamp = 5_000_000 + 2500 * k
        if k % 20 == 0:
            messages.append(encode("M", stamp - 900, k / 100, 0, 1))
        messages.append(encode("I", stamp, k, 0, 0, 0, 0, 1))
        messages.append(encode("Q", stamp, 0.5, 0.5, -0.5, 0.5))
    parser, rows = taken(*messages, encode("T", 5_300_000, 31.5))
    assert len(parser.channels) == 13
    assert parser.units[6:9] == ("1", "1", "1")
    assert (len(rows), rows.lost, parser.damaged) == (100, {}, 0)
    np.testing.assert_allclose(rows.values[:, 6], np.arange(100) // 20 * 20 / 100, rtol=1e-6)
    np.testing.assert_array_equal(rows.values[:, 9:], np.float32([[0.5, -0.5, 0.5, 0.5]] * 100))


@encodings
def test_the_order_within_a_stamp_is_the_devices(encode):
    messages = []
    for k in range(50):
        messages += [encode("Q", 2500 * k, 1, 0, 0, 0), encode("I", 2500 * k, k, 0, 0, 0, 0, 1)]
    _, rows = taken(*messages)
    assert (len(rows), rows.lost) == (50, {})


@encodings
def test_a_row_without_its_orientation_is_lost_and_counted_once(encode):
    messages = []
    for k in range(60):
        messages.append(encode("I", 2500 * k, k, 0, 0, 0, 0, 1))
        if k != 30:
            messages.append(encode("Q", 2500 * k, 1, 0, 0, 0))
    _, rows = taken(*messages)
    assert rows.seq.tolist() == [k for k in range(60) if k != 30]
    assert rows.lost == {"device_gap": 1}


@encodings
def test_stamps_count_what_is_lost_though_the_sensor_runs_a_little_fast(encode):
    gone = {20, *range(50, 90)}
    stamps = [round(k * 2492.7) + (k % 3) for k in range(200)]
    _, rows = taken(*(encode("I", stamps[k], k, 0, 0, 0, 0, 1) for k in range(200) if k not in gone))
    assert rows.seq.tolist() == [k for k in range(200) if k not in gone]
    assert rows.lost == {"device_gap": 41}


def test_a_damaged_message_is_told_from_one_that_never_came():
    lines = [text("I", 2500 * k, k, 0, 0, 0, 0, 1) for k in range(30)]
    lines[10] = lines[10].replace(b",", b";", 3)
    del lines[20]
    parser, rows = taken(*lines)
    assert rows.lost == {"checksum": 1, "device_gap": 1}
    assert parser.damaged == 1


def test_a_stamp_that_jumps_must_be_confirmed():
    lines = [text("I", 2500 * k, k, 0, 0, 0, 0, 1) for k in range(30)]
    lines[12] = lines[12].replace(b"I,30000,", b"I,930000,")  # a digit was damaged
    parser, rows = taken(*lines)
    assert rows.seq.tolist() == [k for k in range(30) if k != 12]
    assert (rows.lost, parser.restarts) == ({"checksum": 1}, 0)


def test_a_device_that_was_switched_off_and_on_goes_on():
    first = [text("I", 9_000_000 + 2500 * k, 1, 0, 0, 0, 0, 1) for k in range(20)]
    again = [text("I", 400_000 + 2500 * k, 2, 0, 0, 0, 0, 1) for k in range(20)]
    parser, rows = taken(*first, *again)
    assert (rows.seq.tolist(), rows.lost, parser.restarts) == (list(range(40)), {}, 1)


@pytest.mark.parametrize("kind", ["R", "A", "L", "E"])
def test_other_kinds_of_orientation(kind):
    truth = Rotation.from_euler("ZYX", [30, 20, 10], degrees=True)
    x, y, z, w = truth.as_quat()
    arguments = {
        "R": truth.as_matrix().ravel(),
        "A": (10, 20, 30),
        "L": (w, x, y, z, 0, 0, 0),
        "E": (w, x, y, z, 0, 0, 0),
    }[kind]
    messages = []
    for k in range(10):
        messages += [text("I", 2500 * k, 0, 0, 0, 0, 0, 1), text(kind, 2500 * k, *arguments)]
    _, rows = taken(*messages)
    assert (Rotation.from_quat(rows.values[0, 6:]) * truth.inv()).magnitude() < 1e-3


def test_a_device_set_to_north_east_down_is_turned_up():
    down = Rotation.from_euler("x", 180, degrees=True).as_quat()  # level: z of the sensor is up
    messages = []
    for k in range(10):
        messages += [text("I", 2500 * k, 0, 0, 0, 0, 0, 1), text("Q", 2500 * k, down[3], *down[:3])]
    _, rows = taken(*messages, earth="ned")
    up = Rotation.from_quat(rows.values[0, 6:]).apply(rows.values[0, :3])
    np.testing.assert_allclose(up, [0, 0, 9.80665], atol=1e-5)


@pytest.mark.parametrize(
    "line",
    [
        b"I,1,2,3\r\n",
        b"I,2500,0.0,0.0,0.0,0.0,0.0,nan\r\n",
        b"I,2500,9000.0,0.0,0.0,0.0,0.0,1.0\r\n",
        b"Q,2500,1.0,1.0,0.0,0.0\r\n",
        b"I,-2500,0.0,0.0,0.0,0.0,0.0,1.0\r\n",
        b"hello\r\n",
        b"\xc9\x01\x02\n",
        b"\xc9" + b"\xdb" * 40 + b"\n",
        binary("I", 2500, 0, 0, 0, 0, 0, float("nan")),
    ],
)
def test_what_cannot_be_is_refused(line):
    parser = XImu3Parser()
    parser.feed(MANUAL_TEXT + line, 0)
    assert parser.damaged == 1


def test_texts_and_answers_are_passed_over():
    lines = [b"N,1000000,Hello.\r\n", b'{"ping":{"interface":"USB"}}\r\n', b"B,1000000,99.0,4.1,2.0\r\n"]
    parser, rows = taken(MANUAL_TEXT, *lines, MANUAL_TEXT.replace(b"1000000", b"1002500"))
    assert (len(rows), parser.damaged) == (2, 0)


def test_an_endless_message_is_not_kept():
    parser = XImu3Parser()
    for _ in range(50):
        parser.feed(b"\xc9" * LONGEST, 0)
        assert len(parser._buffer) <= LONGEST
    parser.feed(b"\n" + MANUAL_TEXT + MANUAL_TEXT, 0)
    assert parser.damaged == 1
    assert parser.ready


def test_orientation_alone_makes_no_row_and_says_so():
    parser = XImu3Parser()
    for k in range(9):
        parser.feed(text("Q", 2500 * k, 1, 0, 0, 0), 0)
    assert parser.take() is None
    assert "only messages Q" in parser.note()
