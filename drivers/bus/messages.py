"""What travels on the bus. See ``docs/wire.md``."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import Batch, StreamInfo


@dataclasses.dataclass(frozen=True, slots=True)
class Announcement:
    """A stream exists and will send; repeated, so that late joiners learn everything."""

    info: StreamInfo


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """A stream ended; these are its totals. It is the last message of a stream.

    A driver that fails sends :class:`Failed` first and then this, so that its rows are counted too;
    a driver that was killed sends neither (the subscriber then makes up a ``Failed``, no ``Ended``).

    Attributes:
        produced: rows the device produced since the stream's first row. To a subscriber that joined
            late: since it joined.
        lost: those of them never published, by reason.
    """

    stream: str
    produced: int
    lost: dict[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Missed:
    """Messages of a stream are gone for good; ``rows`` rows were in them."""

    stream: str
    rows: int
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Failed:
    """A driver gave up; ``error`` is the text of its error, ``fault`` the typed reason."""

    stream: str
    fault: str
    error: str


PROBE = np.dtype([("t0", "<i8"), ("t1", "<i8"), ("t2", "<i8"), ("t3", "<i8")])
"""A clock probe: t0, t3 on the asking host's monotonic clock, t1, t2 on the session host's, ns."""


@dataclasses.dataclass(frozen=True, slots=True)
class Probes:
    """Clock probes between one host and the session clock, for the recorder to keep."""

    host: str
    probes: NDArray[Any]


LOST, BACK = "lost", "back"
"""Kinds of events: the device of a stream (``source``) is gone, at the moment when this was noticed, and why,
told again where the reason changes; it is back, at the time of its first row. The stream goes on between."""

FAULTY, MENDED = "faulty", "mended"
"""Kinds of events: the device of a stream (``source``) sends rows that are no data, and how that shows; it
is in order again. The rows of between are handed on like all others."""


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """Something happened at a session time.

    Attributes:
        time: session time, ns.
        kind: ``"mark"``, ``"label_start"``, ``"label_stop"``, ``"clock"``, ``"device"``, :data:`LOST`,
            :data:`BACK`, :data:`FAULTY`, :data:`MENDED` ...
        label: words.
        source: stream or program it comes from.
    """

    time: int
    kind: str
    label: str
    source: str


Message = Batch | Announcement | Ended | Missed | Failed | Probes | Event
