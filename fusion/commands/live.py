"""``chorus live ...`` is ``live.py ...``."""

from __future__ import annotations


def main(argv: list[str], program: str) -> int:
    from fusion.tracking.live import main as live

    return live(argv, program)
