"""The same picture again and again: a camera that hangs, a gateway that repeats its last picture.

No two pictures of a scene are equal to the last bit, however still it is: a sensor has noise, and JPEG keeps
some of it. Encoders of video leave out what changed too little, so that a still scene may well decode to
equal pictures until the next key frame; there the patience is longer. The other way round they make unequal
pictures of equal ones: a camera that hangs before such an encoder can't be told from a still scene.

Frozen pictures are stored like all others: they did come, and an alarm that was false costs nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.bus.messages import FAULTY, MENDED
from drivers.camera.picture import Picture
from drivers.camera.pictures import JPEG_START, jpeg_pixels

FROZEN_S = 1.0
"""Default patience for pictures that stand alone, s."""
FROZEN_VIDEO_S = 10.0
"""Default patience for pictures decoded from video, s: cameras send a key frame every 1 to 10 s."""
LEAST = 15
"""Equal pictures: cameras repeat a few to keep their rate in dim light."""
_COARSE = 8
"""Every eighth row and column are compared first."""


class FrozenWatch:
    """Watches the pictures of one stream.

    Args:
        stream: its name, for the events.
        patience_s: for how long they may be equal, s; 0: for ever.

    Attributes:
        frozen: the newest picture is one of a run of equal ones that is too long.
    """

    def __init__(self, stream: str, patience_s: float) -> None:
        self.frozen = False
        self._stream, self._patience_ns = stream, round(patience_s * 1e9)
        self._last: Any = None
        self._since, self._equal = 0, 0  # arrival of the run's first picture, and how many are equal to it
        self._events: list[tuple[int, str, str]] = []

    def see(self, picture: Picture) -> None:
        """Take note of a picture."""
        if not self._patience_ns:
            return
        last, self._last = self._last, picture.payload
        if last is not None and same(last, picture.payload):
            self._equal += 1
            lasts = picture.time_host - self._since
            if not self.frozen and self._equal >= LEAST and lasts >= self._patience_ns:
                self.frozen = True
                self._tell(picture, FAULTY, f"sends the same picture since {lasts / 1e9:.1f} s")
            return
        if self.frozen:
            lasted = (picture.time_host - self._since) / 1e9
            words = f"sends new pictures again, after {self._equal + 1} equal ones in {lasted:.1f} s"
            self._tell(picture, MENDED, words)
        self.frozen = False
        self._since, self._equal = picture.time_host, 0

    def events(self) -> list[tuple[int, str, str]]:
        """Return what happened since the last call; see :meth:`drivers.base.Driver.events`."""
        events, self._events = self._events, []
        return events

    def _tell(self, picture: Picture, kind: str, words: str) -> None:
        self._events.append((picture.time_host, kind, f"{self._stream}: {words}"))


def same(one: Any, other: Any) -> bool:
    """Whether two pictures are equal to the last bit; what a JPEG says beside its pixels does not count."""
    if isinstance(one, bytes) != isinstance(other, bytes):
        return False
    if not isinstance(one, bytes):
        coarse = (slice(None, None, _COARSE), slice(None, None, _COARSE))
        return (
            one.shape == other.shape
            and bool(np.array_equal(one[coarse], other[coarse]))
            and bool(np.array_equal(one, other))
        )
    if one == other:
        return True
    # Some cameras write the time into a comment.
    return one.startswith(JPEG_START) and jpeg_pixels(one) == jpeg_pixels(other)
