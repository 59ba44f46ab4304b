"""The page's application: its files, the live view, and the buttons. Uploads are in ``routes.py``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import FileResponse, JSONResponse, Response

from drivers.bus.control import MAX_LABEL
from drivers.bus.marker import mark
from drivers.errors import ChorusError
from fusion.skeletons import BODY20, bones
from fusion.web.calibration import Calibration
from fusion.web.config import PageConfig, static_folder
from fusion.web.guard import Guard
from fusion.web.recorder import Recorder
from fusion.web.state import LiveState
from fusion.web.viewer import Viewer

FILES: dict[str, str] = {
    "style.css": "text/css",
    "app.js": "text/javascript",
    "tools.js": "text/javascript",
    "live.js": "text/javascript",
    "picture.js": "text/javascript",
    "body.js": "text/javascript",
    "traces.js": "text/javascript",
    "people.js": "text/javascript",
    "panels.js": "text/javascript",
    "uploads.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""Files of the page by name: nothing else is served, and no name from outside becomes a path."""

MAX_VIEWERS = 32
MAX_BODY = 4096
"""Of what a button sends, bytes."""

T = TypeVar("T")


class MarkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mark: words for this moment."""

    label: str


class WearerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who wears the sensors: a person's number, 0: none of those in view; null: it is found."""

    person: Annotated[int, msgspec.Meta(ge=0)] | None


class CalibrateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A calibration: at a pace of 2, half the time is left for each step."""

    pace: float = 1.0


class Page:
    """The page's application and what it holds.

    Args:
        config: of the page.
        state: what is live.
        on_want: called with whether anybody looks, and at pictures and heatmaps, when that changes.
        on_wearer: called with who was said to wear the sensors, None: it is found.

    Attributes:
        app: to be served: the application behind its guard.
        token: that one enters with, or None.
    """

    def __init__(
        self,
        config: PageConfig,
        state: LiveState,
        on_want: Callable[[bool, bool, bool], None] | None = None,
        on_wearer: Callable[[int | None], None] | None = None,
    ) -> None:
        from fusion.web.routes import add_uploads
        from fusion.web.uploads import Uploads

        self.config, self.state = config, state
        self._on_want, self._on_wearer = on_want, on_wearer
        self._wanted = (False, False, False)
        self._viewers: set[Viewer] = set()
        live = config.live
        self.recorder = Recorder(live, Path(config.sessions)) if live else None
        self.calibration = Calibration(live, self.recorder) if live and self.recorder else None
        self.uploads = Uploads(config)
        inner = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=self._lifespan)
        inner.add_exception_handler(ChorusError, _told)
        self._add_files(inner)
        self._add_live(inner)
        add_uploads(inner, self.uploads)
        self.app = Guard(inner, config)  # type: ignore[arg-type]
        self.token = self.app.token

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        async with self.uploads.running():
            yield
        for part in (self.calibration, self.recorder):
            if part is not None:
                await asyncio.to_thread(part.close)

    # Its files.

    def _add_files(self, app: FastAPI) -> None:
        folder = static_folder()

        @app.get("/")
        async def index() -> Response:
            return FileResponse(folder / "index.html", headers={"cache-control": "no-cache"})

        @app.get("/static/{name}")
        async def static(name: str) -> Response:
            if name not in FILES:
                return _words(404, "there is no such file")
            return FileResponse(folder / name, media_type=FILES[name], headers={"cache-control": "no-cache"})

        @app.get("/api/about")
        async def about() -> Response:
            return _json(self._about())

    def _about(self) -> dict[str, Any]:
        live, limits = self.config.live, self.config.limits
        return {
            "live": None
            if live is None
            else {
                "name": live.name,
                "controls": bool(live.address),
                "private": live.private,
                "people": live.people,
                "actions": live.actions,
                "streams": live.streams,
            },
            "joints": BODY20,
            "bones": bones(BODY20),
            "uploads": {
                "max_bytes": limits.max_bytes,
                "max_minutes": limits.max_minutes,
                "keep_hours": limits.keep_hours,
            },
        }

    # What is live.

    def _add_live(self, app: FastAPI) -> None:
        @app.websocket("/api/live")
        async def live(socket: WebSocket) -> None:
            if self.config.live is None or len(self._viewers) >= MAX_VIEWERS:
                await socket.close(1013)
                return
            await socket.accept()
            viewer = Viewer(socket, self.state, self._slow, not self.config.live.private, self._shown)
            self._viewers.add(viewer)
            self._shown()
            try:
                await viewer.serve()
            finally:
                self._viewers.discard(viewer)
                self._shown()

        @app.post("/api/mark")
        async def mark_now(request: Request) -> Response:
            body = await _body(request, MarkBody)
            if self.config.live is None or not self.config.live.address:
                return _words(409, "There is no session to mark: start chorus live RIG.yaml --web")
            label = " ".join(body.label.split())[:MAX_LABEL] or "marker"
            marked = await asyncio.to_thread(mark, self.config.live.address, label, source="page")
            return _json({"time": marked.time / 1e9, "label": label})

        @app.post("/api/wearer")
        async def wearer(request: Request) -> Response:
            body = await _body(request, WearerBody)
            if self.config.live is None or self.config.live.people == 1 or self._on_wearer is None:
                return _words(409, "One person is followed here: start chorus live with --people=3, say")
            self._on_wearer(body.person)
            return _json({})

        @app.post("/api/record/start")
        async def record() -> Response:
            if self.recorder is None:
                return _words(409, "There is nothing to record: start chorus live RIG.yaml --web")
            return _json({"file": self.recorder.start().name})

        @app.post("/api/record/stop")
        async def stop() -> Response:
            if self.recorder is None:
                return _words(409, "Nothing is being recorded")
            self.recorder.stop()
            return _json({})

        @app.post("/api/calibrate/start")
        async def calibrate(request: Request) -> Response:
            body = await _body(request, CalibrateBody)
            if self.calibration is None:
                return _words(409, "There are no sensors to calibrate: start chorus live RIG.yaml --web")
            if not 0.5 <= body.pace <= 20:
                return _words(422, "The pace is 0.5 to 20")
            await asyncio.to_thread(self.calibration.start, body.pace)
            return _json({})

        @app.post("/api/calibrate/cancel")
        async def cancel() -> Response:
            if self.calibration is not None:
                self.calibration.cancel()
            return _json({})

    def _slow(self) -> dict[str, Any]:
        return {
            "recorder": self.recorder.status if self.recorder else {"phase": "idle"},
            "calibration": self.calibration.status if self.calibration else {"phase": "idle"},
            "viewers": len(self._viewers),
        }

    def _shown(self) -> None:
        wanted = (
            bool(self._viewers),
            any(viewer.wants_pictures for viewer in self._viewers),
            any(viewer.wants_heatmaps for viewer in self._viewers),
        )
        if wanted != self._wanted:
            self._wanted = wanted
            if self._on_want is not None:
                self._on_want(*wanted)


async def _body(request: Request, kind: type[T]) -> T:
    """Return what a button sent; refuse what is too long, or not that.

    Raises:
        BadBody: with the words for it.
    """
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY:
            raise BadBody(f"more than {MAX_BODY} bytes", mend="Send less")
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise BadBody(f"the request is not understood: {error}", mend="See docs/live.md") from None


class BadBody(ChorusError):
    """What a button sent is not what it should be."""


async def _told(_: Request, error: Exception) -> Response:
    status = getattr(error, "status", 422 if isinstance(error, BadBody) else 409)
    return _words(status, str(error))


def _words(status: int, words: str) -> Response:
    return JSONResponse({"error": words}, status, {"cache-control": "no-store"})


def _json(value: Any) -> Response:
    return Response(
        msgspec.json.encode(value), media_type="application/json", headers={"cache-control": "no-store"}
    )
