"""Heatmaps as pictures: for each person and joint the part of the picture that the network looked at, with
the evidence on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion.pose.frame import Frame
from fusion.pose.writer import Image, Looker
from fusion.vision.base import Heatmaps, Person
from fusion.vision.overlay import contact_sheet
from fusion.vision.screenshots import SHORTEST_NS, write_jpeg

SIDE = 320
"""Longer side of a joint's picture, px."""
MOST = 60
"""When so many pictures of a film were taken, the interval doubles."""


class HeatmapPictures(Looker):
    """Writes ``heatmaps/<picture>/person01_<joint>.jpg``, and ``person01.jpg`` with all joints on one sheet.

    Args:
        folder: that is made.
        skeleton: joints of the front end: the heatmaps are its own.
        every_s: of a film, seconds from one to the next.
    """

    name = "heatmaps"

    def __init__(self, folder: Path, skeleton: tuple[str, ...], every_s: float) -> None:
        self._folder, self._skeleton = folder, skeleton
        self._every_ns = max(round(every_s * 1e9), SHORTEST_NS)
        self._due, self._count = 0, 0
        folder.mkdir()

    def look(self, frame: Frame, people: Sequence[tuple[int, Person]], image: Image) -> None:
        """Write everybody's heatmaps if it is time to."""
        if frame.time is not None and frame.time < self._due:
            return
        shown = [(number, person) for number, person in people if person.heatmaps is not None]
        if people and not shown:
            self.note = "heatmaps: this front end gives none"
        if not shown:
            return
        if frame.time is not None:
            self._due = frame.time + self._every_ns
            self._count += 1
            if self._count % MOST == 0:
                self._every_ns *= 2
        name = frame.name if frame.time is None else f"{frame.time / 1e9:09.2f}s"
        folder = self._folder / name
        folder.mkdir()
        for number, person in shown:
            assert person.heatmaps is not None
            sheet = []
            for joint, name in enumerate(self._skeleton):
                picture = joint_picture(image, person.heatmaps, person.keypoints, joint, name)
                write_jpeg(folder / f"person{number:02d}_{name}.jpg", picture)
                sheet.append(picture)
            write_jpeg(folder / f"person{number:02d}.jpg", contact_sheet(sheet, columns=7, width=200))


def joint_picture(
    image: Image, heatmaps: Heatmaps, keypoints: NDArray[np.floating], joint: int, name: str
) -> Image:
    """Return the region of a joint's heatmap, seen upright in its own axes, under the evidence.

    Args:
        image: (H, W, 3) BGR.
        heatmaps: of the person.
        keypoints: (J, 2) px of the picture: the joint's place is marked.
        joint: its index.
        name: written on the picture.
    """
    height, width = heatmaps.values.shape[1:]
    scale = SIDE / max(height, width)
    size = (round(width * scale), round(height * scale))
    # Output px -> cells (centres of cells are whole numbers) -> picture px.
    to_cells = np.array([[1 / scale, 0, 0.5 / scale - 0.5], [0, 1 / scale, 0.5 / scale - 0.5], [0, 0, 1]])
    to_picture = heatmaps.to_picture @ to_cells
    below = cv2.warpAffine(image, to_picture, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    evidence = cv2.resize(np.clip(heatmaps.values[joint], 0, 1), size, interpolation=cv2.INTER_LINEAR)
    colours = cv2.applyColorMap(np.round(evidence * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    weight = 0.85 * np.sqrt(evidence)[..., None]
    out = np.ascontiguousarray((below * (1 - weight) * 0.75 + colours * weight).astype(np.uint8))
    turned = np.linalg.inv(np.vstack([to_picture, [0, 0, 1]]))
    place = turned @ [*keypoints[joint].astype(np.float64), 1.0]
    if np.isfinite(place).all() and (np.abs(place[:2]) < 4 * SIDE).all():
        centre = (round(float(place[0])), round(float(place[1])))
        cv2.drawMarker(out, centre, (255, 255, 255), cv2.MARKER_CROSS, 15, 1, cv2.LINE_AA)
    text = f"{name} {float(heatmaps.values[joint].max()):.2f}"
    for colour, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(out, text, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thick, cv2.LINE_AA)
    return out
