"""A rig: one YAML file that says which devices there are and where they are worn.

::

    name: walk
    streams:
      camera:                    # the stream's name
        driver: camera.webcam    # keys that every stream has: driver, worn_on, store,
        device: 0                #   required, remote, latency_ms, calibration
        fps: 30                  # all other keys belong to the driver's own Config
      wrist:
        driver: imu.serial
        worn_on: right_forearm
        port: /dev/ttyUSB0
    bus: {listen: "tcp://127.0.0.1:*"}

Record and live read the same file. Each key is checked against the type it feeds; a key that
nothing reads is refused, never ignored.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from drivers.base import NAME, Driver, DriverContext
from drivers.errors import ChorusError, ConfigError
from drivers.places import PLACES
from drivers.registry import driver_class
from drivers.rig_keys import read_keys
from drivers.typed import build, nearest

_FILE_NAME = re.compile(r"\w[\w .-]{0,99}\Z")

Store = Literal["default", "mjpeg", "h264", "raw", "none"]


@dataclasses.dataclass(frozen=True)
class BusConfig:
    """Where the hub listens.

    Attributes:
        listen: ZeroMQ address of the hub; ``*`` picks a free port.
        insecure: allow an address that other machines reach, in plain text. Without it, the bus there is
            encrypted and lets in this machine's own key and those of ``chorus keys allow``.
        keys: the same for an address that only this machine reaches.
        outage_s: how long a driver goes on, and keeps all it has, while it does not reach the recorder.
        spool: folder of a disk for what its memory does not hold then; by default the user's cache.
    """

    listen: str = "tcp://127.0.0.1:*"
    insecure: bool = False
    keys: bool = False
    outage_s: float = 120.0
    spool: str = ""


@dataclasses.dataclass(frozen=True)
class RecorderConfig:
    """How the recorder writes.

    Attributes:
        sync_s: a power failure loses at most about this much, s: so often the system is told to bring the
            file to the disk; 0 never does. What a crash of the recorder itself loses does not depend on it.
    """

    sync_s: float = 1.0


@dataclasses.dataclass(frozen=True)
class H264Config:
    """How the recorder encodes the pictures of ``store: h264``.

    Attributes:
        preset: of x264: slower makes smaller files.
        crf: constant rate factor, 0 (lossless) to 51: smaller is better and larger.
    """

    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = "veryfast"
    crf: int = 20

    def __post_init__(self) -> None:
        if not 0 <= self.crf <= 51:
            raise ValueError("crf must be 0 to 51")


@dataclasses.dataclass(frozen=True)
class StreamConfig:
    """One stream of a rig.

    Attributes:
        name: name of the stream.
        driver: name of its driver, see :mod:`drivers.registry`.
        worn_on: place on the body, or empty.
        store: how the recorder keeps pictures: as they come, JPEG, H.264, undecoded pixels, or not at all.
        h264: how they are encoded for ``store: h264``.
        required: a session does not start without it.
        remote: another host runs it with ``chorus drive``.
        latency_ms: constant delay of the device, ms, taken off its times; ``chorus calibrate`` finds it.
        calibration: file of :mod:`drivers.calibration`, relative to the current folder or the rig's.
        options: the driver's own Config.
    """

    name: str
    driver: str
    worn_on: str = ""
    store: Store = "default"
    required: bool = True
    remote: bool = False
    latency_ms: float = 0.0
    calibration: str = ""
    h264: H264Config = dataclasses.field(default_factory=H264Config)
    options: Any = None


@dataclasses.dataclass(frozen=True)
class Rig:
    """All that a session needs to know before it starts.

    Attributes:
        name: of the rig; by default the name of the file.
        streams: in the order of the file.
        bus: where the hub listens.
        recorder: how the session is written.
        vision: name of the vision front end.
        subject, task: who and what is recorded; written into the session.
        metadata: further facts of subject and session, by name; written into the session.
        markers: words that a key of the console marks, by the key.
        folder: folder that relative paths of the rig refer to.
        text: the rig as YAML, overrides applied; kept in the session file.
        file: that it was read from.
    """

    name: str
    streams: dict[str, StreamConfig]
    bus: BusConfig = dataclasses.field(default_factory=BusConfig)
    recorder: RecorderConfig = dataclasses.field(default_factory=RecorderConfig)
    vision: str = "blazepose"
    subject: str = ""
    task: str = ""
    metadata: dict[str, Any] = dataclasses.field(default_factory=dict)
    markers: dict[str, str] = dataclasses.field(default_factory=dict)
    folder: str = "."
    text: str = ""
    file: str = ""

    @property
    def private(self) -> tuple[str, ...]:
        """Streams of which nothing may touch a disk, if they are a camera's."""
        return tuple(name for name, stream in self.streams.items() if stream.store == "none")


@dataclasses.dataclass(frozen=True)
class _Head:
    name: str = ""
    vision: str = "blazepose"
    subject: str = ""
    task: str = ""


@dataclasses.dataclass(frozen=True)
class _Common:
    driver: str
    worn_on: str = ""
    store: Store = "default"
    required: bool = True
    remote: bool = False
    latency_ms: float = 0.0
    calibration: str = ""


def load_rig(path: str | Path, overrides: Sequence[str] = ()) -> Rig:
    """Read a rig.

    Args:
        path: the YAML file.
        overrides: ``--streams.camera.fps=30`` each; applied before anything is checked.

    Raises:
        ConfigError: the file cannot be read, or says something that no part understands.
        MissingDependency: a driver it names needs a library that is not installed.
    """
    path = Path(path).expanduser()
    keys = read_keys(path, overrides)
    return _rig(keys.tree, str(path), keys.spoken, folder=str(path.parent), text=keys.text, stem=path.stem)


def hub_options(bus: BusConfig) -> dict[str, Any]:
    """Return the arguments of :class:`drivers.bus.Hub` for a rig."""
    outage_ns = round(bus.outage_s * 1e9)
    return {"listen": bus.listen, "insecure": bus.insecure, "keys": bus.keys, "outage_ns": outage_ns}


def create_driver(rig: Rig, name: str, epoch_ns: int, *, prompt: bool = False) -> Driver[Any]:
    """Make the driver of one stream; it holds nothing until it is opened.

    Args:
        epoch_ns: the session's epoch on this host's monotonic clock, ns.
        prompt: rows are handed on as they come, not gathered.

    Raises:
        ConfigError: the rig has no such stream.
    """
    if name not in rig.streams:
        raise ConfigError(
            f"Rig '{rig.name}' has no stream '{name}'",
            mend=nearest(name, rig.streams, "Streams"),
        )
    stream = rig.streams[name]
    context = DriverContext(
        stream=name,
        worn_on=stream.worn_on,
        epoch_ns=epoch_ns,
        folder=rig.folder,
        store=stream.store,
        prompt=prompt,
    )
    driver = driver_class(stream.driver)
    try:
        return driver(stream.options, context)
    except ChorusError:
        raise
    except Exception as error:  # a driver is other people's code
        raise ConfigError(
            f"{name}: driver '{stream.driver}' cannot be made: {type(error).__name__}: {error}"[:300],
            mend="Report it to the driver's author",
        ) from error


def _rig(
    tree: dict[str, Any], source: str, spoken: dict[str, str], *, folder: str, text: str, stem: str
) -> Rig:
    tree = dict(tree)
    streams = tree.pop("streams", None)
    bus = build(BusConfig, tree.pop("bus", {}), "bus", source, spoken)
    recorder = build(RecorderConfig, tree.pop("recorder", {}), "recorder", source, spoken)
    if not 0 <= recorder.sync_s <= 3600:
        raise ConfigError(f"{source}: recorder.sync_s is {recorder.sync_s:g}", mend="Give seconds, 0 to 3600")
    metadata = _texts(tree.pop("metadata", {}), "metadata", source)
    markers = _markers(_texts(tree.pop("markers", {}), "markers", source), source)
    if not 1 <= bus.outage_s <= 3600:
        raise ConfigError(f"{source}: bus.outage_s is {bus.outage_s:g}", mend="Give seconds, from 1 to 3600")
    head = build(_Head, tree, "", source, spoken, also=("streams", "bus", "recorder", "metadata", "markers"))
    if head.name and not _FILE_NAME.match(head.name):
        raise ConfigError(
            f"{source}: '{head.name[:80]}' cannot name a rig, as its recordings are files of that name",
            mend="Use letters, digits, spaces and . _ -, a letter or digit first, at most 100 characters",
        )
    if not isinstance(streams, dict) or not streams:
        raise ConfigError(
            f"{source} names no streams", mend="Give it a key 'streams' with one entry for each device"
        )
    return Rig(
        name=head.name or stem,
        streams={str(name): _stream(str(name), entry, source, spoken) for name, entry in streams.items()},
        bus=bus,
        recorder=recorder,
        vision=head.vision,
        subject=head.subject,
        task=head.task,
        metadata=metadata,
        markers=markers,
        folder=folder,
        text=text,
        file=source,
    )


def _texts(entry: Any, where: str, source: str) -> dict[str, str]:
    """Return a mapping of names to single values as texts."""
    if not isinstance(entry, dict) or any(
        isinstance(value, dict | list) or value is None for value in entry.values()
    ):
        raise ConfigError(f"{source}: {where} is no list of 'name: value'", mend="Write one a line")
    return {str(name): str(value) for name, value in entry.items()}


def _markers(markers: dict[str, str], source: str) -> dict[str, str]:
    for key, words in markers.items():
        if len(key) != 1 or not key.isprintable() or key in " q":
            raise ConfigError(
                f"{source}: markers.{key[:20]} is no key",
                mend="Use a single letter or digit, not q: it stops",
            )
        if not words.strip() or len(words) > 200:
            raise ConfigError(f"{source}: markers.{key} has no words", mend="Give 1 to 200 characters")
    return markers


def _stream(name: str, entry: Any, source: str, spoken: dict[str, str]) -> StreamConfig:
    where = f"streams.{name}"
    if not NAME.match(name):
        raise ConfigError(
            f"{source}: '{name}' cannot name a stream",
            mend="Use small letters, digits and _, a letter first, at most 63 characters",
        )
    if not isinstance(entry, dict):
        raise ConfigError(f"{source}: {where} holds no keys", mend="Give it at least a 'driver'")
    own = {field.name for field in dataclasses.fields(_Common)}
    common = build(_Common, {key: value for key, value in entry.items() if key in own}, where, source, spoken)
    own.add("h264")
    h264 = build(H264Config, entry.get("h264"), f"{where}.h264", source, spoken)
    if common.worn_on and common.worn_on not in PLACES:
        raise ConfigError(
            f"{source}: {where}.worn_on is '{common.worn_on}', which is no place on the body",
            mend=nearest(common.worn_on, PLACES, "Places"),
        )
    if not -10_000 <= common.latency_ms <= 10_000:
        raise ConfigError(
            f"{source}: {where}.latency_ms is {common.latency_ms}", mend="Give milliseconds, at most 10000"
        )
    try:
        config = driver_class(common.driver).Config
    except ChorusError as error:
        raise type(error)(f"{source}: {where}.driver: {error.what}", mend=error.mend) from error
    options = build(
        config,
        {key: value for key, value in entry.items() if key not in own},
        where,
        source,
        spoken,
        also=own,
    )
    return StreamConfig(name=name, h264=h264, options=options, **dataclasses.asdict(common))
