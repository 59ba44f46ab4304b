"""Every field has a limit, and no bytes bring a parser down."""

from __future__ import annotations

import contextlib
import time

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import StreamInfo
from drivers.bus import control, keys, wire
from drivers.bus.prober import Prober
from drivers.bus.session import SessionInfo
from drivers.bus.socket import pinned, split_address
from drivers.camera.pictures import decoded, jpeg_size
from drivers.clock.host import HostClock
from drivers.errors import BusError, WireError

LONG = "x" * 5000
HEAD = {"run": 1, "number": 0, "row": 0, "lost": {}}


def info(**fields):
    return StreamInfo(**{"name": "wrist", "kind": "imu", "shape": (3,), **fields})


def data_frames(**changed):
    return wire.encode("d", "wrist", wire.DataHeader(**{**HEAD, "rows": 0, "sizes": [], **changed}))


@pytest.mark.parametrize(
    "frames",
    [
        data_frames(number=2**63),
        data_frames(run=-1),
        data_frames(rows=wire.MAX_ROWS + 1),
        data_frames(lost={"x" * 65: 1}),
        data_frames(lost={f"r{n}": 1 for n in range(65)}),
        data_frames(lost={"disk": 2**64 - 1}),
        data_frames(sizes=[0] * 300_000),
        [b"d/" + b"x" * 100 + b"/", *data_frames()[1:]],
        [*data_frames()[:2], bytes(wire.MAX_ROWS * 40 + 1), b""],
        [*data_frames()[:3], bytes(wire.MAX_PAYLOAD + 1)],
        wire.encode("v", "wrist", wire.EventHeader(time=0, kind="mark", label=LONG, source="", **HEAD)),
        wire.encode("v", "wrist", wire.EventHeader(time=2**63, kind="", label="", source="", **HEAD)),
        wire.encode("p", "wrist", wire.ProbesHeader(host=LONG, **HEAD)),
        wire.encode("f", "wrist", wire.FailedHeader(fault="", error=LONG, **HEAD)),
        wire.encode("a", "wrist", wire.AnnouncedHeader(info=info(device=LONG), **HEAD)),
        wire.encode("a", "wrist", wire.AnnouncedHeader(info=info(channels=(LONG, "y", "z")), **HEAD)),
        wire.encode("a", "wrist", wire.AnnouncedHeader(info=info(properties={LONG: ""}), **HEAD)),
        wire.encode("a", "wrist", wire.AnnouncedHeader(info=info(properties={"a": "x" * 300_000}), **HEAD)),
    ],
)
def test_a_data_message_with_a_field_over_its_limit_is_refused(frames):
    with pytest.raises(WireError):
        wire.decode(frames)


@pytest.mark.parametrize(
    "message",
    [
        control.Hello(version=1, role="publisher", host=LONG),
        control.Hello(version=1, role="publisher", host="h", stream="x" * 64),
        control.Hello(version=1, role="subscriber", host="h", streams=["a"] * 4097),
        control.Hello(version=-1, role="subscriber", host="h"),
        control.Hello(version=1, role="admin", host="h"),  # type: ignore[arg-type]
        control.Ask(t0=2**63),
        control.Delivery(to=b"x" * 256),
        control.Want(stream="wrist", run=2**63, first=0, last=0),
        control.Announce(stream=wire.AnnouncedHeader(info=info(device="x" * 600_000), **HEAD)),
        control.Told(t0=0, t1=0, t2=0, stopping=False),  # only a hub says this
        control.Stop(),
        control.Closing(),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_control_message_with_a_field_over_its_limit_is_refused(message):
    with pytest.raises(WireError):
        control.from_client([control.pack(message)])


@pytest.mark.parametrize("field", [{"id": "../../x"}, {"id": "0" * 33}, {"clock": LONG}, {"epoch_ns": 2**63}])
def test_a_session_with_a_field_over_its_limit_is_refused(field):
    fields = {"id": "0" * 32, "epoch_ns": 0, "utc_ns": 0, "utc_uncertainty_ns": 0, "clock": "c"}
    ports = {"version": 1, "publish_port": 1, "subscribe_port": 1, "streams": [], "stopping": False}
    good = control.Welcome(session=SessionInfo(**fields), **ports)
    assert control.from_hub([control.pack(good)]) == good
    with pytest.raises(WireError):
        control.from_hub([control.pack(control.Welcome(session=SessionInfo(**{**fields, **field}), **ports))])


def values():
    """Anything msgpack can say, nested."""
    leaves = (
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()
    )
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=4)
    )


TAGS = ["hello", "ask", "announce", "want", "delivery", "lack", "ending", "done", "bye", "welcome", "told"]


@settings(max_examples=300)
@given(st.sampled_from(TAGS), st.lists(values(), max_size=9))
def test_well_formed_nonsense_is_read_or_refused_with_a_typed_error(tag, fields):
    frame = msgspec.msgpack.encode([tag, *fields])
    for read in (control.from_client, control.from_hub):
        for frames in ([frame], [frame, b"", b"", b"", b""]):
            with contextlib.suppress(WireError):
                read(frames)


@settings(max_examples=300)
@given(st.sampled_from("dvpfea"), st.lists(values(), max_size=9))
def test_well_formed_nonsense_in_a_header_is_read_or_refused_with_a_typed_error(kind, fields):
    with contextlib.suppress(WireError):
        wire.decode([wire.topic(kind, "wrist"), msgspec.msgpack.encode([kind, *fields]), b"", b""])


@given(st.binary(max_size=100) | st.from_regex(rb"[a-z]/[a-z0-9_/.]{0,70}/?", fullmatch=True))
def test_the_hub_and_subscribers_read_the_same_stream_from_a_topic(topic):
    stream = wire.stream_of(topic)
    if stream is None:
        with pytest.raises(WireError):
            wire.decode([topic, *data_frames()[1:]])
    else:
        assert topic[1:] == f"/{stream}/".encode()


@given(st.text(max_size=100) | st.from_regex(r"tcp://[a-z0-9.:*\[\]#]{0,90}", fullmatch=True))
def test_an_address_is_read_or_refused_with_a_typed_error(text):
    with contextlib.suppress(BusError):
        split_address(text, wildcard=True)
    assert pinned(text) in ("", "insecure") or len(pinned(text)) == 64


@given(st.text(max_size=90))
def test_a_key_is_read_or_refused_with_a_typed_error(text):
    with pytest.raises(BusError):
        keys.from_hex(text)


@given(st.binary(min_size=32, max_size=32))
def test_a_key_comes_back(raw):
    assert keys.to_hex(keys.from_hex(raw.hex())) == raw.hex()


@given(st.binary(max_size=200).map(lambda tail: b"\xff\xd8" + tail) | st.binary(max_size=50))
def test_the_size_of_a_picture_is_found_or_not_but_never_crashes(jpeg):
    size = jpeg_size(jpeg)
    assert size is None or (0 <= size[0] <= 65535 and 0 <= size[1] <= 65535)


@settings(max_examples=50)
@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_the_size_that_the_header_promises_is_the_size_that_is_decoded(height, width, progressive):
    import cv2

    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    jpeg = cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8), options)[1].tobytes()
    image = decoded(jpeg)
    assert jpeg_size(jpeg) == (height, width)
    assert image is not None
    assert image.shape == (height, width, 3)


class Asked:
    """A control connection that keeps what is asked."""

    def __init__(self):
        self.t0 = []

    def send(self, message):
        self.t0.append(message.t0)


def test_an_answer_to_no_question_moves_no_clock():
    link, clock = Asked(), HostClock(0, same=False)
    prober = Prober(link, clock)  # type: ignore[arg-type]
    prober.tick(time.monotonic() + 1)
    (asked,) = link.t0
    now = asked + 2000
    for t0, t1, t2 in (
        (asked + 1, asked, asked),  # a nonce of nobody's
        (0, asked, asked),
        (asked, asked + 1000, asked),  # answered before it was heard
    ):
        prober.answered(control.Told(t0=t0, t1=t1, t2=t2, stopping=False), now)
    prober.answered(control.Told(t0=asked, t1=asked, t2=asked, stopping=False), asked - 1)
    assert link.t0 == [asked]  # so it still waits for the answer
    true = control.Told(t0=asked, t1=asked + 500, t2=asked + 600, stopping=False)
    for _ in range(3):  # the second and third are repeated by somebody
        prober.answered(true, now)
    prober.tick(time.monotonic() + 60)
    taken = prober.take()
    assert taken.tolist() == [(asked, asked + 500, asked + 600, now)]
