"""The board in several cameras of a session at the same moments.

Cameras take their pictures at times of their own. At each moment, where a camera's neighbouring pictures both
show the board, its corners are read between them, linearly, so that a board that moves is not in two places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from drivers.errors import CalibrationError
from fusion.calibrate.board import Board, Finder, View

if TYPE_CHECKING:
    from recordings.stream_reader import StreamReader

MOST_MOMENTS = 200
SAME_NS = 1_000_000
"""A picture so near to the moment is taken as it is: in 1 ms a hand moves a millimetre."""
GAP = 1.5
"""Pictures farther apart than so many periods are not read between."""

Told = Callable[[int, int], None]


def moments_of(
    streams: Mapping[str, StreamReader], board: Board, told: Told | None = None
) -> list[dict[str, View]]:
    """Return what each camera sees of the board at moments spread evenly over the session.

    Args:
        streams: cameras with pictures, by name.
        board: what is looked for.
        told: told of moments looked at, of how many.

    Raises:
        CalibrationError: no camera, or not all, ever see it.
    """
    times = {name: stream.times for name, stream in streams.items()}
    slowest = min(times.values(), key=len)
    chosen = slowest[np.unique(np.linspace(0, len(slowest) - 1, min(len(slowest), MOST_MOMENTS)).astype(int))]
    finders = {name: Finder(board) for name in streams}
    seen: list[dict[str, View]] = []
    for number, moment in enumerate(chosen.tolist()):
        at_once = {}
        for name, stream in streams.items():
            view = _at(stream, times[name], moment, finders[name])
            if view is not None:
                at_once[name] = view
        seen.append(at_once)
        if told is not None:
            told(number + 1, len(chosen))
    for name, finder in finders.items():
        if not any(name in at_once for at_once in seen):
            raise CalibrationError(
                f"{name}: the board was found in none of {finder.looked} pictures", mend=finder.why_none()
            )
    return seen


def _at(stream: StreamReader, times: np.ndarray, moment: int, finder: Finder) -> View | None:
    after = int(np.searchsorted(times, moment))
    around = [i for i in (after - 1, after) if 0 <= i < len(times)]
    nearest = min(around, key=lambda i: abs(int(times[i]) - moment))
    if abs(int(times[nearest]) - moment) <= SAME_NS:
        return finder(stream.image(nearest), f"{nearest}", moment)
    period = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    if len(around) < 2 or times[after] - times[after - 1] > GAP * period:
        return None
    views = [finder(stream.image(i), f"{i}", moment) for i in around]
    if views[0] is None or views[1] is None:
        return None
    part = (moment - int(times[after - 1])) / int(times[after] - times[after - 1])
    ids, first, second = np.intersect1d(views[0].ids, views[1].ids, return_indices=True)
    if len(ids) < 6:
        return None
    return View(
        ids, (1 - part) * views[0].pixels[first] + part * views[1].pixels[second], views[0].name, moment
    )
