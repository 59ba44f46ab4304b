"""Bytes: what is sent comes back the same, and what is malformed is refused whole."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus import Publisher, Subscriber, control, wire
from drivers.bus.messages import PROBE, Ended
from drivers.errors import WireError

INFO = StreamInfo(name="wrist", kind="imu", shape=(3,))
HEAD = {"run": 7, "number": 3, "row": 12, "lost": {"checksum": 2}}


def frames_of(batch: Batch, info: StreamInfo) -> list[bytes]:
    sizes, body = wire.encode_batch(batch, info)
    return wire.encode("d", info.name, wire.DataHeader(rows=len(batch.data), sizes=sizes, **HEAD), body)


def stamps(count: int) -> np.ndarray:
    made = np.zeros(count, STAMP)
    made["time"] = np.arange(count)
    made["seq"] = 2**63 + np.arange(count, dtype="u8")
    return made


@given(
    hnp.arrays(
        st.sampled_from(["<f4", "<f8", "<i2", "|u1", "<i8", "|b1"]).map(np.dtype),
        hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=6),
    ),
    st.sampled_from(["row", "block"]),
)
def test_any_array_comes_back_bit_by_bit(data, stamping):
    info = StreamInfo(name="any", kind="imu", dtype=data.dtype.str, shape=data.shape[1:], stamping=stamping)
    batch = Batch("any", stamps(len(data) if stamping == "row" else 1), data)
    frames = frames_of(batch, info)
    stream, header = wire.decode(frames)
    assert stream == "any"
    assert isinstance(header, wire.DataHeader)
    back = wire.decode_batch(frames, header, info, {})
    assert isinstance(back.data, np.ndarray)
    assert back.data.dtype == data.dtype
    assert back.data.tobytes() == data.tobytes()
    assert back.data.shape == data.shape
    assert back.stamps.tobytes() == batch.stamps.tobytes()


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_pictures_come_back(pictures):
    info = StreamInfo(name="camera", kind="camera", encoding="jpeg", dtype="|u1", shape=(2, 2, 3))
    frames = frames_of(Batch("camera", stamps(len(pictures)), tuple(pictures)), info)
    _, header = wire.decode(frames)
    assert isinstance(header, wire.DataHeader)
    assert wire.decode_batch(frames, header, info, {}).data == tuple(pictures)


def read_all(frames: list[bytes]) -> None:
    stream, header = wire.decode(frames)
    if isinstance(header, wire.DataHeader):
        wire.decode_batch(frames, header, INFO, {})
    elif isinstance(header, wire.NUMBERED):
        wire.decode_other(frames, stream, header)


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_random_frames_are_refused_with_a_typed_error(frames):
    with pytest.raises(WireError):
        read_all(frames)


@settings(max_examples=300)
@given(st.integers(0, 3), st.data())
def test_damaged_messages_are_read_or_refused_but_never_crash(which, data):
    frames = frames_of(Batch("wrist", stamps(4), np.ones((4, 3), "<f4")), INFO)
    damaged = bytearray(frames[which])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(damaged) - 1)))
        match data.draw(st.sampled_from(["flip", "cut", "insert"])):
            case "flip" if damaged:
                damaged[at] ^= data.draw(st.integers(1, 255))
            case "cut":
                del damaged[at:]
            case _:
                damaged[at:at] = data.draw(st.binary(min_size=1, max_size=8))
    frames[which] = bytes(damaged)
    with contextlib.suppress(WireError):  # and nothing else
        read_all(frames)


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_random_control_messages_are_refused_with_a_typed_error(frames):
    for decode in (control.from_client, control.from_hub):
        with pytest.raises(WireError):
            decode(frames)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Wrist"},
        {"name": "../etc"},
        {"dtype": "O"},
        {"dtype": ">f4"},
        {"dtype": "V1000000000"},
        {"dtype": "<f4,<f4"},
        {"dtype": "M8[ns]"},
        {"dtype": "nonsense"},
        {"shape": (2**40,)},
        {"shape": (0,)},
        {"shape": (-1, 3)},
        {"shape": (50_000, 50_000)},
        {"rate_hz": float("nan")},
        {"rate_hz": -1.0},
        {"units": ("m",), "channels": ("x", "y", "z")},
        {"encoding": "jpeg", "stamping": "block"},
    ],
)
def test_a_stream_that_cannot_be_decoded_safely_is_refused(change):
    fields = {"name": "wrist", "kind": "imu", "shape": (3,), **change}
    with pytest.raises(WireError):
        wire.check_info(StreamInfo(**fields))


@pytest.mark.parametrize(
    "header",
    [
        wire.DataHeader(rows=5, sizes=[], **HEAD),
        wire.DataHeader(rows=4, sizes=[48], **HEAD),
        wire.DataHeader(rows=0, sizes=[], **HEAD),
    ],
)
def test_sizes_that_contradict_the_header_are_refused(header):
    body = [stamps(4).tobytes(), np.ones((4, 3), "<f4").tobytes()]
    with pytest.raises(WireError, match="wrist"):
        wire.decode_batch(wire.encode("d", "wrist", header, body), header, INFO, {})


def test_probes_of_odd_length_are_refused():
    assert len(wire.decode_probes(np.zeros(3, PROBE).tobytes())) == 3
    with pytest.raises(WireError):
        wire.decode_probes(b"x" * 33)


def test_garbage_on_the_data_port_harms_no_stream(hub, imu_info, rows, until_ended, closing):
    context = zmq.Context()
    vandal = context.socket(zmq.XPUB)
    link = context.socket(zmq.DEALER)
    link.connect(hub.address)
    hello = control.Hello(version=wire.VERSION, role="publisher", host="", stream="vandal", run=1)
    link.send_multipart([control.pack(hello)])
    welcome = control.from_hub(link.recv_multipart())
    assert isinstance(welcome, control.Welcome)
    vandal.connect(f"tcp://127.0.0.1:{welcome.publish_port}")
    link.send_multipart([b"\xff\xff garbage", b"", b"x" * 1000])
    link.send_multipart([b""])
    with Subscriber(hub.address) as subscriber:
        assert vandal.poll(10_000)  # the subscription has reached us
        vandal.recv()
        good = frames_of(Batch("wrist", stamps(4), np.ones((4, 3), "<f4")), INFO)
        for bad in (
            [b"one frame"],
            [b"d/wrist/", b"\xc1", b"", b""],
            [b"d/../x/", *good[1:]],
            [good[0], good[1], good[2]],
            [b"e/wrist/", *good[1:]],
            [b"\xff" * 200, *good[1:]],
        ):
            vandal.send_multipart(bad)
        publisher = Publisher(hub.address, imu_info)
        for i in range(50):
            publisher.publish(rows(4 * i))
        publisher.end(Ended("wrist", 200, {}))
        closing(publisher)
        got = until_ended(subscriber)
        while subscriber.refused < 6:
            subscriber.receive(0.1)
    assert sum(len(message) for message in got if isinstance(message, Batch)) == 200
    assert subscriber.refused == 6
    vandal.close(0)
    link.close(0)
    context.term()
