"""Samples of Bluetooth LE sensors on a virtual radio, their losses, and lost connections."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from device_wires import gather, joined, losses, rows

from drivers.bus import Hub, Publisher, Subscriber
from drivers.bus.messages import Batch, Ended, Event
from drivers.errors import DeviceError, Fault
from drivers.loop import pump

pytest.importorskip("bleak")
pytest.importorskip("bumble")
from ble_board import driver_on, packet
from virtual_ble import COMMAND, SENSOR

G = 9.80665


@pytest.mark.parametrize("by", [{"address": SENSOR.lower()}, {"name": "Board"}])
def test_samples_arrive_exactly_with_their_loss_and_the_device_is_started_and_stopped(air, by) -> None:
    radio = air()
    air.sending(radio, packet, 0.02, lost=(30, 31, 55))
    driver = driver_on(radio, rate_hz=100, **by)
    info = driver.open()
    try:
        got = gather(driver, lambda got: rows(got) >= 200)
    finally:
        driver.close()
    assert (info.kind, info.rate_hz, info.regular, info.worn_on) == ("imu", 100, True, "right_forearm")
    seq = joined(got, "seq").astype(int)
    assert seq.tolist() == [m for m in range(seq[-1] + 1) if m // 2 not in (30, 31, 55)]
    assert [lost for item in got if (lost := item.lost)] == [{"device_gap": 4}, {"device_gap": 2}]
    data = joined(got, "data")
    np.testing.assert_allclose(data[:, 0], seq * G / 1000, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(data[:, 5], np.radians(-(seq % 3000) % 3000 * 0.1), rtol=1e-5, atol=1e-6)
    assert joined(got, "time_device").tolist() == [10_000_000 * m for m in seq]
    assert (np.diff(joined(got, "time_host")) >= 0).all()
    assert radio.written == [(COMMAND, b"\x01\x64"), (COMMAND, b"\x00")]


def test_the_rate_is_found_by_the_devices_own_stamps(air) -> None:
    radio = air()
    air.sending(radio, packet, 0.02)
    driver = driver_on(radio, address=SENSOR)
    try:
        assert driver.open().rate_hz == 100
        assert losses(gather(driver, lambda got: rows(got) >= 10)) == 0
    finally:
        driver.close()


def test_a_lost_connection_is_told_and_the_device_can_be_opened_again_when_it_is_back(air) -> None:
    radio = air()
    air.sending(radio, packet, 0.02)
    driver = driver_on(radio, address=SENSOR, rate_hz=100)
    driver.open()
    gather(driver, lambda got: rows(got) >= 10)
    radio.vanish()
    with pytest.raises(DeviceError) as caught:
        gather(driver, lambda got: False)
    assert caught.value.fault is Fault.UNPLUGGED
    driver.close()
    radio.call(radio.advertise())
    driver.open()
    try:
        assert rows(gather(driver, lambda got: rows(got) >= 10)) >= 10
    finally:
        driver.close()


def test_what_a_sensor_out_of_reach_counted_meanwhile_is_on_the_ledger_to_the_row(air) -> None:
    radio = air()
    sensor = air.sending(radio, packet, 0.02)
    got: list[Batch] = []
    with (
        Hub() as hub,
        Subscriber(hub.address, ["wrist"]) as subscriber,
        Publisher(hub.address, "wrist") as publisher,
    ):
        driver = driver_on(radio, address=SENSOR, rate_hz=100)
        stop = threading.Event()
        pumped = threading.Thread(target=pump, args=(driver, publisher), kwargs={"stop": stop.is_set})
        pumped.start()
        while sum(map(len, got)) < 60:
            got += [one for one in [subscriber.receive(20.0)] if isinstance(one, Batch)]
        radio.vanish()
        while not isinstance(one := subscriber.receive(20.0), Event):  # it is told that the device is gone
            got += [one] if isinstance(one, Batch) else []
        gone = sensor.sent
        while sensor.sent < gone + 25:  # it counts on, out of reach
            subscriber.receive(0.1)
        radio.call(radio.advertise())
        before = sum(map(len, got))
        while sum(map(len, got)) < before + 100:
            got += [one for one in [subscriber.receive(20.0)] if isinstance(one, Batch)]
        stop.set()
        while not isinstance(one := subscriber.receive(20.0), Ended):
            got += [one] if isinstance(one, Batch) else []
        pumped.join()
    seq = np.concatenate([batch.stamps["seq"] for batch in got]).astype(int)
    sent = np.rint(np.concatenate([batch.data for batch in got])[:, 0] * 1000 / G).astype(int)
    assert (np.diff(seq) > 10).sum() == 1
    np.testing.assert_array_equal(seq - seq[0], sent - sent[0])
    assert seq[-1] + 1 == len(seq) + one.lost["device_gap"]
