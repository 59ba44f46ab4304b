"""BlazePose: detector, then region, then 33 landmarks in 2D and 3D with heatmaps.

::

    picture -> Detector -> region -> landmark network -> landmarks, world landmarks, heatmaps
                             ^                                |
                             +---- region of the next picture-+     the detector rests meanwhile

Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020; Grishchenko et al.,
"BlazePose GHUM Holistic", 2022. Pre- and post-processing follow the options of MediaPipe's
``pose_landmark_cpu`` graph (Apache-2.0), without its smoothing: time is the fusion model's business.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from drivers.errors import ConfigError, WeightsError
from fusion.skeletons import BLAZEPOSE33
from fusion.vision import heatmaps, region
from fusion.vision.base import FrontEnd, Heatmaps, Pauses, Person, check_picture
from fusion.vision.detector import Detector
from fusion.vision.network import Network
from fusion.weights import get_weights, read_member

LANDMARKS = 39
"""33 landmarks, then 2 points that give the next region, then 4 unused ones."""
CELLS = 64
"""Side of a heatmap. Cell k is at the fraction k / 64 of the region, as the regressed landmarks are."""
PRESENCE = 0.5
"""Smallest probability that the region shows a person (``pose_presence`` threshold)."""
LOOK_EVERY = 10
"""Pictures between two looks for further people, while fewer than ``max_people`` are followed."""
SAME_PERSON = 0.15
"""Two regions whose centres are nearer than this fraction of the side show one person."""
SAME_JOINTS = 0.06
"""So do two sets of joints that lie so near to one another on average, of the larger box's longer side."""
CLEAR, STILL_CLEAR = 0.53, 0.35
"""Where several people are followed: the smallest mean height of the heatmaps' peaks of somebody new, and of
somebody followed. Of real people, half hidden ones included, it is 0.58 and more; of lamps, chairs and cups
that pass for people it is 0.35 to 0.5, though they have a high presence."""
CLOSE_UP = 0.3
"""Smallest score of the detector in a part of the picture, where several people are followed: who is small or
half hidden scores low, and the landmark network confirms or refuses whoever is found."""

_OUTPUTS = ((1, LANDMARKS * 5), (1, 1), (1, CELLS, CELLS, LANDMARKS), (1, LANDMARKS * 3))
"""Landmarks, presence, heatmaps, world landmarks: not the mask of the person, which nobody asks for."""

_LEFT_HIP, _RIGHT_HIP = BLAZEPOSE33.index("left_hip"), BLAZEPOSE33.index("right_hip")


class _Look(NamedTuple):
    person: Person
    following: region.Region


class BlazePose(FrontEnd):
    """Follows people from picture to picture; see :class:`fusion.vision.base.FrontEnd`.

    Args:
        weights: a ``.task`` bundle, or a ``.tflite`` landmark network; empty: obtained once and cached.
        threads: CPU threads of each network.
        max_people: how many people to follow at once.
        threshold: smallest score of the person detector.
        heatmaps: keep the heatmaps with each person (33 x 64 x 64 float32).

    Raises:
        WeightsError: the networks could not be obtained or are not BlazePose.
        MissingDependency: LiteRT is not installed.
    """

    name = "blazepose"
    skeleton = BLAZEPOSE33
    still_looks = 9  # the whole picture, and closer up in one of up to nine parts in turn

    def __init__(
        self,
        weights: str = "",
        threads: int = 1,
        max_people: int = 1,
        threshold: float = 0.5,
        heatmaps: bool = True,
    ) -> None:
        if max_people < 1 or threads < 1 or not 0 < threshold < 1:
            raise ConfigError(
                f"blazepose: max_people={max_people}, threads={threads}, threshold={threshold} make no sense",
                mend="Give at least 1 person, at least 1 thread and a threshold between 0 and 1",
            )
        detector, landmarks = _graphs(weights)
        self._detector = Detector(detector, threads, threshold)
        self._network = Network(landmarks, "the landmark network", threads, _OUTPUTS)
        self._side = self._network.size[0]
        self._points = self._network.find(_OUTPUTS[0])
        self._presence = self._network.find(_OUTPUTS[1])
        self._heatmaps = self._network.find(_OUTPUTS[2])
        self._world = self._network.find(_OUTPUTS[3])
        self._keep_heatmaps = heatmaps
        self._max_people = max_people
        self.reset()

    def reset(self) -> None:
        self._followed: list[region.Region] = []
        self._since_look = 0
        self._next_tile = 0
        self._paused = Pauses()

    def __call__(self, image: NDArray[np.uint8], time_ns: int) -> list[Person]:
        check_picture(image)
        if self._paused(time_ns):
            self._followed = []

        looks = self._look(image, self._followed, [], STILL_CLEAR)
        self._since_look += 1
        if not looks or (len(looks) < self._max_people and self._since_look >= LOOK_EVERY):
            self._since_look = 0
            looks += self._find(image, looks)
        self._followed = [look.following for look in looks]
        return [look.person for look in looks]

    @property
    def followed(self) -> list[region.Region]:
        """Where each of the people of the last picture is, in their order."""
        return list(self._followed)

    def look(self, image: NDArray[np.uint8], place: region.Region) -> Person | None:
        """Return who the landmark network finds in a part of a picture; nobody is followed for it."""
        found = self._landmarks(image, place)
        return None if found is None else found.person

    def _find(self, image: NDArray[np.uint8], known: list[_Look]) -> list[_Look]:
        """Return people that were not known: in the whole picture, else closer up in one part of it."""
        looks = self._look(image, [found.region for found in self._detector(image)], known)
        if looks and self._max_people == 1:
            return looks
        tiles = region.tiles(image.shape[1], image.shape[0])
        if self._max_people > 1:
            tiles += region.tiles(image.shape[1], image.shape[0], 1 / 3)
        several = self._max_people > 1
        # Of a film's first picture all parts are looked at; then one at a time.
        count = len(tiles) if several and self._next_tile == 0 else 1
        for _ in range(count):
            tile = tiles[self._next_tile % len(tiles)]
            self._next_tile += 1
            found = self._detector(image, tile, CLOSE_UP) if several else self._detector(image, tile)
            looks += self._look(image, [each.region for each in found], known + looks)
        return looks

    def _look(
        self,
        image: NDArray[np.uint8],
        regions: list[region.Region],
        known: list[_Look],
        clear: float = CLEAR,
    ) -> list[_Look]:
        """Return the people that the landmark network confirms in the regions and that are not known yet."""
        looks: list[_Look] = []
        for place in regions:
            if len(known) + len(looks) >= self._max_people:
                break
            if _same(place, known + looks):
                continue
            look = self._landmarks(image, place)
            if look is not None and self._max_people > 1 and float(look.person.peaks.mean()) < clear:
                continue
            if look is None or _same(look.following, known + looks):
                continue
            if self._max_people == 1 or not _joined(look.person, known + looks):
                looks.append(look)
        return looks

    def _landmarks(self, image: NDArray[np.uint8], place: region.Region) -> _Look | None:
        crop = place.crop(image, self._side, border=cv2.BORDER_REPLICATE)
        rgb = cv2.cvtColor(crop, cv2.COLOR_BGR2RGB).astype(np.float32)
        outputs = self._network(rgb * np.float32(1 / 255))
        if float(outputs[self._presence][0, 0]) < PRESENCE:
            return None
        points = outputs[self._points].reshape(LANDMARKS, 5)
        count = len(BLAZEPOSE33)
        evidence = expit(np.ascontiguousarray(outputs[self._heatmaps][0].transpose(2, 0, 1)))
        to_cells = CELLS / self._side
        refined = heatmaps.statistics(evidence[: count + 2], points[: count + 2, :2] * to_cells)
        to_picture = place.to_picture(CELLS)
        placed = region.apply(to_picture, refined.points)
        following = region.around(placed[count], placed[count + 1])
        if not following.sane:
            return None

        keypoints = placed[:count]
        low, high = keypoints.min(0), keypoints.max(0)
        world = outputs[self._world].reshape(LANDMARKS, 3)[:count].astype(np.float64)
        turn = to_picture[:, :2] / (place.side / CELLS)
        world[:, :2] = world[:, :2] @ turn.T
        world -= (world[_LEFT_HIP] + world[_RIGHT_HIP]) / 2
        person = Person(
            keypoints=keypoints.astype(np.float32),
            score=expit(points[:count, 3]),
            variance=region.apply_covariance(to_picture, refined.variance[:count]).astype(np.float32),
            box=(float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])),
            heatmaps=Heatmaps(evidence[:count], to_picture) if self._keep_heatmaps else None,
            world=world.astype(np.float32),
            peak=refined.peak[:count].astype(np.float32),
        )
        return _Look(person, following)


def _same(place: region.Region, looks: list[_Look]) -> bool:
    """Whether a region shows somebody who is known already."""
    return any(
        np.hypot(place.x - look.following.x, place.y - look.following.y)
        < SAME_PERSON * max(place.side, look.following.side)
        for look in looks
    )


def _joined(person: Person, looks: list[_Look]) -> bool:
    """Whether somebody's joints are those of a person who is known already."""
    for look in looks:
        size = max(*person.box[2:], *look.person.box[2:])
        apart = np.linalg.norm(person.keypoints - look.person.keypoints, axis=1).mean()
        if apart < SAME_JOINTS * size:
            return True
    return False


def _graphs(weights: str) -> tuple[bytes, bytes]:
    """Return the graphs of detector and landmark network.

    Raises:
        WeightsError: the file is missing or of another kind, or nothing could be obtained.
    """
    if not weights:
        paths = get_weights("blazepose")
        return paths["detector"].read_bytes(), paths["landmarks"].read_bytes()
    path = Path(weights)
    if not path.is_file():
        raise WeightsError(
            f"there is no weights file {path}",
            mend="Name an existing .task or .tflite, or leave `weights` empty",
        )
    if path.suffix == ".task":
        return read_member(path, "pose_detector.tflite"), read_member(path, "pose_landmarks_detector.tflite")
    if path.suffix == ".tflite":
        return get_weights("blazepose")["detector"].read_bytes(), path.read_bytes()
    raise WeightsError(f"{path} is neither a .task bundle nor a .tflite network", mend="Name one of these")
