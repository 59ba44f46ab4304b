"""Uploads over HTTP."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.requests import ClientDisconnect

from fusion.web.upload import Refused, Upload
from fusion.web.uploads import Uploads

TYPES: dict[str, str] = {
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".zip": "application/zip",
}
NO_STORE = {"cache-control": "no-store"}


def add_uploads(app: FastAPI, uploads: Uploads) -> None:
    """Add the routes of uploads to an application."""

    @app.post("/api/uploads")
    async def receive(request: Request) -> Response:
        name = request.query_params.get("name", "")[:500]
        length = request.headers.get("content-length", "")
        try:
            announced = int(length) if length.isdecimal() else None
            upload = await uploads.receive(name, announced, request.stream())  # type: ignore[arg-type]
        except ClientDisconnect:
            return _words(400, "it broke off on its way")
        except Refused as error:
            return _words(error.status, str(error))
        return _json(_public(upload), 201)

    @app.get("/api/uploads")
    async def listing() -> Response:
        return _json([_public(upload) for upload in uploads.listing()])

    @app.get("/api/uploads/{key}")
    async def one(key: str) -> Response:
        return _json(_public(uploads.get(key)))

    @app.delete("/api/uploads/{key}")
    async def delete(key: str) -> Response:
        await uploads.delete(key)
        return _json({})

    @app.get("/api/uploads/{key}/files/{number}")
    async def file(key: str, number: int, download: bool = False) -> Response:
        path, made = uploads.path_of(key, number)
        if not path.is_file():
            raise Refused(404, f"{made.name} is gone", mend="It was deleted")
        return FileResponse(
            path,
            media_type=TYPES.get(path.suffix, "application/octet-stream"),
            filename=made.name,
            content_disposition_type="attachment" if download else "inline",
            headers=NO_STORE,
        )

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return _words(error.status, str(error))


def _public(upload: Upload) -> dict[str, Any]:
    told = msgspec.to_builtins(upload)
    told["files"] = [
        {"name": made["name"], "bytes": made["bytes"], "url": f"/api/uploads/{upload.id}/files/{number}"}
        for number, made in enumerate(told["files"])
    ]
    return told


def _words(status: int, words: str) -> Response:
    return JSONResponse({"error": words}, status, NO_STORE)


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, NO_STORE, "application/json")
