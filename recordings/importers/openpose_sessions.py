"""A folder of OpenPose's JSON as a session: who is seen best is followed from frame to frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from drivers.base import DriverContext
from drivers.camera.file import VideoFileConfig, VideoFileDriver
from drivers.errors import ConfigError, DataError, DeviceError, RecordingExists
from recordings.importers.keypoint_camera import KeypointCamera, rows_of, stamps_of, write_camera
from recordings.importers.openpose_json import OpenPoseFolder, OpenPoseFrame, read_folder
from recordings.layout import SessionAttributes, software
from recordings.writer import SessionWriter

NETWORK = "openpose"
PATIENCE_S = 0.5
"""Somebody who is not seen for so long is followed no more: then it is who is seen best."""
NEAR = 0.5
"""Joints are nearer than this part of the person's size to those before, on average: the same person."""


@dataclasses.dataclass(frozen=True)
class OpenPoseReport:
    """What was imported.

    Attributes:
        file: the session.
        frames: in it; ``missing``: those without a file; ``faults``: files that could not be read.
        seen: frames that show each person that was followed.
        joints: how many OpenPose told.
        notes: what one should know.
    """

    file: Path
    frames: int
    missing: int
    faults: tuple[str, ...]
    seen: tuple[int, ...]
    joints: int
    notes: tuple[str, ...]


def import_openpose(
    folder: Path | str,
    output: Path | str,
    *,
    fps: float = 0.0,
    size: tuple[int, int] | None = None,
    video: Path | str | None = None,
    film: str = "",
    people: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> OpenPoseReport:
    """Write a folder of ``*_keypoints.json`` as a session with a camera without pictures and its key points.

    Args:
        folder: as given to OpenPose's ``--write_json``.
        output: the session (.h5), or a folder for it.
        fps: pictures a second; not needed with ``video``.
        size: of the pictures, px; not needed with ``video``.
        video: that OpenPose looked at: its frames' own times and size are taken.
        film: which, where the folder has several.
        people: how many to follow, each a stream.
        on_progress: called with files read and files in all.

    Raises:
        DataError: there are no files, none can be read, or the video has fewer frames.
        ConfigError: neither a video nor rate and size are named.
        RecordingExists: the session is there already; nothing was written.
    """
    if video is None and (size is None or not fps > 0):
        raise ConfigError(
            "OpenPose: its files tell neither time nor size of the pictures",
            mend="Give --video=FILE, or --fps=30 and --size=1920x1080",
        )
    read = read_folder(folder, film, on_progress)
    output = Path(output)
    target = output if output.suffix == ".h5" else output / f"{read.film}.h5"
    if target.exists():
        raise RecordingExists(f"{target} exists already and is not overwritten", mend="give another --output")
    numbers = np.array([frame.number for frame in read.frames], np.int64)
    numbers -= numbers[0] if video is None else 0
    if video is None:
        assert size is not None
        times, bound, rate = np.rint(numbers * (1e9 / fps)).astype(np.int64), round(0.5e9 / fps), fps
    else:
        size, times, rate = _times(Path(video), numbers)
        numbers, times, bound = numbers - numbers[0], times - times[0], 0
    frames, notes = _in_pixels(read, size)
    followed = _follow(frames, times, len(read.joints), people)
    if not followed:
        raise DataError(f"OpenPose: nobody is seen in {len(frames)} frames", mend="Look at the folder's film")
    digest = xxhash.xxh3_64_hexdigest(np.concatenate([frame.people.ravel() for frame in frames]).tobytes())
    clock = f"openpose/{digest}"
    camera = KeypointCamera("camera", NETWORK, read.joints, size, round(rate, 6), f"film {read.film}", clock)
    attributes = SessionAttributes(
        id=clock.replace("/", "-"),
        clock=clock,
        task=read.film,
        software=f"{software()}, imported from OpenPose",
        expected=(camera.name, *(info.name for info in camera.infos(len(followed))[1])),
    )
    rows = [rows_of(person[..., :2], person[..., 2]) for person in followed]
    with SessionWriter(target, attributes, sync_s=0) as writer:
        write_camera(writer, camera, stamps_of(times, numbers, bound), rows, _inner(read))
        writer.mark(start_ns=0, stop_ns=int(times[-1]))
    seen = tuple(int((person[..., 2] > 0).any(axis=1).sum()) for person in followed)
    return OpenPoseReport(
        target, len(frames), read.missing, tuple(read.faults), seen, len(read.joints), tuple(notes)
    )


def _inner(read: OpenPoseFolder) -> int:
    """Return how many of the missing frames had a file that could not be read."""
    return min(len(read.faults), read.missing)


def _times(video: Path, numbers: NDArray[np.int64]) -> tuple[tuple[int, int], NDArray[np.int64], float]:
    """Return the size of a video's pictures, the times (T,) of frames of it, ns, and its rate if constant."""
    import av

    if not video.is_file():
        raise DataError(f"there is no video {video}", mend="Name the film that OpenPose looked at")
    try:
        info, _ = VideoFileDriver(VideoFileConfig(str(video.absolute())), DriverContext("video")).film()
    except DeviceError as error:
        raise DataError(error.what, mend=error.mend) from None
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        base = stream.time_base
        stamps = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
    if not stamps or base is None or len(stamps) <= int(numbers[-1]):
        raise DataError(
            f"{video.name} has {len(stamps)} frames, the folder goes to {int(numbers[-1]) + 1}",
            mend="Name the film that OpenPose looked at, or give --fps and --size",
        )
    times = np.array([round((stamp - stamps[0]) * base * 1_000_000_000) for stamp in stamps], np.int64)
    height, width = info.shape[:2]
    return (width, height), times[numbers], info.rate_hz if info.regular else 0.0


def _in_pixels(read: OpenPoseFolder, size: tuple[int, int]) -> tuple[list[OpenPoseFrame], list[str]]:
    """Return frames in px: OpenPose may have been told to write parts of the picture (``keypoint_scale``)."""
    found = [frame.people[frame.people[..., 2] > 0][:, :2] for frame in read.frames]
    points = np.concatenate(found) if found else np.zeros((0, 2))
    if not len(points) or np.abs(points).max() > 1.0:
        return read.frames, []
    signed = bool((points < 0).any())
    scale, shift = np.array(size, np.float32) - 1.0, 0.0
    if signed:
        scale, shift = scale / 2, 1.0
    frames = []
    for frame in read.frames:
        people = frame.people.copy()
        people[..., :2] = np.where(people[..., 2:] > 0, (people[..., :2] + shift) * scale, 0.0)
        frames.append(dataclasses.replace(frame, people=people))
    return frames, [f"its numbers were parts of the picture, {'-1' if signed else '0'} to 1: made px"]


def _follow(
    frames: list[OpenPoseFrame], times: NDArray[np.int64], joints: int, people: int
) -> list[NDArray[np.float32]]:
    """Return for each person that is followed x, y and score (T, J, 3), 0 where not seen.

    The first is who is seen best, the second who is seen best of the others, and so on.
    """
    free = [set(range(len(frame.people))) for frame in frames]
    out = []
    for _ in range(people):
        rows = np.zeros((len(frames), joints, 3), np.float32)
        last: NDArray[np.float32] | None = None
        known, when = -1, 0
        for at, frame in enumerate(frames):
            if last is not None and times[at] - when > PATIENCE_S * 1e9:
                last, known = None, -1
            chosen = _choose(frame, free[at], last, known)
            if chosen is not None:
                free[at].remove(chosen)
                last, known, when = frame.people[chosen], frame.ids[chosen], int(times[at])
                rows[at] = last
        if not rows.any():
            break
        out.append(rows)
    return out


def _choose(frame: OpenPoseFrame, free: set[int], last: NDArray[np.float32] | None, known: int) -> int | None:
    """Return which person of a frame is the one before, or the one seen best where nobody was."""
    if known >= 0:
        return next((number for number in free if frame.ids[number] == known), None)
    if not free:
        return None
    if last is None:
        return max(free, key=lambda number: _weight(frame.people[number]))
    away = {number: _apart(frame.people[number], last) for number in free}
    nearest = min(away, key=lambda number: away[number])
    return nearest if away[nearest] < NEAR else None


def _side(person: NDArray[np.float32]) -> float:
    known = person[person[:, 2] > 0, :2]
    return float(np.ptp(known, axis=0).max()) if len(known) else 0.0


def _weight(person: NDArray[np.float32]) -> float:
    return _side(person) * float(person[:, 2].sum())


def _apart(person: NDArray[np.float32], last: NDArray[np.float32]) -> float:
    """Return the mean distance of joints that both have, in sizes of the person before."""
    both = (person[:, 2] > 0) & (last[:, 2] > 0)
    if not both.any():
        return float("inf")
    return float(np.linalg.norm(person[both, :2] - last[both, :2], axis=1).mean()) / max(_side(last), 1.0)
