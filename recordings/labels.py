"""Labels: stretches of time with a name, made of pairs of events."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from drivers.bus.messages import Event


@dataclasses.dataclass(frozen=True, order=True)
class Label:
    """A stretch of time with a name.

    Attributes:
        start, stop: session time, ns.
        action: its name.
        who: stream or person that said so.
    """

    start: int
    stop: int
    action: str
    who: str


def labels_of(events: Iterable[Event], end_ns: int) -> list[Label]:
    """Pair ``label_start`` with ``label_stop`` of the same source and name; open ones end at ``end_ns``."""
    labels: list[Label] = []
    begun: dict[tuple[str, str], int] = {}
    for event in sorted(events, key=lambda event: event.time):
        key = (event.source, event.label)
        if event.kind == "label_start":
            begun.setdefault(key, event.time)
        elif event.kind == "label_stop" and key in begun:
            labels.append(Label(begun.pop(key), event.time, event.label, event.source))
    labels += [Label(start, max(end_ns, start), label, who) for (who, label), start in begun.items()]
    return sorted(labels)
