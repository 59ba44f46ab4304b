"""Pictures of live tracking: the fused skeleton against the simulator's truth, and the training curve."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drivers.errors import DataError
from drivers.simulator.camera import CameraConfig
from drivers.simulator.truth import TruthConfig
from fusion.report.recorded import COLOURS
from fusion.skeletons import BODY20, bones

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from drivers.rig import Rig


@dataclasses.dataclass(frozen=True)
class Track:
    """Poses of a live run beside the truth. Metres are camera axes from the pelvis.

    Attributes:
        seconds: (T,) session time, s.
        pixels: (T, 20, 2) fused, px; NaN where not known.
        joints: (T, 20, 3) fused, m.
        action: (T) names.
        true_pixels: (T, 20, 2).
        true_joints: (T, 20, 3).
        true_action: (T) names.
    """

    seconds: NDArray[np.float64]
    pixels: NDArray[np.float64]
    joints: NDArray[np.float64]
    action: list[str]
    true_pixels: NDArray[np.float64]
    true_joints: NDArray[np.float64]
    true_action: list[str]

    @property
    def errors_m(self) -> NDArray[np.float64]:
        """(T, 20) distance of each joint from the truth, m; their mean is MPJPE."""
        return np.linalg.norm(self.joints - self.true_joints, axis=-1)

    @property
    def errors_px(self) -> NDArray[np.float64]:
        """(T, 20) distance in the picture, px; NaN where not known."""
        return np.linalg.norm(self.pixels - self.true_pixels, axis=-1)

    @property
    def mean_pose_m(self) -> float:
        """MPJPE of the trivial guess: the mean of the true poses of this very run, which no one knows, m."""
        guess = self.true_joints.mean(axis=0)
        return float(np.linalg.norm(self.true_joints - guess, axis=-1).mean())

    @property
    def action_accuracy(self) -> float:
        """Share of ticks with the right action."""
        return float(np.mean([a == b for a, b in zip(self.action, self.true_action, strict=True)]))


def read_track(poses: Path, rig: Rig) -> Track:
    """Read ``poses.csv`` of a live run of a simulated rig and put the truth beside it.

    Body time is session time, so the simulator tells the truth at each tick.

    Raises:
        DataError: the table is empty, or the rig has no simulated camera and truth.
    """
    from drivers.simulator.actions import ACTIONS

    options = {type(stream.options): stream.options for stream in rig.streams.values()}
    if CameraConfig not in options or TruthConfig not in options:
        raise DataError(
            f"the rig {rig.name} knows no truth", mend="give it a simulator.camera and a simulator.truth"
        )
    times, pixels, joints, action = read_poses(poses)
    body, view = options[TruthConfig].body(), options[CameraConfig].view()
    world = body.pose(times * 1e-9).joints
    in_camera = view.to_camera(world)
    return Track(
        seconds=times.astype(np.float64) * 1e-9,
        pixels=pixels,
        joints=joints,
        action=action,
        true_pixels=view.project(world)[0],
        true_joints=in_camera - in_camera[:, :1],
        true_action=[ACTIONS[code] for code in body.actions(times * 1e-9)],
    )


def read_poses(
    path: Path,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Return times (T,) ns, pixels (T, 20, 2), metres (T, 20, 3) and actions (T) of a ``poses.csv``.

    Raises:
        DataError: it holds no pose.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or len(rows) % len(BODY20):
        raise DataError(f"{path} holds no whole pose", mend="track for longer")

    def column(name: str) -> NDArray[np.float64]:
        values = [float(row[name]) if row[name] else np.nan for row in rows]
        return np.array(values).reshape(-1, len(BODY20))

    times = np.array([int(row["time_ns"]) for row in rows[:: len(BODY20)]], np.int64)
    pixels = np.stack([column("x_px"), column("y_px")], axis=-1)
    joints = np.stack([column("x_m"), column("y_m"), column("z_m")], axis=-1)
    return times, pixels, joints, [row["action"] for row in rows[:: len(BODY20)]]


def skeletons(track: Track, count: int = 5) -> Figure:
    """Draw truth and fused skeleton at ``count`` instants, seen from the camera and from the side."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, count, figsize=(11, 6), sharey=True, squeeze=False)
    picks = np.linspace(0, len(track.seconds) - 1, count + 2).astype(int)[1:-1]
    for column, pick in enumerate(picks):
        for row, across in enumerate((0, 2)):
            panel = axes[row, column]
            for pose, colour, width in (
                (track.true_joints[pick], "#bbbbbb", 4.0),
                (track.joints[pick], COLOURS[0], 1.6),
            ):
                for a, b in bones(BODY20):
                    panel.plot(
                        pose[[a, b], across], -pose[[a, b], 1], color=colour, lw=width, solid_capstyle="round"
                    )
            panel.set_aspect("equal")
            panel.set_xlim(-0.9, 0.9)
            panel.set_xticks([])
        axes[0, column].set_title(
            f"{track.seconds[pick]:.1f} s {track.true_action[pick]}\n"
            f"{1000 * track.errors_m[pick].mean():.0f} mm",
            fontsize=9,
        )
    axes[0, 0].set_ylabel("from the camera [m]")
    axes[1, 0].set_ylabel("from the side [m]")
    return figure


def errors(track: Track) -> Figure:
    """Draw the error over time, in metres and in the picture, with the true actions."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 1, figsize=(11, 4), sharex=True)
    axes[0].plot(track.seconds, 1000 * track.errors_m.mean(axis=1), color=COLOURS[0], lw=1)
    axes[0].axhline(1000 * track.mean_pose_m, color="#999", ls="--", lw=1, label="mean pose (trivial)")
    axes[0].set_ylabel("3D error [mm]")
    axes[0].legend(loc="upper right")
    known = np.isfinite(track.errors_px).any(axis=1)
    axes[1].plot(track.seconds[known], np.nanmean(track.errors_px[known], axis=1), color=COLOURS[1], lw=1)
    axes[1].set_ylabel("2D error [px]")
    axes[1].set_xlabel("session time [s]")
    last = ""
    for second, action in zip(track.seconds, track.true_action, strict=True):
        if action != last:
            axes[0].axvline(second, color="#888", lw=0.7, ls=":")
            axes[0].annotate(action, (second, 1.02), xycoords=("data", "axes fraction"), fontsize=8)
            last = action
    for panel in axes:
        panel.set_ylim(bottom=0)
    return figure


def film_strip(film: Path, count: int = 4) -> bytes | None:
    """Return a PNG of ``count`` pictures spread over a film, or None if it holds none."""
    import av
    import cv2

    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(stream)]
    if not frames:
        return None
    picks = np.linspace(0, len(frames) - 1, count + 2).astype(int)[1:-1]
    strip = np.hstack([cv2.resize(frames[i], None, fx=0.6, fy=0.6) for i in picks])
    return cv2.imencode(".png", strip)[1].tobytes()


def training_curve(metrics: Path) -> Figure:
    """Draw what Lightning's ``metrics.csv`` holds: the loss, and the 3D error where there is one.

    Raises:
        DataError: it holds no loss.
    """
    import matplotlib.pyplot as plt

    with metrics.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [n for n in (rows[0] if rows else ()) if n.endswith(("/loss", "/mpjpe_mm"))]
    if not names:
        raise DataError(f"{metrics} holds no loss", mend="train for longer")
    figure, axes = plt.subplots(1, 2, figsize=(11, 3))
    for number, name in enumerate(names):
        points = [(int(row["epoch"]), float(row[name])) for row in rows if row[name]]
        panel = axes[int(name.endswith("_mm"))]
        panel.plot(*zip(*points, strict=True), "o-", ms=3, color=COLOURS[number], label=name)
    for panel, unit in zip(axes, ("loss", "MPJPE [mm]"), strict=True):
        panel.set_xlabel("epoch")
        panel.set_ylabel(unit)
        if panel.lines:
            panel.legend()
    axes[1].set_ylim(bottom=0)
    return figure
