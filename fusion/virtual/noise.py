"""What a pose network makes of a joint: parameters of a statistical model of its key points, and their file.

The model speaks of three things that the network tells of each joint in each frame - logit of the score,
logit of the peak, logarithm of the heatmap's variance (box sizes²) - and of the logarithm of the error's
scale (box sizes):

    told  = mean of the joint + effects @ (hidden, speed, blur, dark) + spread      (wanders in time)
    error = exp(scale of the joint + effects @ ... + follows @ spread + tail) * unit error

The unit error is Gaussian, wanders in time, partly fast, and is shared along a limb. ``tail``
wanders as well and makes errors heavy-tailed and bursts of them last.

:data:`BLAZEPOSE` is fitted to what BlazePose does on real films by ``python -m
benchmarks.fusion.camera_noise``.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import yaml

from drivers.errors import ConfigError
from fusion.skeletons import BODY20

CONDITIONS: tuple[str, ...] = ("hidden", "speed", "blur", "dark")
"""What moves the columns: hidden 0 to 1; speed in box sizes/s; length of the motion blur in box sizes;
darkness in stops beyond the third, halved."""

COLUMNS: tuple[str, ...] = ("score", "peak", "variance", "error")


@dataclasses.dataclass(frozen=True)
class JointNoise:
    """One joint where it is seen well: logits of score and peak, logs of variance and error scale per axis.

    ``depth_m`` is the standard deviation of its depth from the pelvis.
    """

    score: float
    peak: float
    variance: float
    error: float
    depth_m: float


@dataclasses.dataclass(frozen=True)
class KeypointNoise:
    """Parameters of the model; see the module.

    Attributes:
        source: where they come from.
        joints: by name of BODY20.
        effects: for each column the effect of each condition, by name.
        spread: standard deviation of the told columns about their means.
        alike: share of the variance of the spreads that the three told columns of a joint have in common.
        spread_s: s, correlation time of the spreads.
        follows: effect of the three spreads on the log of the error's scale.
        tail: standard deviation of what is left of the log of the error's scale.
        tail_s: its correlation time, s.
        fast: share of the error's variance that wanders fast, within ``fast_s``.
        fast_s: s.
        error_s: correlation time of the rest, s.
        limb: correlation of a joint's unit error with the one before it in the limb, by name of the joint.
        depth_s: correlation time of the error of depth, s.
        depth_hidden: factor of the error of depth where a joint is hidden.
        depth_gain: how much of a true depth is told.
        gross: effect on each column of losing a whole limb: it is put somewhere else, without much
        confidence.
        gross_share: share of frames in which that happens to an arm or a leg, each.
        gross_s: how long it lasts on average, s.
        swap_share: share of frames in which left is taken for right, the whole body.
        swap_s: how long that lasts on average, s.
        lost: share of frames in which nobody is found.
        lost_stop: stops beyond the third, halved, at which half of the frames are lost; the share grows as a
            logistic function of the darkness with slope 6.
    """

    source: str
    joints: dict[str, JointNoise]
    effects: dict[str, dict[str, float]]
    spread: dict[str, float]
    alike: float
    spread_s: float
    follows: dict[str, float]
    tail: float
    tail_s: float
    fast: float
    fast_s: float
    error_s: float
    limb: dict[str, float]
    depth_s: float
    depth_hidden: float
    depth_gain: float
    gross: dict[str, float]
    gross_share: float
    gross_s: float
    swap_share: float
    swap_s: float
    lost: float
    lost_stop: float

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> KeypointNoise:
        """Return the parameters of a mapping, as the file has them.

        Raises:
            ConfigError: a joint, a column or a value is missing or unknown.
        """
        try:
            joints = {name: JointNoise(**values["joints"][name]) for name in BODY20}
            noise = cls(**{**values, "joints": joints})
            for column in COLUMNS:
                _ = [float(noise.effects[column][condition]) for condition in CONDITIONS]
                _ = float(noise.gross[column])
            for column in COLUMNS[:3]:
                _ = float(noise.spread[column]) + float(noise.follows[column])
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"the noise of key points cannot be read: {error}",
                mend="Write the file anew with python -m benchmarks.fusion.camera_noise --write FILE",
            ) from error
        return noise


def read_noise(path: Path) -> KeypointNoise:
    """Return the parameters in a YAML file.

    Raises:
        ConfigError: the file is missing or malformed.
    """
    try:
        values = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{path}: the noise of key points cannot be read",
            mend="Name a file written by python -m benchmarks.fusion.camera_noise --write FILE",
        ) from error
    return KeypointNoise.from_mapping(values)


BLAZEPOSE: KeypointNoise = read_noise(Path(__file__).with_name("blazepose_noise.yaml"))
