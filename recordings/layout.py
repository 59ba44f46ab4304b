"""Names, shapes, units and version of the session file, in one place.

``docs/file-format.md`` says the same in prose; a test compares the two.

::

    /                     attributes: see SessionAttributes
    /streams/<name>/      attributes: see stream_attributes()
        data              (R, *shape)  or, for encoded pictures,
        packets, index    (bytes,) uint8 and (R,) INDEX
        time ... seq      (N,) the five columns of drivers.base.STAMP
        row               (N,) uint64, block-stamped streams only: first row of each block
        ledger            () LEDGER, attribute xxh3_64
        integrity/<name>  (chunks of that dataset,) CHECKSUM
        latency/          what `chorus calibrate latency` found, see recordings.latency.found
    /features/<name>/     the same, for streams of kind "features"
    /clock/<host>/probes  (N,) drivers.bus.messages.PROBE, attribute xxh3_64 of the group
    /events/              time, kind, label, source  (N,), attribute xxh3_64
    /labels/              start, stop, action, who   (N,), attribute xxh3_64
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
from collections.abc import Sequence
from typing import Any

import h5py
import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from drivers.base import LOSS_REASONS, STAMP, StreamInfo

FORMAT = "chorus-session"
VERSION = 1

STREAMS = "streams"
FEATURES = "features"
CLOCK = "clock"
EVENTS = "events"
LABELS = "labels"
INTEGRITY = "integrity"
H264 = "h264"
LATENCY = "latency"

STAMP_COLUMNS: tuple[str, ...] = tuple(STAMP.names or ())
"""time, time_bound, time_host, time_device, seq: a dataset each, so that any of them reads alone."""

EVENT_COLUMNS = {"time": np.dtype("<i8"), "kind": None, "label": None, "source": None}
LABEL_COLUMNS = {"start": np.dtype("<i8"), "stop": np.dtype("<i8"), "action": None, "who": None}
"""None stands for UTF-8 text of any length."""

INDEX = np.dtype([("offset", "<u8"), ("size", "<u8"), ("key", "|u1")])
"""Where picture i lies in ``packets``: bytes, and whether it decodes without others (JPEG: always)."""

CHECKSUM = np.dtype([("rows", "<u8"), ("xxh3_64", "<u8")])
"""Of one chunk: how many rows of it are in use, and the XXH3-64 of their bytes."""

REASONS: tuple[str, ...] = (*LOSS_REASONS, "other")

LEDGER = np.dtype(
    [
        ("produced", "<i8"),
        ("stored", "<i8"),
        *((reason, "<i8") for reason in REASONS),
        ("run", "<u8"),
        ("run_message", "<u8"),
        ("run_row", "<u8"),
        ("run_shift", "<i8"),
        *((f"run_{reason}", "<i8") for reason in REASONS),
    ]
)
"""Rows: produced = stored + the losses by reason. What does not add up is unexplained: a bug of ours.

``run`` is the start of the driver that the newest rows come from (see ``docs/wire.md``), ``run_message`` and
``run_row`` are its next ones, ``run_<reason>`` what it had lost until there, ``run_shift`` what was added to
its ``seq``: a recorder that goes on with the file asks for what follows. One structure, so that a killed
recorder leaves all of it changed or nothing.
"""

DAMAGE = (KeyError, OSError, RuntimeError, ValueError, TypeError, msgspec.ValidationError)
"""What h5py raises on a damaged file."""

_TEXT = h5py.string_dtype()


@dataclasses.dataclass(frozen=True)
class SessionAttributes:
    """Attributes of the root group.

    Attributes:
        id: unique name of the session.
        epoch_ns: session time 0 on the session host's monotonic clock, ns.
        utc_ns: UTC of the epoch, ns since 1970, with ``utc_uncertainty_ns``.
        clock: identity of the session host's monotonic clock.
        subject: who was recorded, or empty.
        task: what they did, or empty.
        software: program and version that wrote the file.
        rig: text of the rig (YAML) that was recorded, or empty.
        expected: names of the streams the rig asked for.
        start_ns: session time from which all required streams were there, -1 while unknown.
        stop_ns: session time at which recording was asked to stop, -1 while unknown.
        closed: the file was closed in good order.
        metadata: of subject and session, by name; see ``recordings.metadata``.
        edits: what was done to the file since it was recorded, a JSON object each, oldest first.
    """

    id: str
    epoch_ns: int = 0
    utc_ns: int = 0
    utc_uncertainty_ns: int = 0
    clock: str = ""
    subject: str = ""
    task: str = ""
    software: str = ""
    rig: str = ""
    expected: tuple[str, ...] = ()
    start_ns: int = -1
    stop_ns: int = -1
    closed: bool = False
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    edits: tuple[str, ...] = ()


def software() -> str:
    """Return name and version of this program."""
    return f"chorus-fusion {importlib.metadata.version('chorus-fusion')}"


def write_session(file: h5py.File, session: SessionAttributes) -> None:
    """Write the root attributes."""
    file.attrs["format"] = FORMAT
    file.attrs["version"] = VERSION
    for field, value in dataclasses.asdict(session).items():
        write_attribute(file, field, value)


def read_session(file: h5py.File) -> SessionAttributes:
    """Read the root attributes.

    Raises:
        KeyError: one is missing (the caller says which file).
    """
    values = {
        field.name: plain(file.attrs[field.name])
        for field in dataclasses.fields(SessionAttributes)
        if field.name in file.attrs or field.name not in _ADDED
    }
    if isinstance(values.get("metadata"), str):
        values["metadata"] = json.loads(values["metadata"])
    return SessionAttributes(**values)


_ADDED = ("metadata", "edits")
"""Attributes that files of older programs do not have."""


def write_info(group: h5py.Group, info: StreamInfo, codec: str = "") -> None:
    """Write what is known of a stream as attributes of its group; a codec stands in place of its encoding."""
    for field, value in msgspec.structs.asdict(info).items():
        if field == "encoding":
            write_attribute(group, field, codec or value)
        elif field != "name":
            write_attribute(group, field, value)


def read_info(group: h5py.Group) -> StreamInfo:
    """Read what :func:`write_info` wrote; rows that a codec encodes are told as they decode: ``array``.

    Raises:
        KeyError: an attribute is missing.
        msgspec.ValidationError: an attribute has a value that no stream has.
    """
    values: dict[str, Any] = {"name": str(group.name).rpartition("/")[2]}
    for field in StreamInfo.__struct_fields__:
        if field != "name":
            values[field] = plain(group.attrs[field])
    if values["encoding"] == H264:
        values["encoding"] = "array"
    if isinstance(values["properties"], str):
        values["properties"] = json.loads(values["properties"])
    return msgspec.convert(values, StreamInfo)


def read_codec(group: h5py.Group) -> str:
    """Return the codec of a stream's packets, or an empty text where each row stands for itself."""
    encoding = plain(group.attrs["encoding"])
    return encoding if encoding == H264 else ""


def group_name(info: StreamInfo) -> str:
    """Return the path of a stream's group."""
    return f"{FEATURES if info.kind == 'features' else STREAMS}/{info.name}"


def column_names(info: StreamInfo, *, withheld: bool, codec: str = "") -> tuple[str, ...]:
    """Return the names of the datasets with a checksum that a stream has."""
    names = STAMP_COLUMNS
    if info.stamping == "block":
        names += ("row",)
    if not withheld:
        names += ("packets", "index") if codec or info.encoding == "jpeg" else ("data",)
    return names


def chunk_rows(row_bytes: int, *, target_bytes: int = 32768) -> int:
    """Return rows per chunk: about 32 KiB of small rows, or one row where rows are larger."""
    return int(min(max(target_bytes // max(row_bytes, 1), 1), 65536))


PACKET_CHUNK = 512 * 1024
"""Bytes of encoded pictures per chunk."""

H264_CHUNK = 64 * 1024
"""The same for H.264, whose pictures are a tenth as large: a damaged chunk costs about a second."""


def subgroup(group: h5py.Group, name: str) -> h5py.Group:
    """Return a group's group.

    Raises:
        KeyError: there is none of that name.
    """
    found = group[name]
    if not isinstance(found, h5py.Group):
        raise KeyError(f"{name} is no group")
    return found


def dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """Return a group's dataset.

    Raises:
        KeyError: there is none of that name.
    """
    found = group[name]
    if not isinstance(found, h5py.Dataset):
        raise KeyError(f"{name} is no dataset")
    return found


def checksum(rows: NDArray[Any]) -> int:
    """Return XXH3-64 of the bytes of rows."""
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(rows).view(np.uint8).data)


TABLE_CHECKSUM = "xxh3_64"
"""Attribute of a group of small tables, and of a stream's ledger: their checksum, written at the end."""

INTERRUPTED = "the recorder was interrupted"
"""How a stream ended of which a repaired file has no better account."""

SEAL = "attributes_xxh3_64"
"""Attribute of the root and of each stream: checksum of all others, for HDF5 has none for texts."""


def seal(group: h5py.Group) -> None:
    """Write the checksum of a group's attributes; whoever changes one does it again."""
    group.attrs.create(SEAL, np.uint64(_attributes_checksum(group)))


def check_seal(group: h5py.Group) -> None:
    """Compare the attributes with their checksum, where there is one: files of older programs have none.

    Raises:
        ValueError: they differ.
    """
    if SEAL in group.attrs and plain(group.attrs[SEAL]) != _attributes_checksum(group):
        raise ValueError("the checksum of its attributes does not match")


def _attributes_checksum(group: h5py.Group) -> int:
    values = sorted(
        (name, plain(value)) for name, value in group.attrs.items() if name not in (SEAL, "closed")
    )
    return table_checksum(values)


def table_checksum(columns: Sequence[Sequence[Any]]) -> int:
    """Return XXH3-64 of the JSON text of columns of plain values."""
    return xxhash.xxh3_64_intdigest(json.dumps([list(column) for column in columns]).encode())


def write_table_checksum(group: h5py.Group | h5py.Dataset, columns: Sequence[Sequence[Any]]) -> None:
    """Write what :func:`check_table` compares."""
    group.attrs.create(TABLE_CHECKSUM, np.uint64(table_checksum(columns)))


def check_table(group: h5py.Group | h5py.Dataset, columns: Sequence[Sequence[Any]]) -> None:
    """Compare a table with its checksum, where it has one: files of older programs do not.

    Raises:
        ValueError: they differ.
    """
    if TABLE_CHECKSUM in group.attrs and plain(group.attrs[TABLE_CHECKSUM]) != table_checksum(columns):
        raise ValueError("its checksum does not match")


def write_attribute(group: h5py.Group, name: str, value: Any) -> None:
    """Write one attribute: a number, a text, a tuple of these, or a mapping of texts (as JSON)."""
    if isinstance(value, dict):
        value = json.dumps(value, sort_keys=True)
    if isinstance(value, (tuple, list)):
        texts = not value or isinstance(value[0], str)
        value = np.array(value, dtype=_TEXT if texts else np.int64)
    group.attrs[name] = value


def plain(value: Any) -> Any:
    """Return an HDF5 attribute as the Python value it was written from; arrays become tuples."""
    if isinstance(value, np.ndarray):
        return tuple(plain(item) for item in value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        return value.decode()
    return value
