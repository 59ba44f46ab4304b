"""What a program does to itself so that its threads answer soon."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

import cv2

_SWITCH_S = 0.0005
"""A thread that has something to do gets its turn after so long; Python's own 5 ms are a third of a tick."""


@contextlib.contextmanager
def steady() -> Iterator[None]:
    """Let threads take turns more often, and the collector leave alone what there is when it begins.

    OpenCV does its work in the thread that asks for it: what a picture takes is soon done, and would wait
    for a second thread to get its turn.
    The network, its exporter and LiteRT leave some 300,000 objects, which the collector would go through
    again and again, for a tenth of a second each time, while every thread waits.
    """
    before, threads = sys.getswitchinterval(), cv2.getNumThreads()
    cv2.setNumThreads(1)
    gc.freeze()
    sys.setswitchinterval(_SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
        cv2.setNumThreads(threads)
        gc.unfreeze()
