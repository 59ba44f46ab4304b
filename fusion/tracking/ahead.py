"""Work that is done ahead, in a thread of its own: one core reads and another looks, the order stays."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

_WAIT_S = 0.1
"""How long a full or an empty queue is waited for before it is asked whether anybody is left."""


def ahead(items: Iterable[A], work: Callable[[A], B], most: int = 3) -> Iterator[B]:
    """Yield ``work(item)`` of each, in order, worked out up to ``most`` ahead in a thread.

    The items are taken in that thread, too. Whatever either raises is raised here in its turn; who stops
    early ends the thread with the item that it is at.
    """
    done: queue.Queue[tuple[bool, B | BaseException | None]] = queue.Queue(most)
    stop = threading.Event()

    def put(more: bool, value: B | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                done.put((more, value), timeout=_WAIT_S)
                return True
            except queue.Full:
                continue
        return False

    def run() -> None:
        try:
            for item in items:
                if not put(True, work(item)):
                    return
        except BaseException as error:
            put(False, error)
        else:
            put(False, None)

    thread = threading.Thread(target=run, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            more, value = done.get()
            if not more:
                if value is not None:
                    raise value  # type: ignore[misc]
                return
            yield value  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
