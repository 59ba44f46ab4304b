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


MAX_PIXELS = 64 << 20
"""Of a picture that is decoded: 8K has half as many. A header of few bytes can promise 4 295 million."""


def jpeg_size(jpeg: bytes) -> tuple[int, int] | None:
    """Return (height, width) as the header of a JPEG promises them, or None where it is none.

    Nothing is decoded: markers are followed to the start of frame (ITU-T T.81, B.2.2).
    """
    if not jpeg.startswith(JPEG_START):
        return None
    at = len(JPEG_START)
    while at + 9 <= len(jpeg) and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker == 0xFF:  # fill
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers without a segment
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(jpeg[at + 5 : at + 7]), int.from_bytes(jpeg[at + 7 : at + 9])
        elif marker in (0xD9, 0xDA):  # the end, or pixels, without a frame
            return None
        else:
            at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return None


def jpeg_pixels(jpeg: bytes) -> bytes:
    """Return a JPEG from its first scan on: what is in its header, such as a comment, is left away."""
    at = len(JPEG_START)
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] != 0xDA:
        alone = jpeg[at + 1] in (0x01, 0xFF) or 0xD0 <= jpeg[at + 1] <= 0xD9
        at += 1 if jpeg[at + 1] == 0xFF else 2 if alone else 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return jpeg[at:]


def decoded(jpeg: bytes) -> NDArray[np.uint8] | None:
    """Return the BGR picture (H, W, 3) of JPEG bytes.

    None where they are no JPEG (other formats are not even tried), or promise more than :data:`MAX_PIXELS`.
    """
    import cv2

    size = jpeg_size(jpeg)
    if size is None or not 0 < size[0] * size[1] <= MAX_PIXELS:
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
