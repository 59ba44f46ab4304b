"""What every microphone says of itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivers.base import DriverContext, Samples, StreamInfo


def sound_info(
    context: DriverContext,
    channels: int | tuple[int, ...],
    rate_hz: float,
    *,
    dtype: str,
    device: str,
    properties: dict[str, str] | None = None,
) -> StreamInfo:
    """Describe a microphone: rows of (channels,), ``<f4`` in -1..1 or ``<i2``, stamped by block.

    Args:
        channels: how many, or which of the device's.
    """
    which = tuple(range(channels)) if isinstance(channels, int) else channels
    return StreamInfo(
        name=context.stream,
        kind="audio",
        dtype=dtype,
        shape=(len(which),),
        channels=tuple(f"channel_{index}" for index in which),
        units=("1",) * len(which),
        rate_hz=rate_hz,
        regular=True,
        stamping="block",
        device=device,
        worn_on=context.worn_on,
        properties=properties or {},
    )


def one_block(
    data: NDArray[np.generic], seq: int, time_host: int, time_device: int, lost: dict[str, int]
) -> Samples:
    """Wrap a block (R, channels); the times are those of its first row."""
    return Samples(
        data=data,
        time_host=np.array([time_host], np.int64),
        time_device=np.array([time_device], np.int64),
        seq=np.array([seq], np.uint64),
        lost=lost,
    )
