"""Where the hands are in each picture of a recording."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fusion.features.cache import Seen
from fusion.features.offline import decode
from fusion.features.vision import best_person, keypoints_of, skeleton_of
from fusion.skeletons import BODY20, to_body20
from fusion.vision.base import FrontEnd

if TYPE_CHECKING:
    from recordings.latency.streams import Span
    from recordings.stream_reader import StreamReader

LEAST_SCORE = 0.3
"""A joint that is seen less surely is not seen."""


@dataclasses.dataclass(frozen=True)
class Hands:
    """The hands of the person in F pictures.

    Attributes:
        time: (F,) s of session time, increasing.
        left, right: (F, 2) px, NaN where not seen; the wrists, where the front end finds no hands.
    """

    time: NDArray[np.float64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]


def seen_in(
    camera: StreamReader,
    eyes: FrontEnd,
    span: Span,
    seen: dict[int, Seen] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Hands:
    """Look at the pictures of a camera.

    Args:
        camera: its stream.
        eyes: the front end; it is reset first.
        span: session time from and to, ns.
        seen: what was seen before, by time; what is seen now is added.
        progress: called with the fraction done.
    """
    seen = {} if seen is None else seen
    eyes.reset()
    times = camera.stamps["time"].astype(np.int64)
    first, last = (int(i) for i in np.searchsorted(times, span))
    rows: list[NDArray[np.float32] | None] = []
    for i in range(first, last):
        time = int(times[i])
        if time not in seen:
            picture = camera.data[i] if camera.info.encoding == "array" else camera.picture(i)
            person = best_person(eyes(decode(picture), time))
            seen[time] = (
                (None, None)
                if person is None
                else (keypoints_of(person), np.asarray(person.peaks, np.float32))
            )
        rows.append(seen[time][0])
        if progress is not None:
            progress((i + 1 - first) / (last - first))
    return _hands(times[first:last], rows, eyes.skeleton)


def stored_in(stream: StreamReader, span: Span) -> Hands:
    """Return the hands of a recorded stream of key points, where no pictures were kept."""
    times = stream.stamps["time"].astype(np.int64)
    first, last = (int(i) for i in np.searchsorted(times, span))
    rows = list(np.asarray(stream.data[first:last], np.float32))
    return _hands(times[first:last], rows, skeleton_of(stream.info))


def _hands(
    times: NDArray[np.int64], rows: Sequence[NDArray[np.float32] | None], skeleton: Sequence[str]
) -> Hands:
    matrix, known = to_body20(tuple(skeleton))
    both = []
    for side in ("left", "right"):
        joint = BODY20.index(f"{side}_hand")
        if not known[joint]:
            joint = BODY20.index(f"{side}_wrist")
        recipe = np.asarray(matrix, np.float64)[joint]
        used = recipe != 0
        places = np.full((len(rows), 2), np.nan)
        for number, row in enumerate(rows):
            if row is not None and np.isfinite(row[used, :3]).all() and row[used, 2].min() >= LEAST_SCORE:
                places[number] = recipe[used] @ row[used, 0:2].astype(np.float64)
        both.append(places)
    return Hands(times.astype(np.float64) * 1e-9, both[0], both[1])
