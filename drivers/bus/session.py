"""The session that a hub keeps: its identity and the origin of its time."""

from __future__ import annotations

import time
import uuid
from typing import Annotated

import msgspec

from drivers.clock.host import clock_identity

Time = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of a session agree on.

    Attributes:
        id: unique name of the session.
        epoch_ns: zero of session time on the hub host's monotonic clock, ns.
        utc_ns: UTC of the epoch, ns since 1970.
        utc_uncertainty_ns: how far ``utc_ns`` can be off *from this host's own clock of day*; how
            well that clock is set is not known here.
        clock: identity of the hub host's monotonic clock, see
            :func:`drivers.clock.host.clock_identity`.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
    epoch_ns: Time
    utc_ns: Time
    utc_uncertainty_ns: Time
    clock: Annotated[str, msgspec.Meta(max_length=4096)]

    @classmethod
    def begin(cls) -> SessionInfo:
        """Start a session now, on this host's monotonic clock."""
        best: tuple[int, int, int] | None = None
        for _ in range(9):
            before = time.monotonic_ns()
            utc = time.time_ns()
            after = time.monotonic_ns()
            width = after - before
            if best is None or width < best[0]:
                best = (width, (before + after) // 2, utc)
        assert best is not None
        width, epoch, utc = best
        return cls(
            id=uuid.uuid4().hex,
            epoch_ns=epoch,
            utc_ns=utc,
            utc_uncertainty_ns=width // 2 + 1,
            clock=clock_identity(),
        )
