"""One MCAP file that Foxglove opens: JSON messages with schemas, all streams in the order of their time.

::

    /<camera>  foxglove.CompressedImage (JPEG as recorded)     /events  foxglove.Log
    /<depth>   foxglove.RawImage (16 bits, as recorded)
    /<sound>   chorus.Audio (raw samples, base64)              others   chorus.Rows.<stream>

``log_time`` and ``publish_time`` are UTC ns of the session's epoch + session time, to the nanosecond; each
message has its session time too. The session, what is known of each stream and the rig are metadata.
"""

from __future__ import annotations

import base64
import heapq
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from drivers.errors import MissingDependency, RecordingError
from recordings.exporters.facts import clock_of, session_facts, stream_facts, value_names, value_units
from recordings.exporters.rows import rows_of
from recordings.layout import software
from recordings.reader import Recording
from recordings.stream_reader import StreamReader

FOLDER = False
TAKES = "streams whose data was stored, but heatmaps"

MOST_VALUES = 4096
"""Of a row: JSON with more than this is of no use to a plot."""

PACKED = ("camera", "depth", "audio")
"""Kinds whose rows are bytes, not values with names."""

_INT = {"type": "integer"}
_STAMP = {"type": "object", "title": "time", "properties": {"sec": _INT, "nsec": _INT}}
_BASE64 = {"type": "string", "contentEncoding": "base64"}
_OWN = {"session_time_ns": _INT, "time_bound_ns": _INT, "time_host_ns": _INT, "seq": _INT}


class Message(NamedTuple):
    """One message: its time on the exported clock, ns, the channel, and its content."""

    time: int
    topic: str
    content: dict[str, Any]


def takes(stream: StreamReader) -> bool:
    """Whether the stream's rows were stored and are few numbers, sound or pictures."""
    few = int(np.prod(stream.info.shape, dtype=np.int64)) <= MOST_VALUES
    return not stream.withheld and (few or stream.info.kind in ("camera", "depth"))


def write(recording: Recording, streams: list[StreamReader], target: Path, raw: bool) -> list[str]:
    """Write the file; see :class:`recordings.exporters.export.Exporter`."""
    try:
        from mcap.writer import CompressionType, Writer
    except ImportError:
        raise MissingDependency(
            "the library mcap is not installed", mend="pip install 'chorus-fusion[mcap]'"
        ) from None
    epoch = 0 if raw else recording.session.utc_ns
    with target.open("wb") as file:
        writer = Writer(file, chunk_size=1 << 20, compression=CompressionType.NONE, enable_data_crcs=True)
        writer.start(library=software())
        writer.add_metadata("session", _texts(session_facts(recording, raw)))
        for stream in streams:
            writer.add_metadata(f"stream {stream.info.name}", _texts(stream_facts(stream)))
        channels = {}
        for topic, (name, properties) in _schemas(streams).items():
            text = json.dumps({"type": "object", "title": name, "properties": properties})
            schema = writer.register_schema(name, "jsonschema", text.encode())
            channels[topic] = writer.register_channel(topic, "json", schema, {"clock": clock_of(raw)})
        sources = [_messages(stream, epoch, raw) for stream in streams]
        if not raw:
            sources.append(_events(recording, epoch))
        counts = dict.fromkeys(channels, 0)
        for message in heapq.merge(*sources, key=lambda message: message.time):
            time = message.time + epoch
            if time < 0:
                raise RecordingError(
                    f"{recording.path}: MCAP has no time before 1970, and {message.topic} begins there",
                    mend="export it as csv",
                )
            content = json.dumps({"timestamp": _stamp(time), **message.content})
            writer.add_message(channels[message.topic], time, content.encode(), time, counts[message.topic])
            counts[message.topic] = (counts[message.topic] + 1) & 0xFFFFFFFF
        writer.finish()
    return ["events and labels: left out, they have session times only"] if raw and recording.events else []


def _schemas(streams: list[StreamReader]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return by topic the name of a schema and its properties."""
    found: dict[str, tuple[str, dict[str, Any]]] = {
        "/events": (
            "foxglove.Log",
            {
                "timestamp": _STAMP,
                "level": _INT,
                "message": {"type": "string"},
                "name": {"type": "string"},
                "file": {"type": "string"},
                "line": _INT,
            },
        )
    }
    for stream in streams:
        info, topic = stream.info, f"/{stream.info.name}"
        own: dict[str, Any] = {"timestamp": _STAMP, **_OWN}
        if info.kind == "camera":
            texts = {"frame_id": {"type": "string"}, "format": {"type": "string"}}
            found[topic] = ("foxglove.CompressedImage", {**own, **texts, "data": _BASE64})
        elif info.kind == "depth":
            form = {"frame_id": {"type": "string"}, "encoding": {"type": "string"}}
            form |= dict.fromkeys(("width", "height", "step"), _INT)
            found[topic] = ("foxglove.RawImage", {**own, **form, "data": _BASE64})
        elif info.kind == "audio":
            form = {
                "dtype": {"type": "string"},
                "number_of_channels": _INT,
                "sample_rate": {"type": "number"},
            }
            found[topic] = ("chorus.Audio", {**own, **form, "data": _BASE64})
        else:
            named = zip(value_names(stream), value_units(stream), strict=True)
            values = {_field(name): {"type": "number", "description": unit} for name, unit in named}
            found[topic] = (f"chorus.Rows.{info.name}", {**own, **values})
    return found


def _messages(stream: StreamReader, epoch: int, raw: bool) -> Iterator[Message]:
    """Yield a stream's messages; one a row, of sound one for up to 4096 rows without a gap."""
    info, topic = stream.info, f"/{stream.info.name}"
    names = [_field(name) for name in value_names(stream)] if info.kind not in PACKED else []
    for rows in rows_of(stream):
        times = rows.times(raw).tolist()
        every = np.arange(len(rows))
        if info.kind == "audio":  # as one message, what follows without a gap
            every = np.flatnonzero(np.diff(rows.seq, prepend=rows.seq[0] - 2) != 1)
        for i, stop in zip(every.tolist(), [*every[1:].tolist(), len(rows)], strict=True):
            content: dict[str, Any] = {
                "session_time_ns": int(rows.time[i]),
                "time_bound_ns": int(rows.time_bound[i]),
                "time_host_ns": int(rows.time_host[i]),
                "seq": int(rows.seq[i]),
            }
            if info.kind == "camera":
                content |= {"frame_id": info.name, "format": "jpeg" if info.encoding == "jpeg" else "png"}
                content["data"] = base64.b64encode(_picture(stream, rows.start + i)).decode()
            elif rows.data is None:
                continue
            elif info.kind == "depth":
                height, width = info.shape
                content |= {"frame_id": info.name, "encoding": "16UC1"}
                content |= {"width": width, "height": height, "step": 2 * width}
                content["data"] = base64.b64encode(np.ascontiguousarray(rows.data[i]).tobytes()).decode()
            elif info.kind == "audio":
                content |= {"dtype": info.dtype, "number_of_channels": info.shape[0] if info.shape else 1}
                content["sample_rate"] = stream.rate_effective_hz or info.rate_hz
                content["data"] = base64.b64encode(np.ascontiguousarray(rows.data[i:stop]).tobytes()).decode()
            else:
                content |= dict(zip(names, map(_number, rows.data[i].ravel().tolist()), strict=True))
            yield Message(times[i], topic, content)


def _events(recording: Recording, epoch: int) -> Iterator[Message]:
    for event in sorted(recording.events, key=lambda event: event.time):
        text = f"{event.kind}: {event.label}" if event.label else event.kind
        content = {"level": 2, "message": text, "name": event.source, "file": "", "line": 0}
        yield Message(event.time, "/events", content)


def _picture(stream: StreamReader, number: int) -> bytes:
    if stream.info.encoding == "jpeg":
        return stream.picture(number)
    import cv2

    return cv2.imencode(".png", stream.image(number))[1].tobytes()


def _field(name: str) -> str:
    """Return a name that Foxglove's message paths take: a dot there goes a level down."""
    return name.replace(".", "_")


def _number(value: Any) -> Any:
    """Return a value as JSON has it: of numbers that are none, null."""
    return value if not isinstance(value, float) or math.isfinite(value) else None


def _stamp(time_ns: int) -> dict[str, int]:
    return {"sec": time_ns // 1_000_000_000, "nsec": time_ns % 1_000_000_000}


def _texts(facts: dict[str, Any]) -> dict[str, str]:
    return {key: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for key, v in facts.items()}
