"""What ``chorus pose`` may be told."""

from __future__ import annotations

import dataclasses

from drivers.errors import ConfigError
from fusion.pose.smoothing import CUTOFF_HZ, Method

OUTPUTS: tuple[str, ...] = ("csv", "coco", "openpose", "trc", "overlay", "screenshots")
"""What is written, by name; ``heatmaps`` are asked for."""
WITH_PIXELS: tuple[str, ...] = ("overlay", "screenshots", "heatmaps")
"""Those that show parts of the pictures."""


@dataclasses.dataclass(frozen=True)
class PoseOptions:
    """Choices.

    Attributes:
        people: how many are looked for.
        skeleton: joint set that is written; empty: the front end's own.
        write: outputs, of :data:`OUTPUTS`.
        heatmaps: write pictures of each joint's heatmap.
        privacy: write nothing that shows a pixel.
        smooth: One-Euro for cameras and Butterworth for films, where it is ``auto``.
        smooth_hz: cutoff of the Butterworth low-pass.
        screenshots_s: seconds between screenshots; None: about twelve of a film, every 10 s of a camera.
        width: larger pictures are made so wide, px.
        duration: of each input, s; None: all.
    """

    people: int = 1
    skeleton: str = ""
    write: tuple[str, ...] = OUTPUTS
    heatmaps: bool = False
    privacy: bool = False
    smooth: Method = "auto"
    smooth_hz: float = CUTOFF_HZ
    screenshots_s: float | None = None
    width: int = 1280
    duration: float | None = None

    def __post_init__(self) -> None:
        for name in self.write:
            if name not in OUTPUTS:
                raise ConfigError(
                    f"--write: there is no output '{name}'", mend=f"Choose of: {','.join(OUTPUTS)}"
                )

    @property
    def outputs(self) -> tuple[str, ...]:
        """All that is written."""
        asked = (*dict.fromkeys(self.write), *(["heatmaps"] if self.heatmaps else []))
        return tuple(name for name in asked if not (self.privacy and name in WITH_PIXELS))

    @property
    def withheld(self) -> tuple[str, ...]:
        """What is left out because it would show pixels."""
        asked = (*self.write, *(["heatmaps"] if self.heatmaps else []))
        return tuple(name for name in WITH_PIXELS if self.privacy and name in asked)
