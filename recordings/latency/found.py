"""A stream's constant latency as it is kept with the session."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import h5py
import numpy as np

from drivers.errors import RecordingError
from recordings import layout


@dataclasses.dataclass(frozen=True)
class Latency:
    """By how much a stream is late, as far as shared events tell.

    Only differences can be known: the reference is right by definition, and its own latency is unknown.

    Attributes:
        latency_ms: the stream's ``time`` is late by this against the reference's; subtract it.
        spread_ms: standard deviation of the single events about it, robust against outliers.
        uncertainty_ms: half width of the 95 % confidence interval of ``latency_ms``: by that spread, the
            number of events, and the shapes of shocks and claps that explain them about as well.
        events: how many agreed.
        reference: name of the stream that was taken as right.
        method: what was compared, e.g. ``shock`` or ``hands meet``.
        chance: probability that events that have nothing to do with each other agree so well.
        time: (events,) session time of each event in the reference, ns.
        residual_ms: (events,) difference of each event, less ``latency_ms``.
    """

    latency_ms: float
    spread_ms: float
    uncertainty_ms: float
    events: int
    reference: str
    method: str
    chance: float
    time: tuple[int, ...] = ()
    residual_ms: tuple[float, ...] = ()

    @property
    def latency_ns(self) -> int:
        """The latency in ns."""
        return round(self.latency_ms * 1e6)


_NUMBERS = ("latency_ms", "spread_ms", "uncertainty_ms", "chance")


def write(group: h5py.Group, latency: Latency) -> None:
    """Keep a latency in the group of its stream, in place of one that was found before.

    Nothing else in the group changes.
    """
    if layout.LATENCY in group:
        del group[layout.LATENCY]
    inner = group.create_group(layout.LATENCY)
    for name in (*_NUMBERS, "events", "reference", "method"):
        inner.attrs[name] = getattr(latency, name)
    inner.create_dataset("time", data=np.array(latency.time, "<i8"))
    inner.create_dataset("residual_ms", data=np.array(latency.residual_ms, "<f8"))


def store(path: Path | str, latencies: dict[str, Latency]) -> None:
    """Keep latencies in a session file, by stream; rows, times and checksums stay as they are.

    Raises:
        RecordingError: the file can't be written to, was not closed in good order, or lacks a stream; then
            it is as it was.
    """
    try:
        with h5py.File(path, "r+") as file:
            if not layout.plain(file.attrs.get("closed", False)):
                raise RecordingError(
                    f"{path} was not closed in good order and is not written to",
                    mend="use what was found with --rig, or --json --store=false",
                )
            groups = {name: layout.subgroup(file, f"{layout.STREAMS}/{name}") for name in latencies}
            for name, group in groups.items():
                write(group, latencies[name])
    except (OSError, KeyError) as error:
        words = " ".join(str(error).split())
        raise RecordingError(
            f"{path} can't be written to ({words})",
            mend="check its permissions, or leave it as it is with --store=false",
        ) from error


def read(group: h5py.Group) -> Latency | None:
    """Return the latency kept in the group of a stream, or None where none was found yet.

    Raises:
        KeyError: part of it is missing.
    """
    if layout.LATENCY not in group:
        return None
    inner = layout.subgroup(group, layout.LATENCY)
    values = {name: layout.plain(value) for name, value in inner.attrs.items()}
    return Latency(
        **{name: float(values[name]) for name in _NUMBERS},
        events=int(values["events"]),
        reference=str(values["reference"]),
        method=str(values["method"]),
        time=tuple(layout.dataset(inner, "time")[:].tolist()),
        residual_ms=tuple(layout.dataset(inner, "residual_ms")[:].tolist()),
    )
