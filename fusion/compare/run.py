"""The comparison: every picture is shown to every run; what they find is drawn, counted and judged."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.errors import ChorusError, DataError
from fusion.compare.agreement import Agreement
from fusion.compare.runs import Run
from fusion.compare.side import SideBySide
from fusion.pose.inputs import Shot, Source
from fusion.pose.outputs import failed
from fusion.tracking.folder import refuse_taken
from fusion.vision.screenshots import or_nothing
from recordings.importers.annotated import AnnotatedSet

if TYPE_CHECKING:
    from fusion.compare.truth import Judge, Worth


@dataclasses.dataclass
class Compared:
    """What came of it.

    Attributes:
        pictures: looked at.
        people: found by each run.
        seconds: CPU time of each; None of those made elsewhere.
        agreement: of the first run with each of the others.
        worth: of each run against the truth, where there is one for its pictures.
        troubles: what was wrong with parts of the pictures that were left out.
    """

    pictures: int
    people: dict[str, int]
    seconds: dict[str, float | None]
    agreement: dict[str, Agreement]
    worth: dict[str, Worth]
    troubles: list[ChorusError]


def compare(
    sources: Sequence[Source],
    runs: Sequence[Run],
    folder: Path | None,
    *,
    truth: AnnotatedSet | None = None,
    width: int = 640,
    stop: Callable[[], bool] = lambda: False,
    told: Callable[[int], None] = lambda pictures: None,
) -> Compared:
    """Show every picture to every run.

    Args:
        sources: of the pictures.
        runs: two or more.
        folder: a new or an empty one, for the pictures side by side and ``compare.json``; None: nothing is
            written.
        truth: annotated people, found by the names of the pictures' files.
        width: of a picture side by side, px.
        stop: asked at each picture whether to end early.
        told: is told how many pictures were looked at.

    Raises:
        RecordingError: the folder holds something or cannot be written.
        DataError: nothing could be looked at, or no picture is annotated.
        ChorusError: a run cannot be asked.
    """
    names = [run.name for run in runs]
    agreement = {run.name: Agreement(runs[0].skeleton, run.skeleton) for run in runs[1:]}
    judges: dict[str, Judge] = {}
    if truth is not None:  # its metrics need torch
        from fusion.compare.truth import Judge

        judges = {run.name: Judge(run.skeleton, truth.joints) for run in runs}
    annotated = {} if truth is None else {picture.name: picture for picture in truth.pictures}
    if folder is not None:
        refuse_taken(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise failed(folder, "the folder", error) from None
    people, pictures, judged = dict.fromkeys(names, 0), 0, 0
    troubles: list[ChorusError] = []
    for source in sources:
        for run in runs:
            run.reset()
        with contextlib.ExitStack() as stack:
            side = None
            if folder is not None:
                side = stack.enter_context(contextlib.closing(SideBySide(folder, source.name, width)))
            for number, shot in enumerate(_told(source, stop, troubles)):
                found = [(run.name, run.skeleton, run(shot, number)) for run in runs]
                for name, _, seen in found:
                    people[name] += len(seen)
                for name, _, seen in found[1:]:
                    agreement[name].take(found[0][2], seen)
                place = annotated.get(Path(shot.file).name)
                if truth is not None and place is not None:
                    judged += 1
                    for name, _, seen in found:
                        judges[name].take(seen, truth.by_picture.get(place, []))
                if side is not None:
                    side.take(shot.name, shot.time, shot.image, found)
                pictures += 1
                told(pictures)
    if not pictures and troubles:
        raise troubles[0]
    if not pictures:
        raise DataError("there was no picture to compare", mend="Give pictures or a video")
    if truth is not None and not judged:
        raise DataError(
            f"{truth.file.name} annotates none of the pictures", mend="Give the pictures that it names"
        )
    done = Compared(
        pictures,
        people,
        {run.name: run.seconds for run in runs},
        agreement,
        {name: judge.worth for name, judge in judges.items()},
        troubles,
    )
    if folder is not None:
        path = folder / "compare.json"
        try:
            with or_nothing(path):
                path.write_text(json.dumps(as_json(done, names), indent=1) + "\n", "utf-8")
        except OSError as error:
            raise failed(folder, path.name, error) from error
    return done


def _told(source: Source, stop: Callable[[], bool], troubles: list[ChorusError]) -> Iterator[Shot]:
    """Yield the pictures of a source; what is wrong with it is added to the troubles."""
    try:
        yield from source.shots(stop)
    except ChorusError as error:
        troubles.append(error)
    else:
        if source.trouble is not None:
            troubles.append(source.trouble)


def as_json(done: Compared, names: Sequence[str]) -> dict:
    """Return the figures as plain values; what is not known is null."""
    return {
        "pictures": done.pictures,
        "runs": [
            {
                "name": name,
                "people": done.people[name],
                "cpu_s_per_picture": _plain((done.seconds[name] or math.nan) / done.pictures),
                **(_worth(done.worth[name]) if name in done.worth else {}),
            }
            for name in names
        ],
        "agreement": [
            {
                "one": names[0],
                "other": name,
                "both": each.both,
                "only_one": each.only_one,
                "only_other": each.only_other,
                "median_of_size": _plain(each.median),
                "joints": {joint: _plain(value) for joint, value in each.joints().items()},
            }
            for name, each in done.agreement.items()
        ],
    }


def _worth(worth: Worth) -> dict:
    return {
        "annotated": worth.people,
        "missed": worth.missed,
        "invented": worth.invented,
        "pck_0.2": _plain(worth.pck),
        "pckh_0.5": _plain(worth.pckh),
        "oks_ap": _plain(worth.ap),
    }


def _plain(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None
