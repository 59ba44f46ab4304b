"""Any top-down network as a front end: ``onnx`` on onnxruntime, ``opencv-dnn`` on OpenCV.

::

    picture -> boxes of people -> crop -> network -> heatmaps or SimCC -> joints
                     ^                                                     |
                     +-------------- box of the next picture --------------+

What a network takes and gives stands in a YAML file: :mod:`fusion.vision.description`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from drivers.errors import ConfigError, WeightsError
from fusion.vision import decode, heatmaps, region
from fusion.vision.base import FrontEnd, Heatmaps, Pauses, Person, check_picture
from fusion.vision.boxes import Box, Boxes, People, around
from fusion.vision.description import NetworkDescription, checked_weights, known, read_description
from fusion.vision.runtimes import OnnxRuntime, OpenCVRuntime, Runtime

LOOK_EVERY = 10
"""Pictures between two looks for further people, while fewer than ``max_people`` are followed."""
SAME_PERSON = 0.08
"""Joints nearer than this to one another in the median, of the larger box's longer side, are one person's."""
NEAR_BOX = 0.1
"""Boxes whose middles are nearer than this, of the longest side, show one person."""
SURE_JOINTS = 4
"""Fewer sure joints are nobody."""
MAP_PX = 4
"""Px of the crop to a cell of the heatmaps that are made of SimCC."""


class _Look(NamedTuple):
    person: Person
    following: Box


class TopDown(FrontEnd):
    """Looks at one person at a time with a network that a description tells of.

    Args:
        description: of the network.
        runtime: the loaded network.
        boxes: where people are looked for.
        max_people: how many.
        threads: CPU threads of the detector.
        confident: outdoes the description's.
        heatmaps: keep the heatmaps with each person.

    Raises:
        WeightsError: the network gives something other than the description says.
        ConfigError: a value makes no sense.
    """

    def __init__(
        self,
        description: NetworkDescription,
        runtime: Runtime,
        *,
        boxes: Boxes = "detector",
        max_people: int = 1,
        threads: int = 1,
        confident: float | None = None,
        heatmaps: bool = True,
    ) -> None:
        if boxes not in ("detector", "whole"):
            raise ConfigError(f"{self.name}: boxes={boxes} is unknown", mend="Choose detector or whole")
        if boxes == "whole" and max_people > 1:
            raise ConfigError(
                f"{self.name}: boxes=whole is one person's", mend="Use boxes=detector, or --people=1"
            )
        if max_people < 1 or threads < 1 or not 0 < (confident or 0.5) < 1:
            raise ConfigError(
                f"{self.name}: max_people={max_people}, threads={threads}, confident={confident} "
                "make no sense",
                mend="Give at least 1 person, at least 1 thread and a confidence between 0 and 1",
            )
        self._about, self._run = description, runtime
        self.skeleton = description.joints
        self._confident = confident or description.confident
        self._max_people, self._keep_heatmaps = max_people, heatmaps
        self._size = description.width, description.height
        self._evidence(
            np.zeros((description.height, description.width, 3), np.uint8)
        )  # is it such a network?
        self._people = People(boxes, max_people > 1, threads)
        self._padded = boxes == "detector"
        self.reset()

    @property
    def padding(self) -> float:
        """Side of the crop over that of the person's box."""
        return self._about.padding

    def reset(self) -> None:
        self._followed: list[Box] = []
        self._since_look = 0
        self._paused = Pauses()
        self._people.reset()

    def __call__(self, image: NDArray[np.uint8], time_ns: int) -> list[Person]:
        check_picture(image)
        if self._paused(time_ns):
            self._followed = []
        looks: list[_Look] = []
        for box in self._followed:
            self._add(looks, self._look(image, box, self._about.padding))
        self._since_look += 1
        if not looks or (len(looks) < self._max_people and self._since_look >= LOOK_EVERY):
            self._since_look = 0
            for box in self._people(image):
                if len(looks) >= self._max_people:
                    break
                if not any(_near(box, look.following) for look in looks):
                    self._add(looks, self._find(image, box))
        self._followed = [look.following for look in looks]
        return [look.person for look in looks]

    def at(self, image: NDArray[np.uint8], box: Box) -> Person | None:
        """Return who is in a box that is known already; nobody is followed for it."""
        found = self._look(image, box, self._about.padding)
        return None if found is None else found.person

    def _find(self, image: NDArray[np.uint8], box: Box) -> _Look | None:
        """Look twice: a detector's box is loose, one around the joints fits."""
        first = self._look(image, box, self._about.padding if self._padded else 1.0)
        if first is None:
            return None
        return self._look(image, first.following, self._about.padding) or first

    def _add(self, looks: list[_Look], look: _Look | None) -> None:
        if look is not None and not any(same(look.person, other.person, self._confident) for other in looks):
            looks.append(look)

    def _look(self, image: NDArray[np.uint8], box: Box, padding: float) -> _Look | None:
        about = self._about
        width, height = self._size
        place = box.shaped(width / height, padding)
        if not place.sane:
            return None
        to_crop = placed(place, self._size, about.alignment)
        crop = cv2.warpAffine(image, to_crop, self._size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        joints, evidence, cells = self._evidence(np.asarray(crop, np.uint8))
        if float(joints.peak.mean()) < self._confident:
            return None
        points = region.apply(placed(place, cells, about.alignment), joints.points)
        sure = joints.peak >= self._confident
        if sure.sum() < min(SURE_JOINTS, len(sure)):
            return None
        following = around(points[sure])
        if not following.sane:
            return None
        to_picture = placed(place, (evidence.shape[2], evidence.shape[1]), about.alignment)
        near = joints.points * np.array([evidence.shape[2] / cells[0], evidence.shape[1] / cells[1]])
        spread = heatmaps.statistics(evidence, near)
        low, high = points[sure].min(0), points[sure].max(0)
        person = Person(
            keypoints=points.astype(np.float32),
            score=joints.peak.clip(0, 1).astype(np.float32),
            variance=region.apply_covariance(to_picture, spread.variance).astype(np.float32),
            box=(float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])),
            heatmaps=Heatmaps(evidence, to_picture) if self._keep_heatmaps else None,
        )
        return _Look(person, following)

    def _evidence(
        self, crop: NDArray[np.uint8]
    ) -> tuple[decode.Joints, NDArray[np.float32], tuple[int, int]]:
        """Return the joints of a crop in cells, the heatmaps, and how many cells the crop has."""
        about = self._about
        colour = cv2.cvtColor(crop, cv2.COLOR_BGR2RGB) if about.colour == "rgb" else crop
        values = (colour.astype(np.float32) - np.array(about.mean, np.float32)) / np.array(
            about.std, np.float32
        )
        nchw = about.layout == "nchw"
        given = np.ascontiguousarray(values.transpose(2, 0, 1) if nchw else values)[None]
        outputs = self._run(given)
        count = len(self.skeleton)
        if about.output == "heatmap":
            found = _maps(outputs[0], count, about)
            cells = found.shape[2], found.shape[1]
            return decode.of_heatmaps(found, about.decode, about.blur), found.clip(0, 1), cells
        x, y = _distributions(outputs, count, self._size, about)
        joints = decode.of_simcc(x, y, about.decode)
        bins = max(1, round(MAP_PX * about.split))
        return joints, decode.maps_of_simcc(x.clip(0, 1), y.clip(0, 1), bins), (x.shape[1], y.shape[1])


def placed(box: Box, cells: tuple[int, int], alignment: str) -> NDArray[np.float64]:
    """Return the (2, 3) affine from the cells (columns, rows) of a crop to picture px."""
    rows = []
    for axis, (middle, length, count) in enumerate(
        ((box.x, box.width, cells[0]), (box.y, box.height, cells[1]))
    ):
        step = length / (count - 1 if alignment == "udp" else count)
        first = middle - length / 2 + (step / 2 if alignment == "centre" else 0)
        rows.append([step, 0.0, first] if axis == 0 else [0.0, step, first])
    return np.array(rows)


def _near(box: Box, known: Box) -> bool:
    """Whether a box shows somebody who is known already."""
    side = max(box.width, box.height, known.width, known.height)
    return float(np.hypot(box.x - known.x, box.y - known.y)) < NEAR_BOX * side


def same(one: Person, other: Person, sure: float) -> bool:
    """Whether two sets of joints are one person's: most of those sure in both lie on one another."""
    both = (one.score >= sure) & (other.score >= sure)
    if not both.any():
        return False
    size = max(*one.box[2:], *other.box[2:])
    apart = np.median(np.linalg.norm(one.keypoints - other.keypoints, axis=1)[both])
    return bool(apart < SAME_PERSON * size)


def _finished(values: NDArray[np.float32], about: NetworkDescription) -> NDArray[np.float32]:
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    done = expit(values) if about.activation == "sigmoid" else values
    return np.asarray(done * np.float32(about.gain), np.float32)


def _maps(output: NDArray[np.float32], count: int, about: NetworkDescription) -> NDArray[np.float32]:
    if output.ndim != 4 or output.shape[0] != 1:
        raise WeightsError(
            f"the network gives {output.shape}, not one heatmap (1, joints, h, w) for each joint",
            mend="Correct `output` in its description, or name the right one in `outputs`",
        )
    wanted = count + about.background
    if output.shape[1] != wanted and output.shape[3] == wanted:
        output = output.transpose(0, 3, 1, 2)
    if output.shape[1] != wanted:
        raise WeightsError(
            f"the network gives {output.shape[1]} heatmaps, its skeleton has {count} joints"
            f"{' and a background' if about.background else ''}",
            mend="Correct `skeleton` in its description, or name another file",
        )
    if min(output.shape[2:]) < 4:
        raise WeightsError(
            f"the network's heatmaps have {output.shape[3]} x {output.shape[2]} cells",
            mend="Name another file",
        )
    return _finished(np.ascontiguousarray(output[0, :count]), about)


def _distributions(
    outputs: list[NDArray[np.float32]], count: int, size: tuple[int, int], about: NetworkDescription
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    expected = [(1, count, round(side * about.split)) for side in size]
    shapes = [output.shape for output in outputs]
    if shapes[:2] != expected:
        raise WeightsError(
            f"the network gives {shapes}, not the SimCC distributions {expected}",
            mend="Correct `skeleton`, `split` and the sizes in its description, or name x and y in `outputs`",
        )
    return _finished(outputs[0][0], about), _finished(outputs[1][0], about)


class OnnxPose(TopDown):
    """``onnx``: HRNet, ViTPose, RTMPose or whatever a YAML file describes, on onnxruntime.

    Args:
        weights: the YAML file, or a name of those that come with the package beside ``file``.
        file: the .onnx, where the description names none.
        threads: CPU threads of the network.
        boxes, max_people, confident, heatmaps: as :class:`TopDown` has them.

    Raises:
        MissingDependency: onnxruntime is not installed.
        WeightsError, ConfigError: a file is missing or is not what it says.
    """

    name = "onnx"

    def __init__(
        self,
        weights: str = "",
        file: str = "",
        boxes: Boxes = "detector",
        max_people: int = 1,
        threads: int = 1,
        confident: float | None = None,
        heatmaps: bool = True,
    ) -> None:
        if not weights or weights.endswith(".onnx"):
            raise ConfigError(
                f"onnx: {weights or 'nothing'} does not describe a network",
                mend="Give a YAML file, onnx:FILE.yaml, or onnx:NAME:file=FILE.onnx with a NAME of "
                f"{', '.join(known())}",
            )
        about = read_description(weights)
        path = checked_weights(about, file, weights)
        super().__init__(
            about,
            OnnxRuntime(path, threads, about.outputs),
            boxes=boxes,
            max_people=max_people,
            threads=threads,
            confident=confident,
            heatmaps=heatmaps,
        )


class OpenCVPose(TopDown):
    """``opencv-dnn``: graphs that OpenCV reads; without a description, the CPM with 14 joints.

    Args:
        weights: the graph (.pb, .onnx, .tflite), or a YAML file that describes and names one.
        network: name or YAML file of the description.
        boxes, max_people, confident, heatmaps: as :class:`TopDown` has them.

    Raises:
        WeightsError, ConfigError: a file is missing or is not what it says.
    """

    name = "opencv-dnn"

    def __init__(
        self,
        weights: str = "",
        network: str = "cpm14",
        boxes: Boxes = "detector",
        max_people: int = 1,
        confident: float | None = None,
        heatmaps: bool = True,
    ) -> None:
        described = Path(weights).suffix in (".yaml", ".yml")
        about = read_description(weights if described else network)
        if not weights:
            raise ConfigError(
                "opencv-dnn: no weights are named",
                mend=f"Give opencv-dnn:model.pb; the CPM can be had from {about.source or 'its authors'}",
            )
        path = checked_weights(about, "" if described else weights, weights)
        super().__init__(
            about,
            OpenCVRuntime(path, about.outputs),
            boxes=boxes,
            max_people=max_people,
            confident=confident,
            heatmaps=heatmaps,
        )
