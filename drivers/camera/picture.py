"""One picture on its way from a live source to the driver's reader."""

from __future__ import annotations

from typing import Any, NamedTuple

from drivers.base import NO_TIME


class Picture(NamedTuple):
    """One picture of a source.

    Attributes:
        payload: JPEG bytes, or pixels: BGR (H, W, 3).
        time_host: arrival of its last byte, ns.
        time_device: the camera's own clock, ns, or NO_TIME.
        damaged: pictures refused just before it.
        number: the source's own count of its pictures, or None.
    """

    payload: Any
    time_host: int
    time_device: int = NO_TIME
    damaged: int = 0
    number: int | None = None
