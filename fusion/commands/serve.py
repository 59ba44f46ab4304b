"""``chorus serve``: the page alone, to track videos and pictures that are uploaded in a browser."""

from __future__ import annotations

import contextlib

from fusion.commands.arguments import UsageError, call, check_positive
from fusion.web.config import LOOPBACK, PORT, Limits, PageConfig, check_page


def main(argv: list[str], program: str) -> int:
    return call(serve, argv, program)


def serve(
    host: str = LOOPBACK,
    port: int = PORT,
    name: str = "",
    uploads: str = "sessions/uploads",
    max_mb: float = 512.0,
    max_minutes: float = 30.0,
    keep_hours: float = 24.0,
    vision: str = "blazepose",
    weights: str | None = None,
) -> int:
    """Track videos and pictures that are uploaded in a browser, until Ctrl-C.

    It listens to this machine only; beyond it (--host 0.0.0.0) the address that is printed holds the token
    without which nobody enters. For what a rig sees, chorus live RIG.yaml --web shows the same page and more.

    Args:
        host: address to listen on.
        port: 0 takes any that is free.
        name: a further name that the page is called by, such as the one of a proxy before it.
        uploads: folder of what is uploaded and of what comes of it.
        max_mb: largest file that is taken, MB.
        max_minutes: a file that takes longer to track is given up.
        keep_hours: what came of an upload is deleted after so long.
        vision: front end that finds people in pictures.
        weights: of the fused network; by default those that come with the package.
    """
    check_page(host, port)
    check_positive("--max_mb", max_mb, "MB")
    check_positive("--max_minutes", max_minutes, "minutes")
    check_positive("--keep_hours", keep_hours, "hours")
    from fusion.vision.base import FRONT_ENDS, parse_front_end

    if parse_front_end(vision)[0] not in FRONT_ENDS:
        raise UsageError(f"--vision is '{vision}'", mend=f"Choose one of: {', '.join(sorted(FRONT_ENDS))}")
    config = PageConfig(
        host=host,
        port=port,
        names=(name,) if name else (),
        uploads=uploads,
        limits=Limits(max_mb=max_mb, max_minutes=max_minutes, keep_hours=keep_hours),
        vision=vision,
        weights=weights,
    )
    from fusion.web.process import address_of, listen
    from fusion.web.process import serve as server_of
    from fusion.web.server import Page
    from fusion.web.state import LiveState

    listener = listen(config)
    page = Page(config, LiveState())
    print(f"page at {address_of(config, listener.getsockname()[1], page.token)} (Ctrl-C ends)", flush=True)
    with contextlib.suppress(KeyboardInterrupt):  # raised again when all is closed
        server_of(page).run(sockets=[listener])
    return 0
