"""Talk over the hub's control socket: hello, probes, resends, the end.

Each message is one msgpack frame, an array that begins with the message's tag; ``delivery`` and
``filled`` are followed by the four frames of a bus message. ``docs/wire.md`` has the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from drivers.bus.session import SessionInfo
from drivers.bus.wire import MAX_HEADER, MAX_STREAMS, AnnouncedHeader, Instant, Name, Natural, Text
from drivers.errors import WireError

Identity = Annotated[bytes, msgspec.Meta(max_length=255)]

MAX_LABEL = 200
"""Characters of a mark."""

MAX_WANTED = 64
"""Messages that one request may ask to be sent again."""


class Control(msgspec.Struct, array_like=True, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all control messages."""


# From clients to the hub.


class Hello(Control, tag="hello", frozen=True):
    """First message of a client. ``streams``: those a subscriber wants, None for all."""

    version: Natural
    role: Literal["publisher", "subscriber", "control"]
    host: Text
    stream: Name | None = None
    run: Natural = 0
    streams: Annotated[list[Name], msgspec.Meta(max_length=MAX_STREAMS)] | None = None


class Ask(Control, tag="ask", frozen=True):
    """A clock probe; t0 is the asking host's monotonic time, ns."""

    t0: Instant


class Announce(Control, tag="announce", frozen=True):
    """A publisher's stream, for the hub to tell those who join late."""

    stream: AnnouncedHeader


class Which(Control, tag="which", frozen=True):
    """Which streams are there? The answer is ``listing``."""


class Want(Control, tag="want", frozen=True):
    """Messages ``first`` to ``last`` (both included) did not arrive."""

    stream: Name
    run: Natural
    first: Natural
    last: Natural


class Delivery(Control, tag="delivery", frozen=True):
    """A publisher sends one message again; the message's four frames follow."""

    to: Identity


class Lack(Control, tag="lack", frozen=True):
    """A publisher has these messages no longer."""

    to: Identity
    stream: Name
    run: Natural
    first: Natural
    last: Natural


class Ending(Control, tag="ending", frozen=True):
    """A publisher ended its stream and asks who must know; the answer is ``interested``."""

    stream: Name
    run: Natural


class Done(Control, tag="done", frozen=True):
    """A subscriber has a stream's end and all before it."""

    stream: Name
    run: Natural


class Mark(Control, tag="mark", frozen=True):
    """Somebody's word for a session time, ns; the answer is ``heard``."""

    time: Instant
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LABEL)]
    source: Text


class Bye(Control, tag="bye", frozen=True):
    """A client leaves in good order."""


# From the hub to clients.


class Welcome(Control, tag="welcome", frozen=True):
    """Answer to ``hello``: the session, the two data ports, the streams that are there."""

    version: Natural
    session: SessionInfo
    publish_port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    subscribe_port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    streams: list[AnnouncedHeader]
    stopping: bool


class Refused(Control, tag="refused", frozen=True):
    """Answer to ``hello``: not so."""

    what: Text
    mend: Text


class Told(Control, tag="told", frozen=True):
    """Answer to ``ask``; t1 at receipt, t2 at answer, on the session host's monotonic clock, ns."""

    t0: Instant
    t1: Instant
    t2: Instant
    stopping: bool


class Listing(Control, tag="listing", frozen=True):
    """Answer to ``which``."""

    streams: list[AnnouncedHeader]


class Wanted(Control, tag="wanted", frozen=True):
    """To a publisher: a subscriber wants messages again."""

    who: Identity
    stream: Name
    run: Natural
    first: Natural
    last: Natural


class Filled(Control, tag="filled", frozen=True):
    """To a subscriber: the four frames that follow are a message sent again."""


class Lacking(Control, tag="lacking", frozen=True):
    """To a subscriber: these messages are gone for good."""

    stream: Name
    run: Natural
    first: Natural
    last: Natural


class Interested(Control, tag="interested", frozen=True):
    """To a publisher that ends: these subscribers must know."""

    who: list[Identity]


class Acked(Control, tag="acked", frozen=True):
    """To a publisher that ends: this subscriber has everything."""

    who: Identity


class Silent(Control, tag="silent", frozen=True):
    """To subscribers: a publisher left without an end, or shows no sign of life."""

    stream: Name
    run: Natural
    left: bool


class Marked(Control, tag="marked", frozen=True):
    """To subscribers: somebody marked a moment."""

    time: Instant
    label: Text
    source: Text


class Heard(Control, tag="heard", frozen=True):
    """Answer to ``mark``: so many subscribers were told."""

    listeners: Natural


class Again(Control, tag="again", frozen=True):
    """To a publisher that this hub does not know: say hello again. The hub was started anew."""


class Stop(Control, tag="stop", frozen=True):
    """To publishers: end your streams."""


class Closing(Control, tag="closing", frozen=True):
    """To all: the hub goes."""


FromClient = Hello | Ask | Announce | Which | Want | Delivery | Lack | Ending | Done | Mark | Bye
FromHub = (
    Welcome
    | Refused
    | Told
    | Listing
    | Wanted
    | Filled
    | Lacking
    | Interested
    | Acked
    | Silent
    | Marked
    | Heard
    | Again
    | Stop
    | Closing
)

_encoder = msgspec.msgpack.Encoder()
_from_client = msgspec.msgpack.Decoder(FromClient)
_from_hub = msgspec.msgpack.Decoder(FromHub)

MAX_ASKED = 2 * MAX_HEADER  # bytes of what a client says: an announcement, or very many names of streams
MAX_TOLD = MAX_STREAMS * MAX_HEADER  # bytes of what the hub says: a listing of very many streams


def pack(message: Control) -> bytes:
    """Encode one control message."""
    return _encoder.encode(message)


def from_client(frames: Sequence[bytes]) -> FromClient:
    """Decode what a client sent (identity taken off).

    Raises:
        WireError: it is no control message.
    """
    return _check(frames, _from_client, MAX_ASKED)


def from_hub(frames: Sequence[bytes]) -> FromHub:
    """Decode what the hub sent.

    Raises:
        WireError: it is no control message.
    """
    return _check(frames, _from_hub, MAX_TOLD)


def _check(frames: Sequence[bytes], decoder: msgspec.msgpack.Decoder, limit: int) -> Any:
    try:
        if not frames or len(frames[0]) > limit:
            raise msgspec.DecodeError("no frame, or one too long")
        message = decoder.decode(frames[0])
        if len(frames) != (5 if isinstance(message, Delivery | Filled) else 1):
            raise msgspec.DecodeError(f"{len(frames)} frames")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(
            f"A control message was refused ({error})", mend="Run the same version of Chorus on all hosts"
        ) from error
    return message
