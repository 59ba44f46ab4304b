"""The hub: who may listen, who is told what, and what happens when somebody dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from drivers.bus import Hub, Publisher, Subscriber, control, wire
from drivers.bus.client import Link
from drivers.bus.messages import Announcement, Batch, Ended, Failed, Probes
from drivers.clock.host import clock_identity
from drivers.errors import BusError, BusUnreachable

HUB = """
import sys
from drivers.bus import Hub
with Hub() as hub:
    print(hub.address, flush=True)
    sys.stdin.read()
"""

PUBLISHER = """
import sys
import numpy as np
from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus import Publisher
publisher = Publisher(sys.argv[1], StreamInfo(name="wrist", kind="imu", shape=(3,)))
publisher.publish(Batch("wrist", np.zeros(4, STAMP), np.zeros((4, 3), "<f4")))
sys.stdin.read()
"""


def wait_until(condition, timeout_s=20.0):
    """Poll what another thread will make true; there is no event to wait for."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        pause.wait(0.005)


@pytest.mark.parametrize(
    "listen", ["tcp://0.0.0.0:*", "tcp://*:*", "tcp://192.168.1.7:5000", "tcp://example:*"]
)
def test_listening_beyond_this_machine_is_refused(listen):
    with pytest.raises(BusError, match="insecure") as caught:
        Hub(listen)
    assert "\n" not in str(caught.value)


def test_listening_beyond_this_machine_is_possible_and_logged(caplog, imu_info, rows):
    with Hub("tcp://0.0.0.0:*", insecure=True) as hub, Publisher(hub.address, imu_info) as publisher:
        assert publisher.session == hub.session
    assert "plain text" in caplog.text


@pytest.mark.parametrize(
    "listen", ["tcp://127.0.0.1", "ipc:///x", "127.0.0.1:5", "tcp://127.0.0.1:99999", ""]
)
def test_a_malformed_address_is_named(listen):
    with pytest.raises(BusError, match=r"address|port"):
        Hub(listen)


def test_a_port_in_use_is_a_clear_error(hub):
    with pytest.raises(BusError, match=r"cannot listen.*bus\.listen"):
        Hub(hub.address)


def test_an_address_where_nobody_answers_is_a_clear_error():
    with Hub() as hub:
        address = hub.address
    for connect in (
        lambda: Publisher(address, "wrist", timeout_s=0.2),
        lambda: Subscriber(address, timeout_s=0.2),
    ):
        with pytest.raises(BusUnreachable, match="No Chorus bus answers"):
            connect()


def test_another_version_is_refused_by_name(hub):
    import zmq

    with zmq.Context() as context:
        hello = control.Hello(version=wire.VERSION + 1, role="subscriber", host="h")
        with pytest.raises(BusError, match="version"):
            Link(context, hub.address, hello, 5.0)


def test_a_stream_has_one_publisher_at_a_time(hub, imu_info):
    with Publisher(hub.address, imu_info), pytest.raises(BusError, match="published already"):
        Publisher(hub.address, imu_info)
    with Publisher(hub.address, imu_info):
        assert hub.publishers == ("wrist",)


def test_the_session_is_the_same_for_all_and_time_needs_no_estimate_on_one_host(hub, imu_info):
    with Publisher(hub.address, imu_info) as publisher:
        assert publisher.session.clock == clock_identity()
        now = time.monotonic_ns()
        assert publisher.host_clock.to_session(now) == (now - hub.session.epoch_ns, 0)
        assert abs(hub.session.utc_ns - time.time_ns()) < 60 * 10**9
        assert 0 < hub.session.utc_uncertainty_ns < 10**9


def test_clock_probes_reach_subscribers(hub, imu_info):
    with Subscriber(hub.address) as subscriber, Publisher(hub.address, imu_info):
        message = subscriber.receive(10)
        while not isinstance(message, Probes):
            message = subscriber.receive(10)
            assert message is not None
        assert message.host == clock_identity()
        probes = message.probes
        assert len(probes) >= 8
        assert (probes["t0"] <= probes["t1"]).all()  # one host: one clock
        assert (probes["t1"] <= probes["t2"]).all()
        assert (probes["t2"] <= probes["t3"]).all()


def test_a_stop_reaches_publishers_that_are_and_that_come(hub, imu_info):
    with Publisher(hub.address, imu_info) as publisher:
        assert not publisher.stop_requested
        hub.request_stop()
        wait_until(publisher.poll)
        assert not publisher.hub_lost
        with Publisher(hub.address, "ankle") as late:
            assert late.stop_requested


def test_a_hub_that_closes_stops_its_publishers(imu_info):
    with Hub() as hub:
        publisher = Publisher(hub.address, imu_info)
        subscriber = Subscriber(hub.address)
    wait_until(lambda: publisher.hub_lost)
    assert publisher.stop_requested
    while not subscriber.hub_closed:
        subscriber.receive(0.1)
    publisher.end(Ended("wrist", 0, {}))
    publisher.close()  # without waiting for subscribers that cannot be reached
    subscriber.close()


def test_a_hub_that_is_killed_stops_its_publishers(imu_info):
    process = subprocess.Popen(
        [sys.executable, "-c", HUB], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with Publisher(address, imu_info, outage_s=1.5) as publisher:
            process.kill()
            process.wait()
            wait_until(publisher.poll)
            assert publisher.hub_lost


def test_a_driver_that_is_killed_is_noticed(rows):
    with Hub(silence_ns=10**9, outage_ns=2 * 10**9) as hub, Subscriber(hub.address) as subscriber:
        process = subprocess.Popen([sys.executable, "-c", PUBLISHER, hub.address], stdin=subprocess.PIPE)
        with process:
            message = subscriber.receive(20)
            while not isinstance(message, Batch):
                assert isinstance(message, Announcement | Probes)
                message = subscriber.receive(20)
            os.kill(process.pid, signal.SIGKILL)
            while not isinstance(message, Failed):
                message = subscriber.receive(20)
                assert message is not None
            assert message.stream == "wrist"
            assert "no sign of life" in message.error
