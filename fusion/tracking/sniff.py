"""What a file is, by its first bytes: names tell nothing."""

from __future__ import annotations

import re

HEAD = 64
"""Bytes that tell."""
KINDS = "MP4, MOV, MKV, WebM or AVI video, or JPEG, PNG, WebP or BMP picture"

_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
"""Of ISO 14496-12 and QuickTime: one of them begins a file."""


def suffix_of(head: bytes) -> str | None:
    """Return the suffix of a video or picture that begins with these bytes; None where it is neither.

    >>> suffix_of(b"just words")
    """
    if head[4:8] in _BOXES:
        brand = head[8:12]
        if brand in (b"heic", b"heix", b"mif1", b"avif"):
            return None
        return ".mov" if brand == b"qt  " or head[4:8] != b"ftyp" else ".mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):  # EBML
        return ".mkv"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return ".avi"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return ".webp"
    if head.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ".png"
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return ".bmp"
    return None


def shown_name(name: str) -> str:
    """Return a name to show: its last part, printable, at most 100 characters. It never becomes a path."""
    last = re.split(r"[/\\]", name)[-1]
    clean = "".join(letter for letter in last if letter.isprintable()).strip(" .")
    return clean[-100:] or "upload"
