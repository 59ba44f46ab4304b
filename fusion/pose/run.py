"""Looks at one source from its beginning to its end and writes what it sees.

::

    camera, pictures:  shot ── look ── One-Euro ──────────> writers
    film:              shot ── look ──┐
                               all ── Butterworth ──────────> writers of figures, then
                       shot again ──────────────────────────> writers of pictures
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from drivers.errors import ChorusError, DataError
from fusion.pose.frame import Frame, Seen
from fusion.pose.inputs import Shot, Source, Stop
from fusion.pose.options import PoseOptions
from fusion.pose.outputs import FAILURES, Outputs, failed
from fusion.pose.smoothing import Live, zero_phase
from fusion.pose.writer import Image, Writer
from fusion.tracking.ahead import ahead
from fusion.tracking.people import PeopleTracker
from fusion.vision.base import FrontEnd, Person

COORDINATES = (
    "px: OpenCV's, (0, 0) is the centre of the first pixel; m: from the middle of the hips, x right, y down, "
    "z away from the camera; TRC: mm, y up, z towards the camera"
)

Told = Callable[[str, float, int], None]
"""Is told what is done, the fraction of it, and how many pictures."""


@dataclasses.dataclass(frozen=True)
class Report:
    """What came of a source.

    Attributes:
        folder: of its outputs; None: nothing of it could be read, and there are none.
        frames: pictures that were looked at.
        live: they came from a camera, which Ctrl-C ends.
        seen: those with somebody in them.
        people: how many there were in all.
        seconds: that looking took.
        notes: what was left out, and why.
        trouble: what was wrong with it; what was read is written all the same.
    """

    folder: Path | None
    frames: int
    live: bool
    seen: int
    people: int
    seconds: float
    notes: list[str]
    trouble: ChorusError | None


class Looking:
    """The frames of a source, as a front end sees them.

    Args:
        source: what is looked at.
        eyes: the front end.
        options: how many people, and for how long.
        stop: whether to end early.
    """

    def __init__(self, source: Source, eyes: FrontEnd, options: PoseOptions, stop: Stop) -> None:
        self._source, self._eyes, self._options, self._stop = source, eyes, options, stop
        self._tracker = PeopleTracker(eyes.skeleton) if options.people > 1 and not source.still else None
        self.trouble: ChorusError | None = None
        self.frames = self.seen = self.people = 0
        self._numbers: set[int] = set()
        self.seconds = 0.0

    def __iter__(self) -> Iterator[tuple[Frame, list[tuple[int, Person]], Image]]:
        """Yield each frame, its people with their heatmaps, and the picture.

        Where the source breaks off after pictures came, ``trouble`` says why.
        """
        self._eyes.reset()
        end = None if self._options.duration is None else self._options.duration * 1e9
        shots = self._source.shots(self._stop)
        # A file is read ahead in a thread; a camera has one of its own, and its newest picture is wanted.
        shots = shots if self._source.live else ahead(shots, lambda shot: shot)
        began = time.perf_counter()
        try:
            for shot in shots:
                if self._stop() or (end is not None and shot.time is not None and shot.time >= end):
                    break
                people = self._people(shot)
                seen = tuple(Seen.of(number, person) for number, person in people)
                size = (shot.image.shape[1], shot.image.shape[0])
                frame = Frame(self.frames, shot.name, shot.file, shot.time, size, seen)
                self.frames += 1
                self.seen += bool(seen)
                self._numbers.update(number for number, _ in people)
                self.people = self.people + len(people) if shot.time is None else len(self._numbers)
                self.seconds = time.perf_counter() - began
                yield frame, people, shot.image
        except ChorusError as error:
            if not self.frames:
                raise
            self.trouble = error
        finally:
            close = getattr(shots, "close", None)
            if close is not None:
                close()

    def _people(self, shot: Shot) -> list[tuple[int, Person]]:
        if shot.time is None:
            return list(enumerate(self._eyes.still(shot.image), 1))
        found = self._eyes(shot.image, shot.time)
        if self._tracker is None:
            return list(enumerate(found[:1], 1))
        tracked = self._tracker(shot.time, found, shot.image)
        return [(each.number, each.person) for each in tracked if each.person is not None]


def pose_of(
    source: Source, eyes: FrontEnd, folder: Path, options: PoseOptions, stop: Stop, told: Told
) -> Report:
    """Look at a source and write what it shows into a folder, a new one or an empty one.

    Args:
        source: what is looked at.
        eyes: a front end.
        folder: for the outputs.
        options: choices.
        stop: whether to end early: what was seen until then is written.
        told: is told of the progress.

    Raises:
        DataError: nothing of it could be read.
        RecordingError: an output cannot be written; the others are as whole as they can be.
    """
    outputs = Outputs(folder, source, eyes.skeleton, options)
    looking = Looking(source, eyes, options, stop)
    method = options.smooth
    if method == "auto":
        method = "one-euro" if source.live else "butterworth"
    if source.still:
        method = "none"
    began = time.perf_counter()
    whole = False
    try:
        if method == "butterworth" and not source.live:
            _in_two_passes(source, looking, outputs, options, stop, told)
        else:
            _in_one_pass(source, looking, outputs, Live() if method == "one-euro" else None, told)
        whole = True
    finally:
        notes = outputs.close(failed=not whole)
        trouble = looking.trouble or source.trouble
        if not looking.frames and not stop():  # there is nothing to keep
            outputs.discard()
            if whole and trouble is not None:
                raise trouble
        outputs.summary(
            _figures(source, eyes, options, method, looking, notes, trouble, time.perf_counter() - began)
        )
    if not looking.frames and not stop():
        raise DataError(f"{source.name} holds no pictures", mend="Give one that does")
    return Report(
        folder,
        looking.frames,
        source.live,
        looking.seen,
        looking.people,
        looking.seconds,
        notes,
        trouble,
    )


def _in_one_pass(source: Source, looking: Looking, outputs: Outputs, smooth: Live | None, told: Told) -> None:
    for frame, people, image in looking:
        _look(outputs, frame, people, image)
        _write(outputs, outputs.writers, frame if smooth is None else smooth(frame), image)
        told("looking", _fraction(source, frame), looking.frames)


def _in_two_passes(
    source: Source, looking: Looking, outputs: Outputs, options: PoseOptions, stop: Stop, told: Told
) -> None:
    frames: list[Frame] = []
    for frame, people, image in looking:
        frames.append(frame)
        _look(outputs, frame, people, image)
        told("looking", _fraction(source, frame), looking.frames)
    frames = zero_phase(frames, options.smooth_hz)
    for frame in frames:
        _write(outputs, [each for each in outputs.writers if not each.wants_pictures], frame, None)
    drawing = [each for each in outputs.writers if each.wants_pictures]
    if not drawing or not frames:
        return
    # Ctrl-C while it looked is over; another one, now, ends the drawing.
    stopped = stop()
    again = ahead(source.shots(lambda: not stopped and stop()), lambda shot: shot)
    try:
        for frame, shot in zip(frames, itertools.islice(again, len(frames)), strict=False):
            _write(outputs, drawing, frame, shot.image)
            told("drawing", (frame.number + 1) / len(frames), frame.number + 1)
    finally:
        again.close()  # type: ignore[attr-defined]


def _look(outputs: Outputs, frame: Frame, people: Sequence[tuple[int, Person]], image: Image) -> None:
    for looker in outputs.lookers:
        try:
            looker.look(frame, people, image)
        except FAILURES as error:
            raise failed(outputs.folder, looker.name, error) from error


def _write(outputs: Outputs, writers: Sequence[Writer], frame: Frame, image: Image | None) -> None:
    for writer in writers:
        try:
            writer.take(frame, image)
        except FAILURES as error:
            raise failed(outputs.folder, writer.name, error) from error


def _fraction(source: Source, frame: Frame) -> float:
    if source.count:
        return (frame.number + 1) / source.count
    return frame.time * 1e-9 / source.seconds if source.seconds and frame.time is not None else 0.0


def _figures(
    source: Source,
    eyes: FrontEnd,
    options: PoseOptions,
    method: str,
    looking: Looking,
    notes: Sequence[str],
    trouble: ChorusError | None,
    seconds: float,
) -> dict[str, Any]:
    return {
        "source": source.name,
        "vision": eyes.name,
        "joints": options.skeleton or "of the front end",
        "smoothing": method
        if method != "butterworth"
        else f"butterworth, zero phase, {options.smooth_hz:g} Hz",
        "frames": looking.frames,
        "frames_with_people": looking.seen,
        "people": looking.people,
        "frames_per_s": round(looking.frames / looking.seconds, 1) if looking.seconds else 0.0,
        "seconds": round(seconds, 2),
        "outputs": list(options.outputs),
        "left_out": [*(f"{name}: --privacy" for name in options.withheld), *notes],
        "trouble": "" if trouble is None else str(trouble),
        "coordinates": COORDINATES,
    }
