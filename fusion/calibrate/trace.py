"""What one IMU measured, from a session or live: the input of all calibrations of IMUs."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME, StreamInfo
from drivers.errors import CalibrationError
from fusion.inertial.features import InertialReader
from recordings.reader import Recording

Array = NDArray[np.float64]

_QUATERNION = ("orientation_x", "orientation_y", "orientation_z", "orientation_w")


@dataclasses.dataclass(frozen=True)
class ImuTrace:
    """Rows of one sensor in its own frame.

    Attributes:
        name: of the stream.
        worn_on: place on the body, or empty.
        rate_hz: nominal rows per second; 0 where the device has none.
        time: (N,) s of session time.
        force: (N, 3) specific force, m/s².
        rate: (N, 3) angular rate, rad/s.
        field: (N, 3) magnetic field, uT, or None.
        quaternion: (N, 4) xyzw, sensor -> world, as the device computes it, or None.
        seq: (N,) row numbers.
        time_device: (N,) int64 ns on the device's own clock, or None.
        device: what it is.
    """

    name: str
    worn_on: str
    rate_hz: float
    time: Array
    force: Array
    rate: Array
    field: Array | None = None
    quaternion: Array | None = None
    seq: NDArray[np.uint64] | None = None
    time_device: NDArray[np.int64] | None = None
    device: str = ""

    def __len__(self) -> int:
        return len(self.time)

    @property
    def step_s(self) -> float:
        """Time from row to row, s: the median, or what the nominal rate says."""
        if len(self.time) > 2:
            return max(1e-6, float(np.median(np.diff(self.time))))
        return 1.0 / self.rate_hz if self.rate_hz else 0.01

    def between(self, start: float, stop: float) -> ImuTrace:
        """Return the rows with start <= time < stop, s."""
        low, high = np.searchsorted(self.time, [start, stop])
        cut = slice(int(low), int(high))
        parts = {
            name: None if (value := getattr(self, name)) is None else value[cut]
            for name in ("time", "force", "rate", "field", "quaternion", "seq", "time_device")
        }
        return dataclasses.replace(self, **parts)


def trace_of(
    info: StreamInfo, rows: NDArray[Any], stamps: NDArray[Any], *, corrected: bool = True
) -> ImuTrace:
    """Return the trace of rows (N, C) with stamps (N,) of ``drivers.base.STAMP``.

    Args:
        corrected: apply the calibration of the sensor's own errors that the stream carries; never the
            alignment to a bone.

    Raises:
        ConfigError: the stream sends no specific force or angular rate, or an unknown unit.
    """
    kept = {
        name: value
        for name, value in info.properties.items()
        if name != "alignment" and (corrected or name != "inertial")
    }
    reader = InertialReader(msgspec.structs.replace(info, properties=kept))
    force, rate, field = reader.triads(rows)
    names = list(info.channels)
    quaternion = None
    if all(name in names for name in _QUATERNION):
        quaternion = np.asarray(rows, np.float64)[:, [names.index(name) for name in _QUATERNION]]
    device = stamps["time_device"].astype(np.int64)
    return ImuTrace(
        name=info.name,
        worn_on=info.worn_on,
        rate_hz=info.rate_hz,
        time=stamps["time"] * 1e-9,
        force=force,
        rate=rate,
        field=field,
        quaternion=quaternion,
        seq=stamps["seq"],
        time_device=None if (device == NO_TIME).any() or not len(device) else device,
        device=info.device,
    )


def traces_of(recording: Recording, stream: str = "", *, corrected: bool = True) -> dict[str, ImuTrace]:
    """Return the traces of a session's IMUs, by stream.

    Args:
        stream: one only.
        corrected: see :func:`trace_of`.

    Raises:
        CalibrationError: the session has no such IMU, or none.
        ConfigError: a stream has no specific force or angular rate, or an unknown unit.
    """
    imus = {name: one for name, one in recording.streams.items() if one.info.kind == "imu" and len(one)}
    if stream and stream not in imus:
        raise CalibrationError(
            f"the session has no IMU '{stream}'", mend=f"Name one of: {', '.join(imus) or 'none is there'}"
        )
    if not imus:
        raise CalibrationError("the session has no IMU", mend="Record one: see configs/rigs")
    chosen = {stream: imus[stream]} if stream else imus
    out = {}
    for name, one in chosen.items():
        batches = list(recording.batches(streams=[name]))
        rows = np.concatenate([np.asarray(batch.data) for batch in batches])
        stamps = np.concatenate([batch.stamps for batch in batches])
        out[name] = trace_of(one.info, rows, stamps, corrected=corrected)
    return out
