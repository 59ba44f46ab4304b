"""The UART-RVC parser of the BNO08x: the datasheet's packet, its counter, no angular rate made up."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.transform import Rotation

from drivers.base import NO_TIME
from drivers.imu.serial.bno08x import Bno08xParser, packet

DATASHEET = bytes.fromhex("AAAADE010092FF25088DFEECFFD103000000E7")
"""The example of section 1.3.5.2: yaw 0.01, pitch -1.10, roll 20.85 deg; -371, -20, 977 mg."""


def test_the_packet_of_the_datasheet():
    parser = Bno08xParser()
    parser.feed(DATASHEET, 5)
    rows = parser.take()
    assert rows is not None
    np.testing.assert_allclose(rows.values[0, :3], np.array([-0.371, -0.020, 0.977]) * 9.80665, rtol=1e-6)
    expected = Rotation.from_euler("ZYX", [0.01, -1.10, 20.85], degrees=True).as_quat()
    np.testing.assert_allclose(rows.values[0, 3:], expected, atol=1e-7)
    assert (rows.time_host.tolist(), rows.time_device.tolist()) == ([5], [NO_TIME])
    assert packet(0xDE, (1, -110, 2085), (-371, -20, 977)) == DATASHEET


def test_it_tells_no_angular_rate_and_none_is_made_up():
    parser = Bno08xParser()
    assert not [name for name in parser.channels if "rate" in name]
    assert parser.units == ("m/s^2",) * 3 + ("1",) * 4


def test_at_rest_the_turned_force_points_up():
    rest = packet(0, (4000, 3000, -2000), (-500, -296, 814))  # level but for 30 deg pitch, -20 deg roll
    parser = Bno08xParser()
    parser.feed(rest, 0)
    rows = parser.take()
    assert rows is not None
    up = Rotation.from_quat(rows.values[0, 3:]).apply(rows.values[0, :3])
    np.testing.assert_allclose(up, [0, 0, 9.80665], atol=0.02)


def test_the_index_comes_round_and_shows_gaps():
    sent = [k for k in range(700) if k not in (10, 255, 256, 500, 501, 502)]
    parser = Bno08xParser()
    for k in sent:
        parser.feed(packet(k % 256, (0, 0, 0), (0, 0, 1000)), 0)
    rows = parser.take()
    assert rows is not None
    assert rows.seq.tolist() == sent
    assert rows.lost == {"device_gap": 6}
    assert parser.counter == (699 % 256, 256)


def test_a_silence_longer_than_the_index_is_counted_by_arrival_as_well():
    parser = Bno08xParser()
    parser.feed(packet(7, (0, 0, 0), (0, 0, 0)), 0)
    parser.feed(packet((7 + 600) % 256, (0, 0, 0), (0, 0, 0)), 6_050_000_000)
    rows = parser.take()
    assert rows is not None
    assert (rows.seq.tolist(), rows.lost) == ([0, 600], {"device_gap": 599})


def test_reports_that_were_read_late_are_not_taken_for_a_silence():
    parser = Bno08xParser()
    parser.feed(packet(0, (0, 0, 0), (0, 0, 0)), 0)
    late = b"".join(packet(k % 256, (0, 0, 0), (0, 0, 0)) for k in range(1, 301))
    parser.feed(late, 3_000_000_000)
    rows = parser.take()
    assert rows is not None
    assert (int(rows.seq[-1]), rows.lost) == (300, {})


def test_a_damaged_report_is_a_checksum_loss():
    stream = bytearray(b"".join(packet(k, (k, 0, 0), (0, 0, 1000)) for k in range(20)))
    stream[5 * 19 + 7] ^= 0x10
    parser = Bno08xParser()
    parser.feed(bytes(stream), 0)
    rows = parser.take()
    assert rows is not None
    assert (len(rows), rows.lost, parser.damaged) == (19, {"checksum": 1}, 1)


def test_half_a_report_spliced_to_the_next_is_refused_even_where_the_sum_fits():
    spliced = 0
    for yaw in range(2000):
        head, tail = packet(1, (yaw, 0, 0), (0, 0, 1000)), packet(2, (9, 9, 9), (1, 2, 1000))
        stream = (
            packet(0, (0, 0, 0), (0, 0, 1000)) + head[:12] + tail + packet(3, (0, 0, 0), (0, 0, 1000)) * 2
        )
        spliced += sum((head[:12] + tail)[2:18]) & 0xFF == (head[:12] + tail)[18]
        parser = Bno08xParser()
        parser.feed(stream, 0)
        rows = parser.take()
        assert rows is not None
        assert rows.values[1, 0] == np.float32(9.80665e-3)  # the second row is report 2, not a mixture
    assert spliced > 0  # else the sum alone would have done


def test_values_are_those_of_degrees_and_milli_g():
    parser = Bno08xParser()
    parser.feed(packet(3, (9000, 0, 0), (1000, -2000, 3)), 0)
    rows = parser.take()
    assert rows is not None
    np.testing.assert_allclose(rows.values[0, 3:], [0, 0, math.sqrt(0.5), math.sqrt(0.5)], atol=1e-7)
