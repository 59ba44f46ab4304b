"""What the features are: names, shapes and the few choices behind them."""

from __future__ import annotations

import dataclasses

from drivers.places import PLACES
from fusion.audio.logmel import WIDTH as AUDIO_WIDTH
from fusion.inertial.features import WIDTH as INERTIAL_WIDTH
from fusion.skeletons import BODY20

MAX_AGE_S: float = 2.0
"""Ages are clipped to it; it also stands for "never"."""

VISION_COLUMNS: tuple[str, ...] = (
    "x", "y", "peak", "var_x", "cov_xy", "var_y", "visible", "depth", "depth_known",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class FeatureSpec:
    """Choices behind the features; stored with a model, since a model is trained under one of them.

    Attributes:
        rate_hz: ticks per second.
        camera: stream to see with (a camera, or a stream of recorded key points); empty: the first.
        cameras: at most so many are looked through: together where they are calibrated, else the one that
            sees best; 1: the first alone. A ``camera`` that is named is the only one.
        microphone: stream to hear with; empty: the first.
        vision_hold_s: an older frame counts as none.
        inertial_hold_s: an older row counts as none.
        audio_hold_s: older sound counts as none.
        min_score: a joint less visible than this was not measured. Front ends guess hidden joints well
            enough that a guess, marked as little visible, is better than none.
        min_joints: fewer measured joints are nobody.
    """

    rate_hz: float = 60.0
    camera: str = ""
    cameras: int = 4
    microphone: str = ""
    vision_hold_s: float = 0.5
    inertial_hold_s: float = 0.25
    audio_hold_s: float = 0.25
    min_score: float = 0.05
    min_joints: int = 4


SHAPES: dict[str, tuple[int, ...]] = {
    "vision": (len(BODY20), len(VISION_COLUMNS)),
    "vision_present": (len(BODY20),),
    "vision_age": (),
    "vision_world": (len(BODY20), 3),
    "box": (3,),
    "inertial": (len(PLACES), INERTIAL_WIDTH),
    "inertial_present": (len(PLACES),),
    "inertial_age": (len(PLACES),),
    "audio": (AUDIO_WIDTH,),
    "audio_present": (),
    "audio_age": (),
    "stature": (),
    "bones": (len(BODY20), 3),
}
"""Shape of each feature at one tick, all float32; beside them ``time`` (), int64 ns.

===================== ===============================================================================
``vision``            BODY20 joints: x, y (px from the box's centre / box size), height of the heatmap's
                      peak, var_x, cov_xy, var_y (/ box size²), visibility, depth (m from the pelvis along
                      the optical axis, away from the camera positive), whether depth is known: 1 as the
                      front end tells, 2 as several cameras measured
``vision_present``    1 where the joint was measured in the newest frame; 0: the columns are zeros
``vision_age``        seconds since the newest frame was taken
``vision_world``      joints as the front end alone sees them: m from the pelvis, camera axes (x right,
                      y down, z forward); zero where depth is unknown. Not an input: labels and drawing
``box``               the person's box: (cx - W/2) / W, (cy - H/2) / W, size / W
``inertial``          a slot for each place of ``drivers.places.PLACES``: mean specific force / 9.80665 and
                      mean angular rate over the tick (rad/s), newest orientation (6D)
``stature``           of the wearer, m; 0 where nobody told
``bones``             of the wearer, m, as of :data:`fusion.virtual.kinematics.HANGS`; 0 where nobody told
``audio``             32 log-mel bands (of 20 dB, full scale at 3) and onset strength
===================== ===============================================================================
"""
