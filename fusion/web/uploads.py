"""Uploads: taken in within limits, tracked one at a time in a process of their own, kept until they are
deleted.

::

    POST ── first bytes are looked at ── uploads/<random>/upload.mp4 ── job process ── overlay, screenshots,
    CSV ...
             refused: nothing stays          failed, cancelled: nothing stays

No name, path or type from outside is believed: folders are random, kinds are read from the bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from fusion.tracking.sniff import HEAD, KINDS, shown_name, suffix_of
from fusion.web.config import PageConfig
from fusion.web.upload import DRAIN, Made, Refused, Upload, drain, lively

ABOUT = "about.json"
ROOM = 256 << 20
"""Bytes that the disk must still have free."""
CHUNK = 1 << 20
SWEEP_S = 60.0
IDLE_S = 120.0
"""The process that does the jobs is kept for so long after the last: its libraries take seconds to load."""
REMEMBERED = 100
"""Failed uploads whose words are remembered."""


class Uploads:
    """All uploads of a page. To be used in one event loop.

    Args:
        config: of the page.
    """

    def __init__(self, config: PageConfig) -> None:
        self._config, self._limits = config, config.limits
        self._folder = Path(config.uploads)
        self._known: dict[str, Upload] = {}
        self._receiving = 0
        self._queue: asyncio.Queue[Upload] = asyncio.Queue()
        self._job: asyncio.subprocess.Process | None = None
        self._running: Upload | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work on what is uploaded, and delete what is old, while the block runs."""
        await asyncio.to_thread(self._find)
        tasks = [asyncio.create_task(self._work()), asyncio.create_task(self._sweep())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._end_job()
            for upload in list(self._known.values()):
                if upload.state != "done":
                    self._remove(upload)

    def listing(self) -> list[Upload]:
        """Return all, the newest first."""
        return sorted(self._known.values(), key=lambda upload: -upload.began)

    def get(self, key: str) -> Upload:
        """Return one.

        Raises:
            Refused: there is none of that id.
        """
        if key not in self._known:
            raise Refused(404, "there is no such upload", mend="It was deleted, by request or by age")
        return self._known[key]

    def path_of(self, key: str, number: int) -> tuple[Path, Made]:
        """Return a file that came of an upload, by its number.

        Raises:
            Refused: there is none.
        """
        upload = self.get(key)
        if not 0 <= number < len(upload.files):
            raise Refused(404, "there is no such file", mend="Look what the upload lists")
        made = upload.files[number]
        return self._folder / upload.id / made.path, made

    # Receiving.

    async def receive(self, name: str, length: int | None, body: AsyncIterator[bytes]) -> Upload:
        """Take in a file.

        Args:
            name: that its sender gives it; only shown.
            length: bytes that its sender announces; None: not announced.
            body: the bytes.

        Raises:
            Refused: nothing of it was kept.
        """
        upload = Upload(secrets.token_hex(8), shown_name(name))
        refusal = await asyncio.to_thread(self._no_room, upload.name, length)
        if refusal is not None:
            if length is not None and length <= DRAIN:
                await drain(body)
            raise refusal
        self._receiving += 1
        self._known[upload.id] = upload
        folder = self._folder / upload.id
        try:
            await asyncio.to_thread(folder.mkdir, 0o700, True)
            await self._write(upload, folder, length, body)
            if self._queue.qsize() >= self._limits.waiting:
                raise self._busy()
        except BaseException as error:
            self._remove(upload)
            del self._known[upload.id]
            if isinstance(error, OSError):
                raise Refused(
                    507, f"{upload.name} cannot be stored: {error.strerror}", mend="Free some space"
                ) from error
            raise
        finally:
            self._receiving -= 1
        upload.state, upload.progress = "waiting", 0.0
        self._queue.put_nowait(upload)
        return upload

    def _no_room(self, name: str, length: int | None) -> Refused | None:
        """Return why an upload is not even begun, or None."""
        limits = self._limits
        if length == 0:
            return Refused(422, f"{name} is empty", mend=f"Give an {KINDS}")
        if length is not None and length > limits.max_bytes:
            return self._too_large(name, length)
        if self._receiving >= limits.receiving or self._queue.qsize() >= limits.waiting:
            return self._busy()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        expected = limits.max_bytes if length is None else length
        used = sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())
        if used + expected > limits.max_total_mb * 1e6:
            return Refused(507, "uploads have taken all the room that they may", mend="Delete some of them")
        if shutil.disk_usage(self._folder).free < expected + ROOM:
            return Refused(507, "the disk has no room for it", mend="Free some space")
        return None

    def _too_large(self, name: str, size: int) -> Refused:
        return Refused(
            413,
            f"{name} has {size / 1e6:.0f} MB, more than the {self._limits.max_mb:g} MB that are taken",
            mend="Cut it, or make it smaller: ffmpeg -i FILE -vf scale=960:-2 small.mp4",
        )

    def _busy(self) -> Refused:
        return Refused(429, "too many uploads at once", mend="Wait until one is done, and try again")

    async def _write(
        self, upload: Upload, folder: Path, length: int | None, body: AsyncIterator[bytes]
    ) -> None:
        size, held, file = 0, b"", None
        try:
            async for chunk in lively(body, upload.name):
                size += len(chunk)
                held += chunk
                if size > self._limits.max_bytes:
                    raise self._too_large(upload.name, size)
                if file is None and len(held) >= HEAD:
                    file = await self._begin(upload, folder, held, body)
                if file is not None and len(held) >= CHUNK:
                    await asyncio.to_thread(file.write, held)
                    held = b""
                upload.progress = size / length if length else 0.0
            if length is not None and size != length:
                raise Refused(400, f"{upload.name} broke off on its way", mend="Send it again")
            if not size:
                raise Refused(422, f"{upload.name} is empty", mend=f"Give an {KINDS}")
            file = file or await self._begin(upload, folder, held, body)
            await asyncio.to_thread(file.write, held)
        finally:
            if file is not None:
                file.close()

    async def _begin(self, upload: Upload, folder: Path, head: bytes, body: AsyncIterator[bytes]) -> Any:
        suffix = suffix_of(head[:HEAD])
        if suffix is None:
            await drain(body)
            raise Refused(
                415, f"{upload.name} is no video or picture, whatever its name says", mend=f"Give an {KINDS}"
            )
        return await asyncio.to_thread((folder / f"upload{suffix}").open, "xb")

    # Working.

    async def _work(self) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    upload = await self._queue.get()
            except TimeoutError:
                await self._end_job()
                continue
            if upload.state != "waiting":
                continue
            self._running = upload
            try:
                upload.state = "running"
                await self._track(upload)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                upload.what = f"it could not be tracked: {error}"
            self._running = None
            if upload.what or upload.state != "running":
                await asyncio.to_thread(self._remove, upload)  # before anybody is told that it is over
            if upload.state == "running":
                upload.state = "failed" if upload.what else "done"

    async def _track(self, upload: Upload) -> None:
        folder = self._folder / upload.id
        source = next(folder.glob("upload.*"))
        spec = {
            "source": str(source),
            "name": upload.name,
            "output": str(folder / "out"),
            "vision": self._config.vision,
            "weights": self._config.weights,
        }
        told: dict[str, Any] = {}
        job = await self._worker()
        assert job.stdin is not None
        assert job.stdout is not None
        try:
            async with asyncio.timeout(self._limits.max_minutes * 60):
                job.stdin.write(json.dumps(spec).encode() + b"\n")
                while "done" not in told and "error" not in told and (line := await job.stdout.readline()):
                    with contextlib.suppress(ValueError):
                        told = json.loads(line)
                        upload.progress = told.get("progress", upload.progress)
                        upload.frames = told.get("frames", upload.frames)
        except TimeoutError:
            upload.what = (
                f"{upload.name} took longer than the {self._limits.max_minutes:g} minutes it may take"
            )
            await self._end_job()
            return
        if "done" not in told:
            upload.what = told.get("error") or f"{upload.name} could not be tracked: its job broke off"
            return
        upload.files = [Made(**made) for made in told["done"]["files"]]
        upload.summary, upload.progress = told["done"]["summary"], 1.0
        source.unlink()
        kept = msgspec.structs.replace(upload, state="done")
        (folder / ABOUT).write_bytes(msgspec.json.encode(kept))

    async def _worker(self) -> asyncio.subprocess.Process:
        """Return the process that does the jobs, started if there is none."""
        if self._job is None or self._job.returncode is not None:
            self._job = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "fusion.web.job",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
        return self._job

    async def _end_job(self) -> None:
        job, self._job = self._job, None
        if job is None:
            return
        if job.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                job.kill()
            await job.wait()

    # Going.

    async def delete(self, key: str) -> None:
        """Delete an upload and all that came of it; a job that runs is ended first.

        Raises:
            Refused: there is none of that id; or it is still coming in.
        """
        upload = self.get(key)
        if upload.state == "receiving":
            raise Refused(409, f"{upload.name} is still coming in", mend="End that first")
        upload.state = "cancelled" if upload.state in ("waiting", "running") else upload.state
        if self._running is upload:
            await self._end_job()
        await asyncio.to_thread(self._remove, upload)
        self._known.pop(key, None)

    def _remove(self, upload: Upload) -> None:
        upload.files = []
        shutil.rmtree(self._folder / upload.id, ignore_errors=True)

    async def _sweep(self) -> None:
        """Delete what is old."""
        while True:
            await asyncio.sleep(SWEEP_S)
            await self.sweep(time.time())

    async def sweep(self, now: float) -> None:
        """Delete what is older than it may be at unix time ``now``, s."""
        for upload in self.listing():
            over = upload.state in ("done", "failed", "cancelled")
            if over and now - upload.began > self._limits.keep_hours * 3600:
                await asyncio.to_thread(self._remove, upload)
                self._known.pop(upload.id, None)
        failed = [upload for upload in self.listing() if upload.state in ("failed", "cancelled")]
        for upload in failed[REMEMBERED:]:
            self._known.pop(upload.id, None)

    def _find(self) -> None:
        """Know again what an earlier page made, and remove what it left half-done."""
        if not self._folder.is_dir():
            return
        for folder in self._folder.iterdir():
            if not folder.is_dir() or len(folder.name) != 16 or set(folder.name) - set("0123456789abcdef"):
                continue  # not ours
            try:
                upload = msgspec.json.decode((folder / ABOUT).read_bytes(), type=Upload)
                old = time.time() - upload.began > self._limits.keep_hours * 3600
                inside = all(
                    (folder / made.path).resolve().is_relative_to(folder.resolve()) for made in upload.files
                )
                if upload.id != folder.name or old or not inside:
                    raise ValueError(folder.name)
                self._known[upload.id] = upload
            except (OSError, msgspec.MsgspecError, ValueError):
                shutil.rmtree(folder, ignore_errors=True)
