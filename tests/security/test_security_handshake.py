"""Who gets in: nobody without a key that is listed, and nobody to a hub that is not the one meant."""

from __future__ import annotations

import contextlib
import socket

import pytest
import zmq
from attackers import armed, let_in

from drivers.bus import Hub, Publisher, Subscriber
from drivers.bus.keys import to_hex
from drivers.bus.messages import Batch, Ended
from drivers.errors import BusError, BusUnreachable

DOORS = {"control": zmq.DEALER, "publish": zmq.XPUB, "subscribe": zmq.SUB}


@pytest.fixture
def knock(ports, hub, machine):
    """Try one door of the hub."""
    key = machine("recorder").keys.public

    def try_door(door, who=None, hub_key=key):
        with zmq.Context() as context, context.socket(DOORS[door]) as made:
            made.setsockopt(zmq.LINGER, 0)
            if who is not None:
                armed(made, who.keys, hub_key)
            return let_in(made, getattr(ports, door))

    return try_door


def test_a_listed_key_gets_through_the_doors_of_its_role_alone(knock, machine):
    opened = {
        who: [door for door in DOORS if knock(door, machine(who))] for who in ("recorder", "pi", "viewer")
    }
    assert opened == {
        "recorder": ["control", "publish", "subscribe"],
        "pi": ["control", "publish"],
        "viewer": ["control", "subscribe"],
    }


@pytest.mark.parametrize("door", DOORS)
def test_no_key_no_listed_key_and_plain_text_are_let_in_nowhere(door, knock, machine):
    assert not knock(door)
    assert not knock(door, machine("stranger"))


@pytest.mark.parametrize("door", DOORS)
def test_who_takes_the_hub_for_another_is_not_let_in(door, knock, machine):
    assert not knock(door, machine("pi"), machine("stranger").keys.public)


def test_a_public_key_without_its_secret_opens_nothing(ports, machine):
    from drivers.bus.keys import KeyPair

    thief = KeyPair(machine("pi").keys.public, machine("stranger").keys.secret)
    with zmq.Context() as context, context.socket(zmq.DEALER) as made:
        armed(made, thief, machine("recorder").keys.public)
        assert not let_in(made, ports.control)


def test_plain_bytes_are_not_answered_as_plain_text(ports):
    """A client that speaks the greeting of the mechanism NULL is hung up on, not served."""
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
    with socket.create_connection(("127.0.0.1", ports.control), timeout=20) as wire:
        wire.sendall(greeting + b"\x04\x05READY")
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := wire.recv(4096):
                said += piece
    assert b"READY" not in said


def test_a_machine_without_keys_is_told_what_to_do(hub, wrist, tmp_path, monkeypatch):
    monkeypatch.setenv("CHORUS_KEYS", str(tmp_path / "nothing"))
    for connect in (lambda: Publisher(hub.address, wrist), lambda: Subscriber(hub.address)):
        with pytest.raises(BusError, match="chorus keys new"):
            connect()


def test_a_key_that_is_not_listed_is_told_what_to_do(hub, wrist, machine):
    stranger = machine("stranger")
    with stranger, pytest.raises(BusUnreachable, match=f"chorus keys allow {stranger.key}"):
        Publisher(hub.address, wrist, timeout_s=0.5)


def test_a_client_with_keys_sends_nothing_to_a_plain_hub(machine, wrist, taps):
    """A hub that was replaced by one in plain text gets no word of what is sent."""
    with Hub() as plain, machine("pi"):
        tap = taps(int(plain.address.rsplit(":", 1)[1]))
        with pytest.raises(BusUnreachable):
            Publisher(f"tcp://127.0.0.1:{tap.port}#{machine('recorder').key}", wrist, timeout_s=0.5)
    assert tap.sent
    assert all(b"hello" not in sent and b"wrist" not in sent for sent in tap.sent)


def test_a_plain_client_is_not_served_by_a_hub_with_keys(hub, wrist):
    with pytest.raises(BusUnreachable):
        Publisher(hub.address.partition("#")[0], wrist, timeout_s=0.5)


def test_an_address_elsewhere_without_a_key_is_refused_before_a_byte_is_sent(wrist):
    with pytest.raises(BusError, match="#insecure"):
        Publisher("tcp://192.0.2.1:7400", wrist, timeout_s=0.2)


def test_a_key_works_from_hello_to_end_and_nothing_can_be_read_on_the_way(
    hub, ports, machine, wrist, rows, taps
):
    tap = taps(ports.control)
    with machine("viewer"):
        subscriber = Subscriber(hub.address)
    with machine("pi"):
        publisher = Publisher(f"tcp://127.0.0.1:{tap.port}#{to_hex(machine('recorder').keys.public)}", wrist)
    with subscriber, publisher:
        for number in range(25):
            publisher.publish(rows(4 * number))
        publisher.end(Ended("wrist", 100, {}))
        got = []
        while not (got and isinstance(got[-1], Ended)):
            got.append(subscriber.receive(20))
            assert got[-1] is not None
    assert [row for one in got if isinstance(one, Batch) for row in one.stamps["seq"]] == list(range(100))
    assert len(tap.sent[0]) > 500
    assert b"wrist" not in tap.sent[0]


def test_listening_beyond_the_machine_takes_keys_where_there_are_some(machine, wrist):
    with machine("recorder"), Hub("tcp://0.0.0.0:*") as hub:
        assert hub.address.endswith(f"#{machine('recorder').key}")
        with Publisher(hub.address, wrist) as publisher:
            assert publisher.session == hub.session
        with pytest.raises(BusUnreachable):
            Publisher(hub.address.partition("#")[0], wrist, timeout_s=0.5)


def test_keys_and_plain_text_contradict_each_other(machine):
    with machine("recorder"), pytest.raises(BusError, match=r"bus\.keys"):
        Hub(insecure=True, keys=True)
    with pytest.raises(BusError, match="chorus keys new"):
        Hub(keys=True)
