"""One session through a vision front end: the same session with key points in the place of pictures.

::

    walk.h5 --> front end on the pictures of each camera --> out/walk.h5, as if recorded with `store: none`

``python -m fusion.extract.session WALK.h5 OUT.h5 blazepose`` is one such run: a process of its own, which
prints the fraction done. The new file takes its place when it is whole, so whoever is killed leaves nothing
behind that could be mistaken for one.
"""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from drivers.base import Batch
from drivers.errors import ChorusError, DataError
from fusion.features.offline import decode
from fusion.features.vision import best_person, keypoints_of
from fusion.vision.base import FrontEnd, front_end_of
from fusion.vision.worker import keypoint_stream
from recordings.editing.copying import Copy, history, refuse_damage
from recordings.reader import Recording, open_recording
from recordings.stream_reader import StreamReader


def extract(
    source: Path,
    output: Path,
    vision: str,
    *,
    pictures: bool = False,
    progress: Callable[[float], None] | None = None,
) -> int:
    """Run a front end over the pictures of a session; return how many it looked at.

    Args:
        source: the session.
        output: the new session.
        vision: front end, as :func:`fusion.vision.base.front_end` takes it.
        pictures: keep the pictures as well.
        progress: called now and then with the fraction done.

    Raises:
        DataError: it has no pictures, or has these key points already.
        RecordingError: it is damaged, or the output exists.
        WeightsError: the front end's network could not be obtained.
    """
    with open_recording(source) as recording:
        refuse_damage(recording)
        cameras = cameras_of(recording)
        if not cameras:
            raise DataError(f"{source} keeps no pictures", mend="Extract from sessions with a camera")
        total, done = sum(len(camera.stamps) for camera in cameras), 0

        def step() -> None:
            nonlocal done
            done += 1
            if progress is not None and done % 16 == 0:
                progress(done / total)

        session = dataclasses.replace(
            recording.session, edits=history(recording.session, "extract", source=source.name, vision=vision)
        )
        with Copy(output, session) as copy, front_end_of(vision, 1) as eyes:
            for stream in recording.all_streams.values():
                copy.stream(stream, withheld=stream in cameras and not pictures)
            for camera in cameras:
                if keypoint_stream(camera.info, eyes).name in recording.all_streams:
                    raise DataError(
                        f"{source} has key points of {vision} already", mend="Use another front end"
                    )
                _look(copy, camera, eyes, step)
            copy.rest(recording)
        return done


def made_by(path: Path) -> str:
    """Return the front end that made a session's key points in place of pictures; empty: none did.

    Raises:
        RecordingError: it cannot be opened.
    """
    with open_recording(path) as recording:
        edits = [json.loads(edit) for edit in recording.session.edits]
    made = [str(edit.get("vision", "")) for edit in edits if edit.get("what") == "extract"]
    return made[-1] if made else ""


def cameras_of(recording: Recording) -> list[StreamReader]:
    """Return the cameras whose pictures were kept."""
    streams = recording.all_streams.values()
    return [s for s in streams if s.info.kind == "camera" and len(s) and not s.withheld]


def _look(copy: Copy, camera: StreamReader, eyes: FrontEnd, step: Callable[[], None]) -> None:
    info = keypoint_stream(camera.info, eyes)
    copy.begin(info, camera.ended)
    eyes.reset()
    for batch in camera.batches(None, None):
        rows = np.zeros((len(batch.stamps), *info.shape), np.float32)
        for i, time in enumerate(batch.stamps["time"].tolist()):
            person = best_person(eyes(decode(batch.data[i]), time))
            if person is not None:
                rows[i] = keypoints_of(person)
            step()
        copy.append(Batch(info.name, batch.stamps, rows))


def main(argv: list[str]) -> int:
    """Extract ``argv[0]`` into ``argv[1]`` by ``argv[2]``; ``argv[3]``: keep the pictures too."""
    source, output, vision, *more = argv
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # removes what is half made
    try:
        extract(
            Path(source),
            Path(output),
            vision,
            pictures="pictures" in more,
            progress=lambda fraction: print(f"{fraction:.3f}", flush=True),
        )
    except ChorusError as error:
        print(str(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
