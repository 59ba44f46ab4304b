"""The benchmark of wireless sensors, in small."""

from __future__ import annotations

import random

from benchmarks.devices.wireless import FIELDS, datagram, fuzz, phone
from drivers.imu.wireless.datagram import DatagramParser


def test_a_phone_loses_nothing_and_what_it_sends_is_what_arrives() -> None:
    lost, wrong, _ = phone(1.0)
    assert (lost, wrong) == (0, 0)


def test_mutated_datagrams_raise_nothing() -> None:
    assert fuzz(DatagramParser("json", FIELDS), datagram(5), 20_000, random.Random(2)) == 0
