"""``chorus mark "start squat" [--connect ADDRESS]``: mark this moment in what is being recorded."""

from __future__ import annotations

import time

from fusion.commands.arguments import call


def main(argv: list[str], program: str) -> int:
    now_ns = time.monotonic_ns()  # before anything that takes time

    def mark(words: str, connect: str | None = None) -> int:
        """Mark this moment in the session that is being recorded; all who listen to it are told.

        Args:
            words: what happens now.
            connect: address of the session's bus; without it, that of the one session of this machine.
        """
        from drivers.bus.marker import mark as mark_now
        from drivers.bus.nearby import only

        marked = mark_now(connect or only(), words, now_ns=now_ns)
        if not marked.listeners:
            print("nobody listens to that bus: the mark is in no recording")
            return 1
        print(f"marked at {marked.time * 1e-9:.3f} s, to {marked.bound * 1e-6:.3f} ms")
        return 0

    return call(mark, argv, program)
