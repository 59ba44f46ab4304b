"""``chorus train ...`` is ``train.py ...``."""

from __future__ import annotations


def main(argv: list[str], program: str) -> int:
    from fusion.model.train import main as train

    return train(argv, program)
