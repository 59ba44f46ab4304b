"""One browser that looks: the newest state, as often as it can take it, and never a queue.

A message is sent only while fewer than :data:`IN_FLIGHT` are unanswered: the page says ``ok`` when it has
drawn one. What happens meanwhile is not sent late but left out, so a slow phone sees fewer pictures, each of
now, and costs the others nothing. A message is ``[length of JSON, uint32 little endian][JSON][JPEG][cells of
heatmaps]``.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from fusion.web.state import LiveState

IN_FLIGHT = 2
RATE_HZ = 30.0
SLOW_S = 0.5
"""Health, recorder and the like are sent so often."""
SILENT_S = 30.0
"""A page that says nothing for so long is gone."""


class Show(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a page draws now."""

    picture: bool = True
    heatmap: bool = False
    traces: bool = True


class FromPage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a page says: how many messages it has drawn, or what it shows."""

    ok: int | None = None
    show: Show | None = None


_decode = msgspec.json.Decoder(FromPage).decode
_encode = msgspec.json.Encoder().encode


class Viewer:
    """Serves one WebSocket until it closes.

    Args:
        socket: accepted.
        state: what is live.
        slow: returns what else the page shows (recorder, calibration), sent when it changed.
        allow_pictures: False in privacy mode.
        on_show: called when what it shows changes.
    """

    def __init__(
        self,
        socket: WebSocket,
        state: LiveState,
        slow: Callable[[], dict[str, Any]],
        allow_pictures: bool,
        on_show: Callable[[], None],
    ) -> None:
        self.show = Show(picture=False)
        self.sent = self.drawn = 0
        self._socket, self._state, self._slow = socket, state, slow
        self._allow, self._on_show = allow_pictures, on_show
        self._heard = time.monotonic()
        self._update = self._view = self._heat = self._pose = self._told = 0
        self._timeline = self._events = 0
        self._traces: dict[str, int] = {}
        self._slow_due, self._slow_sent = 0.0, b""

    @property
    def wants_pictures(self) -> bool:
        """Whether it shows the camera's pictures."""
        return self._allow and self.show.picture

    @property
    def wants_heatmaps(self) -> bool:
        """Whether it shows heatmaps."""
        return self.show.heatmap

    async def serve(self) -> None:
        """Send until the page is gone."""
        listener = asyncio.create_task(self._listen())
        sender = asyncio.create_task(self._send())
        _, left = await asyncio.wait({listener, sender}, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        results = await asyncio.gather(listener, sender, return_exceptions=True)
        if self._socket.application_state is WebSocketState.CONNECTED:
            with contextlib.suppress(RuntimeError, OSError, WebSocketDisconnect):
                await asyncio.wait_for(self._socket.close(), 1.0)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect | OSError):
                raise result

    async def _listen(self) -> None:
        while True:
            text = await self._socket.receive_text()
            try:
                said = _decode(text)
            except msgspec.MsgspecError:
                return  # not our page
            self._heard = time.monotonic()
            if said.ok is not None:
                self.drawn = min(max(self.drawn, said.ok), self.sent)
            if said.show is not None:
                self.show = said.show
                self._on_show()

    async def _send(self) -> None:
        while time.monotonic() - self._heard < SILENT_S:
            due = time.monotonic() + 1.0 / RATE_HZ
            if self.sent - self.drawn < IN_FLIGHT:
                message = await self._message()
                if message is not None:
                    self.sent += 1
                    await self._socket.send_bytes(message)
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _message(self) -> bytes | None:
        """Return the newest state, what this page has of it left out, or None where it has all."""
        state, about, tail = self._state, {}, b""
        now = time.monotonic()
        fresh = state.number != self._update
        if fresh:
            self._update = state.number
            tail = await self._live(about)
        if now >= self._slow_due:
            self._slow_due = now + SLOW_S
            slow = {**self._slow(), "health": state.health(), "meter": state.meter, "ended": state.ended}
            encoded = _encode(slow)
            if encoded != self._slow_sent:
                self._slow_sent = encoded
                about["slow"] = slow
        if not about:
            return None
        about["n"], about["now"] = self.sent + 1, state.now_ns() / 1e9
        head = _encode(about)
        return struct.pack("<I", len(head)) + head + tail

    async def _live(self, about: dict[str, Any]) -> bytes:
        state, tail = self._state, b""
        if state.pose_number != self._pose:
            self._pose, about["pose"] = state.pose_number, state.pose
        self._timeline, rows = state.timeline.since(self._timeline)
        if rows:
            about["timeline"] = rows
        self._events, events = state.events.since(self._events)
        if events:
            about["events"] = events
        if state.told_number != self._told:
            self._told, about["told"] = state.told_number, state.told
        if self.show.traces and (traces := state.traces_since(self._traces)):
            about["traces"] = traces
        view = state.view
        if self.wants_pictures and view is not None and view.number != self._view:
            self._view = view.number
            jpeg = await asyncio.to_thread(view.jpeg)
            about["view"] = {**view.about, "bytes": len(jpeg)}
            tail += jpeg
        heat = state.heat
        if self.show.heatmap and heat is not None and state.heat_number != self._heat:
            self._heat = state.heat_number
            about["heat"] = [
                {"shape": one["shape"], "to_picture": one["to_picture"], "bytes": len(one["cells"])}
                for one in heat["maps"]
            ]
            tail += b"".join(one["cells"] for one in heat["maps"])
        return tail
