"""Which streams fell silent, and are back."""

from __future__ import annotations

from collections.abc import Collection

from drivers.base import Batch, StreamInfo
from recordings.pulse import Pulse


class Silence:
    """Watches the pulses of all streams; time is given in, for tests.

    Attributes:
        streams: those that are silent now.
    """

    def __init__(self) -> None:
        self.streams: set[str] = set()
        self._pulses: dict[str, Pulse] = {}

    def announced(self, info: StreamInfo, now_s: float) -> None:
        """A stream began, or began again."""
        self._pulses.setdefault(info.name, Pulse(info, now_s))

    def take(self, batch: Batch, now_s: float) -> None:
        """Take note of a batch of a stream that was announced."""
        self._pulses[batch.stream].take(batch, now_s)

    def sent(self, stream: str) -> None:
        """A stream did send, though nothing arrived, or ended in order: it is not silent."""
        self.streams.discard(stream)

    def of(self, stream: str) -> Pulse | None:
        """Return the pulse of a stream; None: it was not announced."""
        return self._pulses.get(stream)

    def news(self, watched: Collection[str], now_s: float) -> list[tuple[str, str]]:
        """Return what changed since the last call: a stream and words each.

        Args:
            watched: streams that should send; of others nothing is told.
        """
        found = []
        for name, pulse in self._pulses.items():
            silent_s = pulse.silent_s(now_s) if name in watched else 0.0
            if bool(silent_s) != (name in self.streams):
                if silent_s or name in watched:
                    words = f"{name}: silent since {silent_s:.1f} s" if silent_s else f"{name}: sends again"
                    found.append((name, words))
                self.streams ^= {name}
        return found
