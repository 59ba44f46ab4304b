"""Poses and pictures for the Rerun viewer (https://rerun.io): into a file, or to a viewer that runs.

::

    people/<number>/joints, bones     m from the pelvis, camera axes; a joint is as large as its deviation
    people/<number>/deviation         m, of all joints
    people/<number>/action            its name, when it changes
    camera                            the picture
    camera/<number>                   the joints in it, px

Everything lies on the timeline ``session_time``. Needs the extra ``viz``, which is imported only here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from drivers.errors import ConfigError, MissingDependency
from fusion.skeletons import BODY20, bones
from fusion.tracking.pose import Pose, action_name
from fusion.tracking.sinks import Picture, Sink

FILE = "file"
_SCHEMES = ("rerun://", "rerun+http://", "rerun+https://")
_TIMELINE = "session_time"
_LEAST_SCORE, _LEAST_M, _JPEG = 0.05, 0.01, 75


def open_stream(target: str, path: Path) -> Any:
    """Return a recording stream into ``path`` where the target is ``file``, else to the viewer it names.

    Raises:
        ConfigError: the target is neither.
        MissingDependency: Rerun is not installed.
    """
    check_target(target)
    import rerun

    stream = rerun.RecordingStream("chorus")
    if target == FILE:
        stream.save(path)
    else:
        stream.connect_grpc(target)
    stream.log("people", rerun.ViewCoordinates.RIGHT_HAND_Y_DOWN, static=True)
    return stream


def check_target(target: str) -> None:
    """Refuse what cannot be written to, before anything begins.

    Raises:
        ConfigError: the target is neither ``file`` nor a viewer's address.
        MissingDependency: Rerun is not installed.
    """
    if target != FILE and not target.startswith(_SCHEMES):
        raise ConfigError(
            f"--rerun is {target}", mend="Give file, or a viewer such as rerun+http://127.0.0.1:9876/proxy"
        )
    if importlib.util.find_spec("rerun") is None:
        raise MissingDependency(
            "Rerun, which --rerun writes for, is not installed", mend="pip install 'chorus-fusion[viz]'"
        )


class RerunSink(Sink):
    """Logs everybody's poses.

    Args:
        stream: of :func:`open_stream`.
        actions: names of the network's actions.
    """

    name = "rerun"

    def __init__(self, stream: Any, actions: Sequence[str]) -> None:
        import rerun

        self._rerun, self._stream, self._actions = rerun, stream, tuple(actions)
        self._bones = bones(BODY20)
        self._doing: dict[int, str] = {}

    def pose(self, pose: Pose) -> None:
        """Log one pose."""
        self.poses([pose])

    def poses(self, poses: Sequence[Pose]) -> None:
        """Log the poses of one tick."""
        self._stream.set_time(_TIMELINE, duration=poses[0].time / 1e9)
        for pose in poses:
            self._log(pose)

    def _log(self, pose: Pose) -> None:
        rerun, stream = self._rerun, self._stream
        where = f"people/{pose.person}"
        sd = np.sqrt(pose.joints_var)
        joints = rerun.Points3D(pose.joints, radii=np.maximum(sd, _LEAST_M), labels=None)
        stream.log(f"{where}/joints", joints)
        stream.log(f"{where}/bones", rerun.LineStrips3D([pose.joints[list(bone)] for bone in self._bones]))
        stream.log(f"{where}/deviation", rerun.Scalars(float(sd.mean())))
        seen = np.isfinite(pose.keypoints).all(axis=1) & (pose.score > _LEAST_SCORE)
        stream.log(f"camera/{pose.person}", rerun.Points2D(pose.keypoints[seen], radii=4.0))
        action, probability = action_name(pose, self._actions)
        if action and self._doing.get(pose.person) != action:
            self._doing[pose.person] = action
            stream.log(f"{where}/action", rerun.TextLog(f"{action} {probability:.0%}"))

    def close(self) -> None:
        """Write what waits."""
        self._stream.flush()


class RerunPictures(Sink):
    """Logs the pictures that were looked at, as JPEG.

    Args:
        stream: of :func:`open_stream`.
    """

    name, wants_pictures = "rerun pictures", True

    def __init__(self, stream: Any) -> None:
        import rerun

        self._rerun, self._stream = rerun, stream

    def picture(self, time: int, image: Picture) -> None:
        """Log one picture."""
        good, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG])
        if good:
            self._stream.set_time(_TIMELINE, duration=time / 1e9)
            encoded = self._rerun.EncodedImage(contents=jpeg.tobytes(), media_type="image/jpeg")
            self._stream.log("camera", encoded)

    def pose(self, pose: Pose) -> None:
        """Poses are the other sink's."""
