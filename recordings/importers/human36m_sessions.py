"""Human3.6M in the layout of 3d-pose-baseline as sessions: four cameras without pictures, and true joints.

::

    S9_walking_1.h5    camera_54138969 .. camera_60457274       stamps alone, calibrated
                       camera_54138969_hourglass ...            key points, where they were detected
                       truth                                    17 joints, m, world, z up
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.base import Batch, StreamInfo
from drivers.bus.messages import Ended, Event
from drivers.camera.model import CameraModel, Pose, properties_of
from drivers.errors import DataError, RecordingExists
from drivers.joints import MPII16
from recordings.importers.human36m import (
    FRAME_RATE_HZ,
    SIZE_PX,
    SUBJECTS,
    Sequence,
    View,
    read,
    sequences,
)
from recordings.importers.keypoint_camera import KeypointCamera, rows_of, stamps_of, write_camera
from recordings.layout import SessionAttributes, software
from recordings.writer import SessionWriter

NETWORK = "hourglass"
TRUE_JOINTS: tuple[str, ...] = (
    *("pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("spine", "neck", "nose", "head_top"),
    *("left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist"),
)
"""The usual 17 of Human3.6M's joints, as ``fusion.skeletons.HUMAN36M17``."""


@dataclasses.dataclass(frozen=True)
class Human36mReport:
    """What was imported: the files, and of their four views each how many had detected key points."""

    files: tuple[Path, ...]
    detected: tuple[int, ...]


def import_human36m(
    root: Path | str,
    output: Path | str,
    subjects: Iterable[int] = (),
    only: Iterable[str] = (),
    on_progress: Callable[[int, int, str], None] = lambda done, of, what: None,
) -> Human36mReport:
    """Write a session for each action of each subject.

    Args:
        root: folder with ``cameras.h5`` and ``S<n>``.
        output: folder of the sessions.
        subjects: by default all that are there.
        only: actions, as ``Walking 1``; by default all.
        on_progress: called with sessions done, of how many, and the next one's name.

    Raises:
        DataError: a file is missing or malformed, or there is no such action.
        RecordingExists: a session is there already; nothing was written.
    """
    root, wanted = Path(root).expanduser(), set(only)
    there = tuple(n for n in SUBJECTS if (root / f"S{n}" / "MyPoses").is_dir())
    groups: dict[Path, list[Sequence]] = {}
    for sequence in sequences(root, tuple(subjects) or there):
        if not wanted or sequence.positions.stem in wanted:
            groups.setdefault(sequence.positions, []).append(sequence)
    if unknown := sorted(wanted - {path.stem for path in groups}):
        raise DataError(
            f"Human3.6M: there is no action '{unknown[0]}'", mend="Write it as its file, such as 'Walking 1'"
        )
    paths = {positions: Path(output) / f"{_name(positions)}.h5" for positions in groups}
    if exists := [path for path in paths.values() if path.exists()]:
        raise RecordingExists(
            f"{exists[0]} exists already and is not overwritten", mend="give another folder with --output"
        )
    detected = []
    for done, (positions, views) in enumerate(groups.items()):
        on_progress(done, len(groups), _name(positions))
        _write(paths[positions], positions, views)
        detected.append(sum(view.detections is not None for view in views))
    on_progress(len(groups), len(groups), "")
    return Human36mReport(tuple(paths.values()), tuple(detected))


def _name(positions: Path) -> str:
    subject = positions.parents[2].name
    return f"{subject}_{re.sub('[^a-z0-9]+', '_', positions.stem.lower())}"


def _write(path: Path, positions: Path, views: list[Sequence]) -> None:
    read_views = [(one, *read(one)) for one in views]
    frames = min(len(joints) for _, joints, _ in read_views)
    world = views[0].view.world(read_views[0][1][:frames])
    name = _name(positions)
    clock = f"human36m/{name}"
    numbers = np.arange(frames, dtype=np.int64)
    times = np.rint(numbers * (1e9 / FRAME_RATE_HZ)).astype(np.int64)
    cameras = [_camera(one.view, clock) for one in views]
    attributes = SessionAttributes(
        id=f"human36m-{name}",
        clock=clock,
        subject=positions.parents[2].name,
        task=re.sub(r" \d+$", "", positions.stem),
        software=f"{software()}, imported from Human3.6M",
        expected=("truth", *(camera.name for camera in cameras)),
    )
    with SessionWriter(path, attributes, sync_s=0) as writer:
        stamps = stamps_of(times, numbers, 0)
        for camera, (_, _, poses) in zip(cameras, read_views, strict=True):
            found = [] if poses is None else [rows_of(poses[:frames], np.ones((frames, 16)))]
            write_camera(writer, camera, stamps, found)
        _write_truth(writer, world, stamps, clock)
        action = attributes.task.lower()
        writer.event(Event(0, "label_start", action, name))
        writer.event(Event(int(times[-1]), "label_stop", action, name))
        writer.mark(start_ns=0, stop_ns=int(times[-1]))


def _camera(view: View, clock: str) -> KeypointCamera:
    matrix = np.array([[view.focal[0], 0, view.centre[0]], [0, view.focal[1], view.centre[1]], [0, 0, 1]])
    bend = np.array([*view.radial[:2], *view.tangential, view.radial[2]])
    model = CameraModel(
        matrix=matrix,
        distortion=bend,
        size=(SIZE_PX, SIZE_PX),
        pose=Pose(view.rotation, -view.rotation @ view.place),
    )
    return KeypointCamera(
        f"camera_{view.name}",
        NETWORK,
        MPII16,
        (SIZE_PX, SIZE_PX),
        FRAME_RATE_HZ,
        f"Human3.6M camera {view.name}",
        clock,
        properties_of(model),
    )


def _write_truth(
    writer: SessionWriter, world: NDArray[np.float64], stamps: NDArray[np.void], clock: str
) -> None:
    info = StreamInfo(
        name="truth",
        kind="pose",
        shape=(len(TRUE_JOINTS) * 3,),
        channels=tuple(f"{joint}.{axis}" for joint in TRUE_JOINTS for axis in "xyz"),
        units=("m",) * (3 * len(TRUE_JOINTS)),
        rate_hz=FRAME_RATE_HZ,
        regular=True,
        device="motion capture of Human3.6M",
        host=clock,
        properties={"skeleton": json.dumps(TRUE_JOINTS)},
    )
    writer.add_stream(info)
    writer.append(Batch("truth", stamps, world.reshape(len(world), -1).astype(np.float32)))
    writer.ended(Ended("truth", len(world), {}))
