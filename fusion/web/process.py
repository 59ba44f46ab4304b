"""The page's server as a process: of the engine (fed through standard input), or of ``chorus serve``."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
from typing import Any

import msgspec
import uvicorn

from drivers.errors import BusError, ChorusError
from drivers.private import forbid_dumps
from fusion.web.config import PageConfig
from fusion.web.frames import read_frame
from fusion.web.server import Page
from fusion.web.state import LiveState

NICE = 5
"""What is shown may come a little later; what is tracked and recorded may not."""


def listen(config: PageConfig) -> socket.socket:
    """Return the socket that the page listens on.

    Raises:
        BusError: the address is taken, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host.strip("[]"), config.port))
    except OSError as error:
        listener.close()
        raise BusError(
            f"the page cannot listen on {config.host}:{config.port}: {error.strerror or error}",
            mend="Choose another port, or 0 for any that is free",
        ) from error
    listener.listen(128)
    listener.set_inheritable(False)
    return listener


def address_of(config: PageConfig, port: int, token: str | None) -> str:
    """Return what to open in a browser."""
    host = config.host
    if host in ("0.0.0.0", "::", "[::]"):
        host = socket.gethostname()
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"http://{host}:{port}/" + (f"?token={token}" if token else "")


def serve(page: Page) -> uvicorn.Server:
    """Return the server, to be run with ``server.run(sockets=[listener])``."""
    return uvicorn.Server(
        uvicorn.Config(
            page.app,  # type: ignore[arg-type]
            ws="wsproto",
            ws_max_size=4096,
            ws_per_message_deflate=False,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=3,
            limit_concurrency=200,
        )
    )


def main() -> int:
    """Serve what the engine's process sends, until it closes standard input; return the exit status."""
    pipe = sys.stdin.buffer
    try:
        config = msgspec.json.decode(pipe.readline(), type=PageConfig)
        if config.live is not None and config.live.private:
            forbid_dumps()
        listener = listen(config)
    except ChorusError as error:
        _tell({"what": error.what, "mend": error.mend})
        return 1
    state = LiveState()
    page = Page(config, state, _want, _choose)
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)  # Linux: of this thread and those it starts from now on
    server = serve(page)
    threading.Thread(target=_feed, args=(pipe, state, server), name="feed", daemon=True).start()
    _tell({"url": address_of(config, listener.getsockname()[1], page.token)})
    server.run(sockets=[listener])
    return 0


def _feed(pipe: Any, state: LiveState, server: uvicorn.Server) -> None:
    while (message := read_frame(pipe)) is not None:
        state.update(message)
    state.ended = True
    server.should_exit = True


def _want(viewers: bool, pictures: bool, heatmaps: bool) -> None:
    _tell({"want": {"viewers": viewers, "pictures": pictures, "heatmaps": heatmaps}})


def _choose(person: int | None) -> None:
    _tell({"wearer": person})


def _tell(message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        print(json.dumps(message), flush=True)


if __name__ == "__main__":
    sys.exit(main())
