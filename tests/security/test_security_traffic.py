"""What those who are let in, or sit on the way, cannot do: speak for others, repeat, change or flood."""

from __future__ import annotations

import socket

import pytest
import zmq
from attackers import armed, let_in

from drivers.base import StreamInfo
from drivers.bus import Publisher, Subscriber, control, wire
from drivers.bus.client import Link
from drivers.bus.keys import AllowList
from drivers.bus.messages import Announcement, Batch, Ended, Missed
from drivers.errors import BusError

HEAD = {"run": 7, "number": 0, "row": 0, "lost": {}}


def data(info, batch, **head):
    sizes, body = wire.encode_batch(batch, info)
    header = wire.DataHeader(rows=len(batch.data), sizes=sizes, **{**HEAD, **head})
    return wire.encode("d", info.name, header, body)


def all_of(subscriber, stream):
    """Everything until a stream's end."""
    got = []
    while not (got and isinstance(got[-1], Ended) and got[-1].stream == stream):
        got.append(subscriber.receive(20))
        assert got[-1] is not None, got[:-1]
    return got


def rows_of(messages, stream):
    return [
        int(seq)
        for one in messages
        if isinstance(one, Batch) and one.stream == stream
        for seq in one.stamps["seq"]
    ]


class Insider:
    """A key that is let in and says on both of its sockets what it likes."""

    def __init__(self, machine, hub, ports, role="publisher", stream="mine", data_kind=zmq.XPUB):
        self.context = zmq.Context()
        with machine:
            hello = control.Hello(version=wire.VERSION, role=role, host="h", stream=stream, run=7)
            self.link = Link(self.context, hub.address, hello, 10.0)
        self.data = armed(self.context.socket(data_kind), machine.keys, wire_key(hub))
        assert let_in(self.data, ports.publish if data_kind == zmq.XPUB else ports.subscribe)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.socket.close(0)
        self.data.close(0)
        self.context.term()

    def say(self, message, *frames):
        """Send on the control socket, and return once the hub has dealt with it."""
        self.link.send(message, *frames)
        assert self.link.probe(20.0) is not None

    def listing(self):
        self.link.send(control.Which())
        while self.link.socket.poll(20_000):
            got = self.link.receive()
            if got is not None and isinstance(got[0], control.Listing):
                return {one.info.name: one.info for one in got[0].streams}
        raise AssertionError("no listing")


def wire_key(hub):
    from drivers.bus.keys import from_hex

    return from_hex(hub.address.partition("#")[2])


@pytest.fixture
def viewer(hub, machine):
    with machine("viewer"):
        made = Subscriber(hub.address)
    with made:
        yield made


@pytest.fixture
def owner(hub, machine, wrist):
    """The publisher of the stream ``wrist``."""
    with machine("pi"):
        made = Publisher(hub.address, wrist)
    with made:
        yield made


def test_a_key_does_only_what_its_role_says(hub, machine, wrist):
    with machine("viewer"), pytest.raises(BusError, match="may not publish"):
        Publisher(hub.address, wrist)
    with machine("pi"), pytest.raises(BusError, match="may not subscribe"):
        Subscriber(hub.address)
    assert hub.publishers == ()


def test_a_listed_publisher_cannot_take_the_stream_of_another(hub, machine, owner, wrist):
    with machine("mate"), pytest.raises(BusError, match="another key's"):
        Publisher(hub.address, wrist)
    owner.end(Ended("wrist", 0, {}))
    owner.close()
    with machine("mate"), pytest.raises(BusError, match="another key's"):  # not once it has ended either
        Publisher(hub.address, wrist)
    with machine("pi"), Publisher(hub.address, wrist):  # its own key starts it again
        assert hub.publishers == ("wrist",)


def test_a_key_that_is_listed_for_one_stream_publishes_no_other(hub, machine, wrist):
    machine("recorder").allows(machine("pi"), "publish", streams=("ankle",))
    with machine("pi"), pytest.raises(BusError, match="wrist"):
        Publisher(hub.address, wrist)
    with machine("pi"), Publisher(hub.address, "ankle"):
        assert hub.publishers == ("ankle",)


def test_data_sent_for_another_reaches_nobody(hub, ports, machine, owner, viewer, wrist, rows):
    """Announcement, rows and end of another's stream, sent by a listed publisher, vanish in the hub."""
    forged = StreamInfo(name="wrist", kind="imu", shape=(1,), device="forged")
    mine = StreamInfo(name="mine", kind="imu", shape=(3,))
    with Insider(machine("mate"), hub, ports) as rogue:
        assert rogue.data.poll(20_000)  # the viewer's subscription has come here
        rogue.data.recv()
        for frames in (
            wire.encode("a", "wrist", wire.AnnouncedHeader(info=forged, **HEAD)),
            data(wrist, rows(900)),
            wire.encode("e", "wrist", wire.EndedHeader(produced=0, **HEAD)),
            wire.encode("a", "unclaimed", wire.AnnouncedHeader(info=mine, **HEAD)),
            wire.encode("a", "mine", wire.AnnouncedHeader(info=mine, **HEAD)),
            data(mine, rows(0, stream="mine")),
            wire.encode("e", "mine", wire.EndedHeader(produced=4, **{**HEAD, "number": 1, "row": 4})),
        ):
            rogue.data.send_multipart(frames)
        got = all_of(viewer, "mine")  # what was sent before it would have come before it
    owner.publish(rows(0))
    owner.end(Ended("wrist", 4, {}))
    got += all_of(viewer, "wrist")
    assert rows_of(got, "mine") == rows_of(got, "wrist") == [0, 1, 2, 3]
    assert {one.info.device for one in got if isinstance(one, Announcement)} == {""}
    assert set(viewer.streams) == {"mine", "wrist"}
    assert viewer.refused == 0


def test_words_for_another_stream_are_refused_whoever_says_them(hub, ports, machine, owner, viewer, rows):
    forged = StreamInfo(name="wrist", kind="imu", shape=(1,), device="forged")
    run = owner._outgoing.run
    words = (
        (control.Announce(stream=wire.AnnouncedHeader(info=forged, **HEAD)),),
        (control.Ending(stream="wrist", run=run),),
        (control.Lack(to=b"x", stream="wrist", run=run, first=0, last=9),),
        (control.Delivery(to=b"x"), *data(forged, Batch("wrist", rows(0).stamps, rows(0).data[:, :1]))),
    )
    for name, role, kind in (("mate", "publisher", zmq.XPUB), ("viewer", "subscriber", zmq.SUB)):
        with Insider(machine(name), hub, ports, role, data_kind=kind) as rogue:
            for said in words:
                rogue.say(*said)
            assert hub.publishers == ("wrist", "mine")
            if name == "viewer":
                assert rogue.listing()["wrist"].device == ""
    owner.publish(rows(0))
    owner.end(Ended("wrist", 4, {}))
    got = all_of(viewer, "wrist")
    assert rows_of(got, "wrist") == [0, 1, 2, 3]
    assert not any(isinstance(one, Missed) for one in got)


def test_a_publisher_is_not_told_what_subscribers_are(hub, ports, machine, owner):
    with Insider(machine("mate"), hub, ports) as rogue:
        rogue.link.send(control.Which())
        rogue.link.send(control.Want(stream="wrist", run=owner._outgoing.run, first=0, last=0))
        rogue.link.send(control.Ask(t0=5))
        assert rogue.link.socket.poll(20_000)
        got = rogue.link.receive()
        assert got is not None
        assert isinstance(got[0], control.Told)  # and no listing before it


def test_a_subscriber_sends_subscriptions_upstream_alone(hub, ports, machine, owner, viewer, rows, wrist):
    with Insider(machine("viewer"), hub, ports, "subscriber", data_kind=zmq.XSUB) as rogue:
        rogue.data.send_multipart(data(wrist, rows(900)))
        rogue.data.send(b"\x05 anything")
        for topic in (b"d/wrist/", b"a/wrist/"):
            rogue.data.send(b"\x01" + topic)
        while b"a/wrist/" not in rogue.data.recv_multipart():
            pass  # it is repeated: once it comes, the hub knows what this one wants
        owner.publish(rows(0))
        while b"d/wrist/" not in rogue.data.recv_multipart():
            pass
    owner.end(Ended("wrist", 4, {}))
    assert rows_of(all_of(viewer, "wrist"), "wrist") == [0, 1, 2, 3]


def test_a_subscription_as_long_as_a_book_ends_the_connection(hub, ports, machine):
    with zmq.Context() as context, context.socket(zmq.XSUB) as made:
        armed(made, machine("viewer").keys, wire_key(hub))
        assert let_in(made, ports.subscribe)
        monitor = made.get_monitor_socket(zmq.EVENT_DISCONNECTED, "inproc://end")
        made.send(b"\x01" + b"x" * 100_000)
        assert monitor.poll(20_000)
        made.disable_monitor()
        monitor.close()


def test_a_message_that_is_sent_again_is_taken_once(hub, ports, machine, viewer, wrist, rows):
    """By its owner with an old number and an old run; and by another key, captured."""
    with Insider(machine("pi"), hub, ports, stream="wrist") as old:
        assert old.data.poll(20_000)
        old.data.recv()
        captured = data(wrist, rows(0))
        old.data.send_multipart(wire.encode("a", "wrist", wire.AnnouncedHeader(info=wrist, **HEAD)))
        for _ in range(3):
            old.data.send_multipart(captured)
        later = {**HEAD, "number": 1, "row": 4}
        old.data.send_multipart(data(wrist, rows(4), **later))
        old.data.send_multipart(captured)
        end = wire.EndedHeader(produced=8, **{**HEAD, "number": 2, "row": 8})
        old.data.send_multipart(wire.encode("e", "wrist", end))
        got = all_of(viewer, "wrist")
        old.say(control.Ending(stream="wrist", run=7))
        with Insider(machine("mate"), hub, ports) as rogue:
            assert rogue.data.poll(20_000)
            rogue.data.recv()
            rogue.data.send_multipart(captured)
        with machine("pi"):
            again = Publisher(hub.address, wrist)
        with again:
            again.publish(rows(50))
            old.data.send_multipart(captured)  # of the run that is over
            again.end(Ended("wrist", 4, {}))
            got += all_of(viewer, "wrist")
    assert rows_of(got, "wrist") == [0, 1, 2, 3, 4, 5, 6, 7, 50, 51, 52, 53]


def test_captured_bytes_sent_again_are_hung_up_on(hub, ports, machine, wrist, taps):
    tap = taps(ports.control)
    with machine("pi"):
        publisher = Publisher(f"tcp://127.0.0.1:{tap.port}#{machine('recorder').key}", wrist)
    publisher.end(Ended("wrist", 0, {}))
    assert hub.publishers == ("wrist",)
    publisher.close()
    tap.close()
    assert hub.publishers == ()
    assert len(tap.sent[0]) > 500
    with socket.create_connection(("127.0.0.1", ports.control), timeout=20) as again:
        try:
            again.sendall(tap.sent[0])  # greeting, handshake, hello and all that followed
            while again.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert hub.publishers == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda number, piece: _flip(piece) if number % 7 == 6 else piece,
        lambda number, piece: piece + piece if number % 7 == 6 else piece,
        lambda number, piece: piece[: len(piece) // 2] if number % 7 == 6 else piece,
    ],
    ids=["flipped", "doubled", "cut"],
)
def test_bytes_changed_on_the_way_reach_nobody_and_the_gap_is_filled(
    change, hub, machine, viewer, wrist, rows, taps, monkeypatch
):
    tapped = []

    def through(self, port):
        if self.address != mine:
            return direct(self, port)
        tapped.append(taps(port, change))
        return f"tcp://127.0.0.1:{tapped[0].port}#{machine('recorder').key}"

    direct, mine = Link.data_address, hub.address
    monkeypatch.setattr(Link, "data_address", through)
    with machine("pi"):
        publisher = Publisher(hub.address, wrist)
    got = []
    with publisher:
        number = 0
        while len(tapped[0].sent) < 3:  # until the hub has hung up twice on what it could not trust
            publisher.publish(rows(4 * number))
            number += 1
            message = viewer.receive(0.02)
            got += [message] if message is not None else []
        publisher.end(Ended("wrist", 4 * number, {}))
        got += all_of(viewer, "wrist")
    assert rows_of(got, "wrist") == list(range(4 * number))
    values = [float(v) for one in got if isinstance(one, Batch) for v in one.data.ravel()]
    assert values == list(range(12 * number))
    assert viewer.refused == 0


def _flip(piece):
    at = len(piece) // 2
    return piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1 :]


def test_a_key_that_is_revoked_is_heard_no_more(hub, ports, machine, viewer, wrist, rows):
    with Insider(machine("pi"), hub, ports, stream="wrist") as gone:
        assert gone.data.poll(20_000)
        gone.data.recv()
        gone.data.send_multipart(wire.encode("a", "wrist", wire.AnnouncedHeader(info=wrist, **HEAD)))
        gone.data.send_multipart(data(wrist, rows(0)))
        while not isinstance(viewer.receive(20), Batch):
            pass
        with machine("recorder"):
            AllowList().revoke("pi")
        gone.data.send_multipart(data(wrist, rows(4), number=1, row=4))
        gone.link.send(control.Ending(stream="wrist", run=7))
        with Insider(machine("mate"), hub, ports) as after:
            assert after.data.poll(20_000)
            after.data.recv()
            mine = StreamInfo(name="mine", kind="imu", shape=(3,))
            after.data.send_multipart(wire.encode("a", "mine", wire.AnnouncedHeader(info=mine, **HEAD)))
            after.data.send_multipart(wire.encode("e", "mine", wire.EndedHeader(produced=0, **HEAD)))
            got = all_of(viewer, "mine")
        assert rows_of(got, "wrist") == []
        assert "wrist" in hub.publishers  # its word that it ended was not taken
