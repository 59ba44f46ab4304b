"""The bus: many publishers, one hub, many subscribers. ``docs/wire.md`` is its specification.

::

    Publisher ──d/ v/ p/ a/ e/──> XSUB [Hub] XPUB ──> Subscriber (recorder, live engine, page)
        └────── hello, probes, resends ───> ROUTER <────── hello, resend requests ──┘
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drivers.bus.hub import Hub
    from drivers.bus.publisher import Publisher
    from drivers.bus.session import SessionInfo
    from drivers.bus.subscriber import Subscriber

__all__ = ["Hub", "Publisher", "SessionInfo", "Subscriber"]


def __getattr__(name: str) -> Any:
    # Late, so that the message types can be had without ZeroMQ.
    if name == "Hub":
        from drivers.bus.hub import Hub

        return Hub
    if name == "Publisher":
        from drivers.bus.publisher import Publisher

        return Publisher
    if name == "Subscriber":
        from drivers.bus.subscriber import Subscriber

        return Subscriber
    if name == "SessionInfo":
        from drivers.bus.session import SessionInfo

        return SessionInfo
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
