"""Pictures as a camera driver hands them on: JPEG bytes, or BGR pixels where the rig stores raw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME, DriverContext, Samples, StreamInfo

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"


def camera_info(
    context: DriverContext,
    shape: tuple[int, int],
    *,
    rate_hz: float,
    device: str,
    regular: bool = False,
    properties: dict[str, str] | None = None,
) -> StreamInfo:
    """Describe a camera whose pictures have ``shape`` (height, width)."""
    return StreamInfo(
        name=context.stream,
        kind="camera",
        encoding="array" if context.store == "raw" else "jpeg",
        dtype="|u1",
        shape=(*shape, 3),
        rate_hz=rate_hz,
        regular=regular,
        device=device,
        worn_on=context.worn_on,
        properties=properties or {},
    )


def to_payload(image: NDArray[np.uint8], store: str, quality: int) -> Any:
    """Return a BGR picture (H, W, 3) as one row of :class:`Samples`: itself, or its JPEG bytes."""
    if store == "raw":
        return image
    import cv2

    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def decoded(jpeg: bytes) -> NDArray[np.uint8] | None:
    """Return the BGR picture (H, W, 3) of JPEG bytes, or None where they are none."""
    import cv2

    if not jpeg.startswith(JPEG_START):
        return None
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)  # type: ignore[return-value]


def one_picture(
    payload: Any, seq: int, time_host: int, time_device: int = NO_TIME, lost: dict[str, int] | None = None
) -> Samples:
    """Wrap one picture (pixels or JPEG bytes) as samples."""
    return Samples(
        data=(payload,) if isinstance(payload, bytes) else payload[None],
        time_host=np.array([time_host], np.int64),
        time_device=np.array([time_device], np.int64),
        seq=np.array([seq], np.uint64),
        lost=lost or {},
    )
