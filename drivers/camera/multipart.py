"""The body of ``multipart/x-mixed-replace``, as IP cameras stream Motion-JPEG: bytes in, pictures out.

::

    --boundary CRLF
    Content-Type: image/jpeg CRLF
    Content-Length: 12345 CRLF          (optional; without it the next boundary ends the part)
    X-Timestamp: 1712345678.123456 CRLF (optional)
    X-Frame-Number: 1234 CRLF           (optional; X-Sequence-Number, X-Sequence: the same)
    CRLF
    JPEG CRLF
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from drivers.base import NO_TIME
from drivers.camera.pictures import JPEG_END, JPEG_START

LARGEST_PICTURE = 32 << 20
"""Bytes; a part that claims or grows to more is refused."""
LARGEST_HEADER = 8 << 10
"""Bytes of one part's header lines."""

NUMBER_FIELDS = ("x-frame-number", "x-sequence-number", "x-sequence")
"""Header fields that count pictures, in small letters."""

_BLANK = re.compile(rb"\r?\n\r?\n")
_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]+)"|([^\s;,]+))', re.IGNORECASE)


class Part(NamedTuple):
    """A picture, the camera's time of it (ns, or NO_TIME), parts refused just before it, and its number."""

    jpeg: bytes
    time_device: int = NO_TIME
    damaged: int = 0
    number: int | None = None


def boundary_of(content_type: str) -> bytes | None:
    """Return the boundary of a Content-Type header, without leading dashes; None where there is none."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/") or found is None:
        return None
    # Some cameras write the dashes into the header too.
    return (found.group(1) or found.group(2)).lstrip("-").encode("latin-1", "replace") or None


class MultipartParser:
    """An incremental parser; memory is bounded by :data:`LARGEST_PICTURE`.

    Args:
        boundary: of :func:`boundary_of`.

    Attributes:
        damaged: parts refused so far: too large, or not a JPEG.
    """

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"--" + boundary
        self._buffer = bytearray()
        self._length: int | None = None
        self._time = NO_TIME
        self._number: int | None = None
        self._in_body = False
        self._searched = 0
        self.damaged = self._told = 0

    def feed(self, data: bytes) -> list[Part]:
        """Parse one chunk and return the pictures that it completed."""
        self._buffer += data
        parts: list[Part] = []
        while self._body(parts) if self._in_body else self._header():
            pass
        return parts

    def _header(self) -> bool:
        """Consume a part's header; False: more bytes are needed."""
        start = self._buffer.find(self._mark)
        if start < 0:
            del self._buffer[: max(0, len(self._buffer) - len(self._mark) + 1)]
            return False
        del self._buffer[:start]
        blank = _BLANK.search(self._buffer, 0, LARGEST_HEADER)
        if blank is None:
            if len(self._buffer) > LARGEST_HEADER:
                self._refuse()
                return True
            return False
        lines = bytes(self._buffer[: blank.start()]).decode("latin-1").splitlines()[1:]
        fields = {
            key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)
        }
        length = fields.get("content-length", "")
        self._length = int(length) if length.isdecimal() and len(length) < 12 else None
        self._time = _stamp(fields.get("x-timestamp", ""))
        numbers = [fields[name] for name in NUMBER_FIELDS if name in fields]
        self._number = int(numbers[0]) if numbers and re.fullmatch("[0-9]{1,18}", numbers[0]) else None
        if self._length is not None and self._length > LARGEST_PICTURE:
            self._refuse()
            return True
        del self._buffer[: blank.end()]
        self._in_body, self._searched = True, 0
        return True

    def _body(self, parts: list[Part]) -> bool:
        """Consume a part's picture; False: more bytes are needed."""
        if self._length is not None:
            if len(self._buffer) < self._length:
                return False
            end = self._length
        else:
            end = self._buffer.find(self._mark, self._searched)
            if end < 0:
                self._searched = max(0, len(self._buffer) - len(self._mark) + 1)
                if len(self._buffer) > LARGEST_PICTURE:
                    self.damaged += 1
                    self._buffer.clear()
                    self._in_body = False
                return False
        body = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._in_body = False
        jpeg = body if self._length is not None else body.rstrip(b"\r\n")
        if jpeg.startswith(JPEG_START) and JPEG_END in jpeg[-64:]:
            parts.append(Part(jpeg, self._time, self.damaged - self._told, self._number))
            self._told = self.damaged
        else:
            self.damaged += 1
        return True

    def _refuse(self) -> None:
        """Skip this boundary: the next one begins a new part."""
        self.damaged += 1
        del self._buffer[: len(self._mark)]


def _stamp(text: str) -> int:
    try:
        seconds = float(text)
    except ValueError:
        return NO_TIME
    return round(seconds * 1e9) if math.isfinite(seconds) and 0 < seconds < 1e10 - 1e9 else NO_TIME
