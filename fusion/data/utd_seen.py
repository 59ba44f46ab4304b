"""UTD-MHAD as a depth camera sees it: joints found by a front end in its maps, beside the inertial sensor.

Depth tells of the body's surface, and joints lie within: how far is measured on the training subjects.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from fusion.data.augment import AugmentConfig
from fusion.data.utd_mhad import KINECT_ORDER, NOISE_PX, Seen, UtdBatches, UtdMhadData, UtdTrials
from fusion.skeletons import BODY20
from fusion.vision.base import FrontEnd, front_end
from recordings.importers.utd_depth import CENTRE_PX, DepthTrial, depth_trials
from recordings.importers.utd_mhad import DEPTH_FOCAL_PX, trials

_REACH_PX = 4


def surface(depth: NDArray[np.uint16], points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the depth (J,) around points (J, 2) px, m; NaN where none is known within 4 px.

    The median of the nearer half of what is known: an arm is before what lies around it.
    """
    height, width = depth.shape
    found = np.full(len(points), np.nan)
    for joint, (x, y) in enumerate(np.rint(points).astype(int)):
        for reach in (1, _REACH_PX):
            rows = slice(max(0, y - reach), min(height, y + reach + 1))
            columns = slice(max(0, x - reach), min(width, x + reach + 1))
            known = depth[rows, columns][depth[rows, columns] > 0]
            if len(known):
                found[joint] = np.percentile(known, 25) * 1e-3
                break
    return found


def below_surface(items: list[DepthTrial], every: int = 5) -> NDArray[np.float64]:
    """Return how far behind the surface each joint (20,) lies, m: the median over some trials' frames."""
    away = [
        item.trial.joints[i, KINECT_ORDER, 2] - surface(item.depth[i], item.pixels[i, KINECT_ORDER])
        for item in items
        for i in range(0, len(item.depth), every)
    ]
    return np.nan_to_num(np.nanmedian(np.stack(away), axis=0))


def see(eyes: FrontEnd, item: DepthTrial, below: NDArray[np.floating]) -> Seen:
    """Return what a front end finds in a trial's maps.

    Args:
        eyes: takes depth maps; its joints are those of BODY20.
        item: the trial.
        below: (20,) of :func:`below_surface`.
    """
    order = [eyes.skeleton.index(name) for name in BODY20]
    eyes.reset()
    count = len(item.depth)
    joints, sd = np.zeros((count, len(BODY20), 3)), np.zeros((count, len(BODY20)), np.float32)
    before = np.tile([0.0, 0.0, 3.0], (len(BODY20), 1))
    for i, depth in enumerate(item.depth):
        for person in eyes(depth, round(1e9 * item.trial.joint_time[i]))[:1]:
            points = person.keypoints[order].astype(np.float64)
            z = surface(depth, points) + below
            z = np.where(np.isnan(z), before[:, 2], z)
            flat = (points - CENTRE_PX) * z[:, None] / DEPTH_FOCAL_PX
            before = np.column_stack([flat, z])
            sd[i] = NOISE_PX
        joints[i] = before
    return Seen(joints.astype(np.float32), sd)


class UtdSeenData(UtdMhadData):
    """UTD-MHAD by subjects: learns from skeletons, is tested on what is seen in depth maps, for poses.

    Only trials that have depth are tested (trial 1 of the odd actions).

    Args:
        eyes: weights of the HeatmapNet that looks; trained on none of the subjects tested here.
        depth_root: as of :func:`recordings.importers.utd_depth.find_depth`; by default as ``root``.
        from_m: as of :class:`UtdBatches`.
        **options: of :class:`UtdMhadData`.

    Raises:
        ConfigError: a subject is learnt from and tested on.
    """

    def __init__(
        self,
        eyes: str = "",
        depth_root: str | None = None,
        from_m: float | None = None,
        **options: object,
    ) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.from_m = from_m
        self.eyes, self.depth_root = eyes, depth_root or self.root
        self._below: NDArray[np.float64] | None = None

    def setup(self, stage: str) -> None:
        """Read the trials that ``stage`` needs, and look at those that are tested.

        Raises:
            ConfigError: no weights are named that look.
            DataError: the data set is not there or malformed, or has no trials of the subjects.
            WeightsError: the weights are no HeatmapNet's.
        """
        if not self.eyes:
            raise ConfigError(
                "UTD-MHAD: no HeatmapNet is named that looks at the depth maps",
                mend="Train one (configs/experiment/heatmap_utd_depth.yaml) and give --data.eyes=FILE",
            )
        parts = {"fit": ("val",), "validate": ("val",), "test": ("test",)}
        for part in parts.get(stage, ("test",)):
            if part not in self._data and self.subjects[part]:
                self._data[part] = self._seen(self.subjects[part])
        if stage == "fit":
            super().setup(stage)

    def _seen(self, subjects: tuple[int, ...]) -> UtdTrials:
        if self._below is None:
            self._below = below_surface(list(depth_trials(self.depth_root, self.subjects["train"])))
        items = list(depth_trials(self.depth_root, subjects))
        with front_end("heatmapnet", weights=self.eyes, heatmaps=False) as eyes:
            found = [see(eyes, item, self._below) for item in items]
        return UtdTrials([item.trial for item in items], seen=found, told=True)

    def batches(self, data: UtdTrials, augment: AugmentConfig | None) -> UtdBatches:
        """Return what makes batches of trials."""
        return UtdBatches(data, self.rate_hz, augment, self.seed, self.from_m)

    def read(self, subjects: tuple[int, ...]) -> UtdTrials:
        """Read the trials of some subjects; where the sensor sits is told."""
        return UtdTrials(list(trials(self.root, subjects)), told=True)
