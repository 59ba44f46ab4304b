"""One upload: what is known of it, why one is not taken, and its bytes as they come."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from drivers.errors import ChorusError

SILENT_S = 30.0
"""An upload that sends nothing for so long is given up."""
DRAIN = 2 << 20
"""Of what follows a refusal, so much is read, bytes, so that the sender hears why."""


class Refused(ChorusError):
    """An upload is not taken; ``status`` is that of HTTP."""

    def __init__(self, status: int, what: str, *, mend: str) -> None:
        super().__init__(what, mend=mend)
        self.status = status


class Made(msgspec.Struct):
    """A file that came of an upload; ``path`` is relative to its folder."""

    name: str
    path: str
    bytes: int


class Upload(msgspec.Struct):
    """An upload.

    Attributes:
        id: random; names its folder.
        name: to show.
        state: receiving, waiting, running, done, failed or cancelled.
        progress: fraction done of what it does now.
        what: why it failed.
        began: unix time, s.
        files: what came of it.
        summary: figures.
    """

    id: str
    name: str
    state: str = "receiving"
    progress: float = 0.0
    frames: int = 0
    what: str = ""
    began: float = msgspec.field(default_factory=time.time)
    files: list[Made] = []
    summary: dict[str, Any] = {}


async def lively(body: AsyncIterator[bytes], name: str) -> AsyncIterator[bytes]:
    """Yield what comes, and give up a sender that falls silent.

    Raises:
        Refused: it fell silent.
    """
    while True:
        try:
            async with asyncio.timeout(SILENT_S):
                chunk = await anext(body)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Refused(408, f"{name} stopped coming", mend="Send it again") from None
        yield chunk


async def drain(body: AsyncIterator[bytes]) -> None:
    """Read a little of what follows."""
    left = DRAIN
    with contextlib.suppress(TimeoutError, StopAsyncIteration):
        async with asyncio.timeout(2.0):
            while left > 0:
                left -= len(await anext(body))
