"""The folder of one source, and all that is written into it."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av.error

from drivers.errors import ChorusError, RecordingError
from fusion.pose.coco import CocoResults
from fusion.pose.drawing import OverlayFilm, OverlayPictures, ScreenshotWriter
from fusion.pose.frame import joint_set
from fusion.pose.heatmaps import HeatmapPictures
from fusion.pose.inputs import Source
from fusion.pose.markers import Trc
from fusion.pose.openpose import OpenPoseJson
from fusion.pose.options import PoseOptions
from fusion.pose.table import Table
from fusion.pose.writer import Looker, Writer
from fusion.skeletons import OPENPOSE18, OPENPOSE25
from fusion.vision.screenshots import or_nothing

SCREENSHOTS = 12
"""Of a film, about so many are taken, evenly spread, but not more than one a second."""
LIVE_S = 10.0
"""Of a camera, one in so many seconds."""
FAILURES = (OSError, av.error.FFmpegError, ChorusError)
"""What a full disk, or a folder that may not be written to, looks like."""


class Outputs:
    """All outputs of a source, in a folder that is made.

    Args:
        folder: for all of them.
        source: what is looked at.
        joints: of the front end.
        options: what is written.

    Attributes:
        folder: of them.
        writers: that take frames.
        lookers: that take what the front end saw.

    Raises:
        RecordingError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, source: Source, joints: tuple[str, ...], options: PoseOptions) -> None:
        self.folder = folder
        self.writers: list[Writer] = []
        self.lookers: list[Looker] = []
        skeleton = joint_set(options.skeleton) if options.skeleton else joints
        openpose = OPENPOSE18 if skeleton == OPENPOSE18 else OPENPOSE25
        spread = max(1.0, source.seconds / SCREENSHOTS) if source.seconds else LIVE_S
        every_s = spread if options.screenshots_s is None else options.screenshots_s
        many, width = options.people, options.width
        make: dict[str, Callable[[], Writer]] = {
            "csv": lambda: Table(folder / "poses.csv", joints, skeleton),
            "coco": lambda: CocoResults(folder, joints),
            "openpose": lambda: OpenPoseJson(folder / "openpose", joints, openpose),
            "trc": lambda: Trc(folder, joints, skeleton, many),
            "overlay": lambda: (
                OverlayPictures(folder / "overlay", joints, skeleton, many, width)
                if source.still
                else OverlayFilm(folder / "overlay.mp4", joints, skeleton, many, width, source.sound())
            ),
            "screenshots": lambda: ScreenshotWriter(
                folder / "screenshots", joints, skeleton, many, width, every_s
            ),
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in options.outputs:
                if name == "heatmaps":
                    self.lookers.append(HeatmapPictures(folder / name, joints, every_s or spread))
                elif name != "screenshots" or (every_s and not source.still):
                    self.writers.append(writer := make[name]())
                    if isinstance(writer, Looker):
                        self.lookers.append(writer)
        except OSError as error:
            raise self._failed("the folder", error) from error

    def close(self, *, failed: bool = False) -> list[str]:
        """Finish all outputs, and return what they left out.

        Args:
            failed: something failed already: the others are finished as far as they can be.

        Raises:
            RecordingError: an output failed; the others are whole.
        """
        first: RecordingError | None = None
        for writer in self.writers:
            try:
                writer.close()
            except FAILURES as error:
                first = first or self._failed(writer.name, error)
        if first is not None and not failed:
            raise first
        return list(dict.fromkeys(each.note for each in (*self.writers, *self.lookers) if each.note))

    def discard(self) -> None:
        """Remove them all again, and the folder, which held nothing else."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def summary(self, figures: dict[str, Any]) -> None:
        """Write ``summary.json``."""
        path = self.folder / "summary.json"
        with contextlib.suppress(OSError), or_nothing(path):
            path.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")

    def _failed(self, name: str, error: BaseException) -> RecordingError:
        return failed(self.folder, name, error)


def failed(folder: Path, name: str, error: BaseException) -> RecordingError:
    """Return the error that an output could not be written."""
    if isinstance(error, RecordingError):
        return error
    reason = getattr(error, "strerror", None) or " ".join(str(error).split())
    return RecordingError(
        f"{folder}: {name} cannot be written: {reason}; what was written before is kept",
        mend="Free some space, or give another folder with --output",
    )
