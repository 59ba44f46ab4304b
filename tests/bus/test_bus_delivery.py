"""Rows arrive in order and complete, or what is missing is counted exactly."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus import Publisher, Subscriber, outgoing
from drivers.bus.messages import Announcement, Ended, Event, Failed, Missed, Probes
from drivers.errors import WireError


def batches(messages):
    return [message for message in messages if isinstance(message, Batch)]


def numbers(messages):
    return [int(seq) for batch in batches(messages) for seq in batch.stamps["seq"]]


def missed(messages):
    return sum(message.rows for message in messages if isinstance(message, Missed))


def test_rows_events_and_the_end_arrive_in_order(hub, imu_info, rows, until_ended, closing):
    with Subscriber(hub.address) as subscriber:
        publisher = Publisher(hub.address, imu_info)
        for i in range(50):
            publisher.publish(rows(4 * i, lost={"checksum": 2} if i == 7 else None))
        publisher.event(Event(123, "mark", "half", "wrist"))
        for i in range(50, 100):
            publisher.publish(rows(4 * i))
        publisher.end(Ended("wrist", 402, {"checksum": 2}))
        closing(publisher)
        got = until_ended(subscriber)
        assert subscriber.session == publisher.session == hub.session
        assert subscriber.refused == 0
    kinds = [type(message) for message in got if not isinstance(message, Probes)]
    assert kinds == [Announcement, *[Batch] * 50, Event, *[Batch] * 50, Ended]
    assert numbers(got) == list(range(400))
    assert np.array_equal(np.concatenate([b.data for b in batches(got)]), rows(0, 400).data)
    assert np.array_equal(np.concatenate([b.stamps for b in batches(got)]), rows(0, 400).stamps)
    assert [b.lost for b in batches(got) if b.lost] == [{"checksum": 2}]
    assert got[-1] == Ended("wrist", 402, {"checksum": 2})


def test_the_publisher_leaves_only_when_all_subscribers_have_the_end(hub, imu_info, rows, until_ended):
    with Subscriber(hub.address) as one, Subscriber(hub.address) as other:
        publisher = Publisher(hub.address, imu_info)
        publisher.publish(rows(0))
        publisher.end(Ended("wrist", 4, {}))
        until_ended(one)
        assert publisher.close(linger_s=0.3) is False  # `other` has not read yet
        until_ended(other)


def test_a_late_joiner_learns_all_streams_at_once_and_counts_from_its_joining(
    hub, imu_info, rows, until_ended, closing
):
    with Subscriber(hub.address) as early:
        publisher = Publisher(hub.address, imu_info)
        publisher.publish(rows(0, lost={"checksum": 5}))
        message = early.receive(10)
        while not isinstance(message, Batch):
            message = early.receive(10)
        with Subscriber(hub.address) as late:
            assert isinstance(late.receive(10), Announcement)
            assert late.streams == early.streams
            joined = False
            sent = 4
            while not joined:  # until a row comes through, the subscription is on its way
                publisher.publish(rows(sent))
                sent += 4
                joined = any(isinstance(late.receive(0.05), Batch) for _ in range(2))
            publisher.publish(rows(sent, lost={"checksum": 3}))
            sent += 4
            publisher.end(Ended("wrist", sent + 8, {"checksum": 8}))
            closing(publisher)
            got = until_ended(late)
            first = numbers(got)[0] - 4  # the batch seen above
            end = got[-1]
            assert missed(got) == 0
            assert numbers(got)[-1] == sent - 1
            assert end.lost == {"checksum": 3}
            assert end.produced == sent - first + 3
            assert numbers(until_ended(early))[-1] == sent - 1


@pytest.mark.parametrize("outbox", [1, 5])
def test_what_the_socket_drops_is_resent_and_the_tail_too(
    hub, imu_info, rows, until_ended, closing, monkeypatch, outbox
):
    monkeypatch.setattr(outgoing, "OUTBOX", outbox)  # nearly all messages are dropped
    with Subscriber(hub.address) as subscriber:
        publisher = Publisher(hub.address, imu_info)
        for i in range(600):
            publisher.publish(rows(4 * i))
        publisher.end(Ended("wrist", 2400, {}))
        closing(publisher)
        got = until_ended(subscriber)
    assert numbers(got) == list(range(2400))
    assert missed(got) == 0


def test_rows_that_are_gone_for_good_are_counted_exactly(
    hub, imu_info, rows, until_ended, closing, monkeypatch
):
    monkeypatch.setattr(outgoing, "OUTBOX", 1)
    with Subscriber(hub.address) as subscriber:
        publisher = Publisher(hub.address, imu_info, resend_bytes=3000)  # holds about ten messages
        sent = 0
        for i in range(300):
            count = 1 + i % 5
            publisher.publish(rows(sent, count, lost={"device_gap": 1}))
            sent += count
        publisher.end(Ended("wrist", sent + 300, {"device_gap": 300}))
        closing(publisher)
        got = until_ended(subscriber)
    received = numbers(got)
    assert received == sorted(received)
    assert received[-1] == sent - 1
    assert missed(got) > 0
    assert len(received) + missed(got) == sent
    assert got[-1] == Ended("wrist", sent + 300, {"device_gap": 300})
    # Losses inside the missed messages are told by the next batch that arrived.
    assert sum(batch.lost.get("device_gap", 0) for batch in batches(got)) == 300


def test_a_slow_reader_blocks_nobody_and_memory_stays_bounded(hub, until_ended, closing):
    info = StreamInfo(name="sound", kind="audio", shape=(2,), dtype="<i2", rate_hz=48000, stamping="block")
    block = np.zeros((5000, 2), "<i2")
    with Subscriber(hub.address) as slow:
        publisher = Publisher(hub.address, info, resend_bytes=1 << 20)
        for i in range(8000):  # 160 MB; the reader reads nothing
            stamps = np.zeros(1, STAMP)
            stamps["seq"] = 5000 * i
            publisher.publish(Batch("sound", stamps, block))
        assert publisher._kept.size <= 1 << 20
        assert len(publisher._outgoing._outbox) <= outgoing.OUTBOX
        publisher.end(Ended("sound", 8000 * 5000, {}))
        closing(publisher)
        got = until_ended(slow, "sound")
    assert sum(len(b) for b in batches(got)) + missed(got) == 8000 * 5000


def test_pictures_arrive_byte_by_byte(hub, until_ended, closing):
    info = StreamInfo(name="camera", kind="camera", encoding="jpeg", dtype="|u1", shape=(4, 4, 3))
    pictures = (b"\xff\xd8one", b"\xff\xd8", b"\xff\xd8three" * 1000)
    with Subscriber(hub.address, ["camera"]) as subscriber:
        publisher = Publisher(hub.address, info)
        publisher.publish(Batch("camera", np.zeros(3, STAMP), pictures))
        publisher.publish(Batch("camera", np.zeros(1, STAMP), pictures[:1]))
        publisher.end(Ended("camera", 4, {}))
        closing(publisher)
        got = until_ended(subscriber, "camera")
    assert [batch.data for batch in batches(got)] == [pictures, pictures[:1]]


def test_a_subscriber_gets_only_what_it_asked_for(hub, imu_info, rows, until_ended, closing):
    other = StreamInfo(name="ankle", kind="imu", shape=(3,))
    with Subscriber(hub.address, ["ankle"]) as subscriber:
        publishers = [Publisher(hub.address, imu_info), Publisher(hub.address, other)]
        publishers[0].publish(rows(0))
        publishers[1].publish(rows(0, stream="ankle"))
        for publisher in publishers:
            publisher.end(Ended(publisher.stream, 4, {}))
            closing(publisher)
        got = until_ended(subscriber, "ankle")
    assert {batch.stream for batch in batches(got)} == {"ankle"}
    assert list(subscriber.streams) == ["ankle"]


def test_latest_gives_the_newest_batch_and_keeps_other_messages(hub, imu_info, rows, closing):
    with Subscriber(hub.address, reliable=False) as live:
        publisher = Publisher(hub.address, imu_info)
        newest = None
        sent = 0
        while newest is None:
            publisher.publish(rows(sent))
            sent += 4
            newest = live.latest("wrist")
        last = sent
        publisher.publish(rows(last))
        publisher.event(Event(0, "mark", "here", "wrist"))
        kinds = []
        while Event not in kinds:  # the event follows the last batch
            newest = live.latest("wrist") or newest
            message = live.receive(0.05)
            if isinstance(message, Batch):
                newest = message
            kinds.append(type(message))
        assert int(newest.stamps["seq"][0]) == last
        assert live.latest("wrist") is None


def test_a_publisher_that_leaves_without_an_end_is_reported_after_its_last_row(hub, imu_info, rows):
    with Subscriber(hub.address) as subscriber:
        publisher = Publisher(hub.address, imu_info)
        publisher.publish(rows(0))
        got = []
        while not (got and isinstance(got[-1], Batch)):
            got.append(subscriber.receive(10))
        publisher.publish(rows(4))
        publisher.close()
        while not (got and isinstance(got[-1], Failed)):
            got.append(subscriber.receive(10))
            assert got[-1] is not None
    assert numbers(got) == list(range(8))
    assert "wrist" in got[-1].error
    assert "without ending" in got[-1].error


def test_a_publisher_started_again_begins_to_count_anew(hub, imu_info, rows, until_ended, closing):
    with Subscriber(hub.address) as subscriber:
        for sent in (12, 8):
            publisher = Publisher(hub.address, imu_info)
            publisher.publish(rows(0, sent))
            publisher.end(Ended("wrist", sent, {}))
            thread = closing(publisher)
            got = until_ended(subscriber)
            thread.join()
            assert isinstance(got[0], Announcement)
            assert numbers(got) == list(range(sent))
            assert got[-1].produced == sent


def test_a_failure_comes_after_all_rows_and_before_the_totals(hub, imu_info, rows, until_ended, closing):
    with Subscriber(hub.address) as subscriber:
        publisher = Publisher(hub.address, imu_info)
        publisher.publish(rows(0))
        publisher.fail(Failed("wrist", "was unplugged", "wrist: /dev/ttyUSB0\nis gone"))
        publisher.end(Ended("wrist", 4, {}))
        closing(publisher)
        got = until_ended(subscriber)
    kinds = [type(message) for message in got if not isinstance(message, Probes)]
    assert kinds == [Announcement, Batch, Failed, Ended]
    assert Failed("wrist", "was unplugged", "wrist: /dev/ttyUSB0 is gone") in got


def test_a_batch_that_contradicts_its_announcement_is_refused_before_it_is_sent(hub, imu_info, rows):
    with Publisher(hub.address, imu_info) as publisher:
        good = rows(0)
        for bad in (
            Batch("wrist", good.stamps, good.data.astype("<f8")),
            Batch("wrist", good.stamps[:3], good.data),
            Batch("wrist", good.stamps, (b"picture",) * 4),
            Batch("wrist", good.stamps, good.data[:, :2]),
        ):
            with pytest.raises(WireError, match="wrist"):
                publisher.publish(bad)
        publisher.end(Ended("wrist", 0, {}))
        with pytest.raises(WireError, match="ended"):
            publisher.publish(good)
