"""What a driver hands over, checked: drivers are other people's code, and a mistake is told in one line."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from drivers.base import LOSS_REASONS, Samples, StreamInfo
from drivers.errors import DeviceError, Fault


def checked_info(info: Any, stream: str) -> StreamInfo:
    """Return what ``open`` returned, its fields of the right types.

    Raises:
        DeviceError: it is no announcement of a stream.
    """
    if not isinstance(info, StreamInfo):
        raise _mistake(stream, f"open() returned {_name(info)}, not a StreamInfo")
    fields = {field: getattr(info, field) for field in info.__struct_fields__}
    try:
        return msgspec.convert(fields, StreamInfo)
    except msgspec.ValidationError as error:
        raise _mistake(stream, f"open() returned a StreamInfo that is wrong: {error}") from error


def checked_samples(samples: Any, info: StreamInfo) -> Samples | None:
    """Return what ``read`` returned, if it is what the stream announced.

    Raises:
        DeviceError: it is not, naming the part.
    """
    if samples is None:
        return None
    if not isinstance(samples, Samples):
        raise _mistake(info.name, f"read() returned {_name(samples)}, not Samples or None")
    stamps = len(samples) if info.stamping == "row" else min(len(samples), 1)
    for part, kind in (("time_host", "i8"), ("time_device", "i8"), ("seq", "u8")):
        column = getattr(samples, part)
        if not (isinstance(column, np.ndarray) and column.dtype == kind and column.shape == (stamps,)):
            wanted = f"{np.dtype(kind)} of shape ({stamps},)"
            raise _mistake(
                info.name, f"read() returned {len(samples)} rows with {part} {_name(column)}, not {wanted}"
            )
    if info.encoding == "array":
        data, shape = samples.data, info.shape
        if not (isinstance(data, np.ndarray) and data.dtype == info.dtype and data.shape[1:] == shape):
            sides = ", ".join(map(str, ("rows", *shape)))
            raise _mistake(
                info.name, f"read() returned {_name(data)}, not {np.dtype(info.dtype)} of shape ({sides})"
            )
    for reason, rows in samples.lost.items():
        if reason not in LOSS_REASONS or rows < 0:
            raise _mistake(
                info.name,
                f"read() says that {rows!r} rows were lost by {reason!r}, not by {', '.join(LOSS_REASONS)}",
            )
    return samples


def _name(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return "None" if value is None else f"{type(value).__name__} {value!r:.60}"


def _mistake(stream: str, what: str) -> DeviceError:
    return DeviceError(stream, Fault.FAILED, f"its driver's {what}", mend="Report it to the driver's author")
