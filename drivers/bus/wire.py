"""Bytes of the bus: one message is ``[topic, header, stamps, payload]``.

Whatever arrives is bounded and checked before use, and refused whole with a :class:`WireError`.
``docs/wire.md`` is the specification of what stands here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers.base import NAME, STAMP, Batch, Pictures, StreamInfo
from drivers.bus.messages import PROBE, Event, Failed, Probes
from drivers.errors import WireError

VERSION = 1
"""Of the wire; parts of different versions refuse each other at the hello."""

MAX_TOPIC = 80  # bytes
MAX_HEADER = 256 * 1024  # bytes; the largest thing in it is the text of a stream's properties
MAX_ROWS = 1_000_000  # rows of one message
MAX_PAYLOAD = 128 * 1024 * 1024  # bytes; a raw picture of 8K fits
MAX_MESSAGE = MAX_PAYLOAD + MAX_ROWS * STAMP.itemsize + MAX_HEADER + MAX_TOPIC
MAX_PROBES = 4096
MAX_STREAMS = 4096  # of a session
MAX_TEXT = 4096  # characters of a text; those of a stream's properties are bounded by the header alone

Frames = list[bytes]

Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Instant = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,62}\Z", max_length=63)]
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
Losses = Annotated[
    dict[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], Natural], msgspec.Meta(max_length=64)
]


class Header(msgspec.Struct, array_like=True, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every numbered message begins with.

    Attributes:
        run: start of the publisher, random; a new one means that numbers begin again.
        number: of the message within (stream, run), from 0.
        row: rows published before this message within (stream, run).
        lost: rows the driver has lost since the stream began, by reason (a total, so that it
            stays exact where messages are missed).
    """

    run: Natural
    number: Natural
    row: Natural
    lost: Losses


class DataHeader(Header, tag="d", array_like=True, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows follow. ``sizes``: bytes of each picture, empty for arrays."""

    rows: Annotated[int, msgspec.Meta(ge=0, le=MAX_ROWS)]
    sizes: Annotated[list[Natural], msgspec.Meta(max_length=MAX_ROWS)]


class EventHeader(Header, tag="v", array_like=True, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something happened; all of it is here."""

    time: Instant
    kind: Text
    label: Text
    source: Text


class ProbesHeader(Header, tag="p", array_like=True, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Clock probes follow as the payload."""

    host: Text


class FailedHeader(Header, tag="f", array_like=True, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The driver gave up."""

    fault: Text
    error: Text


class EndedHeader(Header, tag="e", array_like=True, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing follows: ``number`` messages and ``row`` rows were published, ``produced`` produced."""

    produced: Natural


class AnnouncedHeader(
    Header, tag="a", array_like=True, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """A stream is; ``number`` and ``row`` are those of its next message."""

    info: StreamInfo


AnyHeader = DataHeader | EventHeader | ProbesHeader | FailedHeader | EndedHeader | AnnouncedHeader
NUMBERED = (DataHeader, EventHeader, ProbesHeader, FailedHeader)
"""Messages that take part in the numbering, are kept for resending and never silently missed."""

_decoder = msgspec.msgpack.Decoder(AnyHeader)
_encoder = msgspec.msgpack.Encoder()


def topic(kind: str, stream: str) -> bytes:
    """Return the topic of messages of ``kind`` (d, v, p, f, e, a) of ``stream``."""
    return f"{kind}/{stream}/".encode()


def topics(stream: str) -> list[bytes]:
    """Return all topics of one stream."""
    return [topic(kind, stream) for kind in "dvpfea"]


def stream_of(topic: bytes) -> str | None:
    """Return the stream of a topic, or None where it is none."""
    if len(topic) > MAX_TOPIC:
        return None
    kind, _, rest = topic.partition(b"/")
    name = rest[:-1].decode("ascii", "replace")
    return name if len(kind) == 1 and kind in b"dvpfea" and rest[-1:] == b"/" and NAME.match(name) else None


def check_info(info: StreamInfo) -> StreamInfo:
    """Refuse a stream that cannot be decoded safely.

    Raises:
        WireError: naming the field.
    """

    def refuse(what: str) -> WireError:
        return WireError(
            f"Stream {info.name[:63]!r} was announced with {what}", mend="Correct its driver's StreamInfo"
        )

    if not NAME.match(info.name):
        raise refuse("a name that is no small letters, digits and _")
    try:
        dtype = np.dtype(info.dtype)
    except (TypeError, ValueError, SyntaxError) as error:
        raise refuse(f"the type {info.dtype[:20]!r}, which numpy does not know") from error
    if dtype.kind not in "iufb" or dtype.itemsize > 8 or dtype.byteorder == ">" or dtype.subdtype:
        raise refuse(f"the type {info.dtype[:20]!r}, which is no little-endian number")
    if len(info.shape) > 8 or any(not 0 < side <= MAX_PAYLOAD for side in info.shape):
        raise refuse(f"the shape {info.shape[:8]}")
    if math.prod(info.shape) * dtype.itemsize > MAX_PAYLOAD:
        raise refuse(f"rows of shape {info.shape}, which are too large")
    if not (math.isfinite(info.rate_hz) and 0 <= info.rate_hz <= 1e7):
        raise refuse(f"a rate of {info.rate_hz} Hz")
    for text in (info.device, info.worn_on, info.host, *info.channels, *info.units, *info.properties):
        if len(text) > MAX_TEXT:
            raise refuse(f"a text of {len(text)} characters")
    if info.encoding == "jpeg" and info.stamping != "row":
        raise refuse("pictures that are not stamped one by one")
    if info.units and info.channels and len(info.units) != len(info.channels):
        raise refuse(f"{len(info.channels)} channels but {len(info.units)} units")
    return info


def encode_batch(batch: Batch, info: StreamInfo) -> tuple[list[int], Frames]:
    """Return the picture sizes and the last two frames (stamps, payload) of a batch.

    Raises:
        WireError: the batch is not what its stream announced.
    """

    def refuse(what: str) -> WireError:
        return WireError(f"{info.name}: a batch {what}", mend="Correct its driver, or its StreamInfo")

    rows = len(batch.data)
    stamps = np.ascontiguousarray(batch.stamps)
    if stamps.dtype != STAMP or stamps.ndim != 1:
        raise refuse(f"has stamps of {stamps.dtype} with shape {stamps.shape}")
    expected = rows if info.stamping == "row" else min(rows, 1)
    if len(stamps) != expected:
        raise refuse(f"of {rows} rows has {len(stamps)} stamps, not {expected}")
    if rows > MAX_ROWS:
        raise refuse(f"of {rows} rows is too long")
    if info.encoding == "jpeg":
        if isinstance(batch.data, np.ndarray):
            raise refuse("holds an array, not encoded pictures")
        sizes = [len(picture) for picture in batch.data]
        payload = batch.data[0] if rows == 1 else b"".join(batch.data)
    else:
        if not isinstance(batch.data, np.ndarray):
            raise refuse("holds pictures, not an array")
        if batch.data.dtype != np.dtype(info.dtype) or batch.data.shape[1:] != info.shape:
            raise refuse(f"holds {batch.data.dtype} {batch.data.shape[1:]}, not {info.dtype} {info.shape}")
        sizes = []
        payload = batch.data.tobytes()
    if len(payload) > MAX_PAYLOAD:
        raise refuse(f"of {len(payload)} bytes is too large")
    return sizes, [stamps.tobytes(), bytes(payload)]


def encode(kind: str, stream: str, header: AnyHeader, body: Sequence[bytes] = (b"", b"")) -> Frames:
    """Return the frames of one message."""
    return [topic(kind, stream), _encoder.encode(header), *body]


def decode(frames: Sequence[bytes]) -> tuple[str, AnyHeader]:
    """Parse topic and header: (stream, header).

    Raises:
        WireError: the message is not of this protocol.
    """
    if len(frames) != 4:
        raise _refuse(f"has {len(frames)} frames, not 4")
    name, header = frames[0], frames[1]
    limits = (MAX_TOPIC, MAX_HEADER, MAX_ROWS * STAMP.itemsize, MAX_PAYLOAD)
    if any(len(frame) > limit for frame, limit in zip(frames, limits, strict=True)):
        raise _refuse(f"has frames of {', '.join(str(len(frame)) for frame in frames)} bytes")
    try:
        kind, stream, rest = name.decode("ascii").split("/")
    except (UnicodeDecodeError, ValueError) as error:
        raise _refuse(f"has the topic {name[:MAX_TOPIC]!r}") from error
    if rest or not NAME.match(stream):
        raise _refuse(f"has the topic {name[:MAX_TOPIC]!r}")
    try:
        parsed = _decoder.decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refuse(f"of {stream} has a bad header ({error})") from error
    if type(parsed).__struct_config__.tag != kind:
        raise _refuse(f"of {stream} has a header that contradicts its topic")
    if isinstance(parsed, AnnouncedHeader) and check_info(parsed.info).name != stream:
        raise _refuse(f"of {stream} announces {parsed.info.name!r}")
    return stream, parsed


def decode_batch(
    frames: Sequence[bytes], header: DataHeader, info: StreamInfo, lost: dict[str, int]
) -> Batch:
    """Return the batch of a data message; arrays are read-only views of the frames.

    Args:
        lost: rows lost just before, as the batch shall carry them.

    Raises:
        WireError: sizes do not fit what the stream announced.
    """
    rows, payload = header.rows, frames[3]
    expected = rows if info.stamping == "row" else min(rows, 1)
    if len(frames[2]) != expected * STAMP.itemsize:
        raise _refuse(f"of {info.name} with {rows} rows has {len(frames[2])} bytes of stamps")
    stamps = np.frombuffer(frames[2], dtype=STAMP)
    if info.encoding == "jpeg":
        return Batch(info.name, stamps, _split(payload, header, info.name), lost)
    dtype = np.dtype(info.dtype)
    if header.sizes or len(payload) != rows * math.prod(info.shape) * dtype.itemsize:
        raise _refuse(f"of {info.name} with {rows} rows of {info.shape} has {len(payload)} bytes")
    return Batch(info.name, stamps, np.frombuffer(payload, dtype=dtype).reshape(rows, *info.shape), lost)


def _split(payload: bytes, header: DataHeader, stream: str) -> Pictures:
    if len(header.sizes) != header.rows or sum(header.sizes) != len(payload):
        raise _refuse(
            f"of {stream} with {header.rows} pictures has {len(header.sizes)} sizes and {len(payload)} bytes"
        )
    if header.rows == 1:
        return (payload,)
    pictures, start = [], 0
    for size in header.sizes:
        pictures.append(payload[start : start + size])
        start += size
    return tuple(pictures)


def decode_other(frames: Sequence[bytes], stream: str, header: AnyHeader) -> Event | Probes | Failed:
    """Return the message of a numbered header that carries no rows.

    Raises:
        WireError: it carries what it must not.
    """
    if frames[2]:
        raise _refuse(f"of {stream} has stamps where none belong")
    if isinstance(header, ProbesHeader):
        return Probes(header.host, decode_probes(frames[3]))
    if frames[3]:
        raise _refuse(f"of {stream} has a payload where none belongs")
    if isinstance(header, EventHeader):
        return Event(header.time, header.kind, header.label, header.source)
    if isinstance(header, FailedHeader):
        return Failed(stream, header.fault, header.error)
    raise _refuse(f"of {stream} is of no kind that carries words")


def decode_probes(payload: bytes) -> NDArray[Any]:
    """Return probes as an array (N,) of :data:`drivers.bus.messages.PROBE`."""
    if len(payload) % PROBE.itemsize or len(payload) > MAX_PROBES * PROBE.itemsize:
        raise _refuse(f"has {len(payload)} bytes of clock probes")
    return np.frombuffer(payload, dtype=PROBE)


def _refuse(what: str) -> WireError:
    return WireError(
        f"A bus message {what}; it was refused", mend="Run the same version of Chorus on all hosts"
    )
