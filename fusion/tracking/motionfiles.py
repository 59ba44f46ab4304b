"""Poses as files of biomechanics and animation, written as they come: TRC and MOT for OpenSim, BVH.

Headers say how many rows there are: it is written when the file ends. A file that was never ended has 0 there
and is whole otherwise.
"""

from __future__ import annotations

import abc
import math
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from scipy.spatial.transform import Rotation

from fusion.posture.angles import ANGLES, of_joints, of_rotations
from fusion.posture.frames import segment, trunk
from fusion.segments import JOINT, SEGMENT
from fusion.skeletons import BODY20
from fusion.tracking.levelled import Array, Levelled, Leveller
from fusion.tracking.pose import Pose
from fusion.tracking.sinks import Sink

_DIGITS = 9
_LONGEST_S = 60.0
"""A longer pause is left out: nobody was there."""
_FROM_JOINTS = {angle.name for angle in ANGLES if angle.from_joints}
_OPENSIM = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""World with z up to OpenSim's ground: x stays, y up, z to the right of who looks along x."""


class _Growing(Sink):
    """A text file whose count of rows is filled in at the end; ticks that are missing have rows too.

    Args:
        path: a new file.
        rate_hz: ticks per second.
        start: session time that counts as 0, ns; by default that of the first pose.
    """

    def __init__(self, path: Path, rate_hz: float, start: int | None = None) -> None:
        self._path = path
        self._rate = rate_hz
        self._start = start
        self._line, self._last = "", 0
        self._file: TextIO = path.open("x", newline="", encoding="utf-8")
        self._rows = 0
        self._counts: list[int] = []
        self._level = Leveller()
        self._begun = False

    def pose(self, pose: Pose) -> None:
        """Write a pose."""
        level = self._level(pose)
        if not self._begun:
            self._begun, self._start = True, level.time if self._start is None else self._start
            self._begin(level)
        assert self._start is not None
        missed = round((level.time - self._last) / 1e9 * self._rate) - 1 if self._rows else 0
        for number in range(missed if missed <= _LONGEST_S * self._rate else 0):
            at = self._last + round((number + 1) * 1e9 / self._rate)
            self._write(self._missing((at - self._start) / 1e9, self._line))
        if (line := self._row((level.time - self._start) / 1e9, level)) is not None:
            self._write(line)
            self._line, self._last = line, level.time

    def _write(self, line: str) -> None:
        self._file.write(line + "\n")
        self._rows += 1

    def close(self) -> None:
        """Fill in the count and close; without any row there is no file."""
        if self._file.closed:
            return
        for at in self._counts:
            self._file.seek(at)
            self._file.write(f"{self._rows:0{_DIGITS}d}")
        self._file.close()
        if not self._rows:
            self._path.unlink(missing_ok=True)

    def _count(self) -> None:
        """Leave room for the count of rows."""
        self._file.flush()
        self._counts.append(self._file.tell())
        self._file.write("0" * _DIGITS)

    @abc.abstractmethod
    def _begin(self, level: Levelled) -> None:
        """Write the header."""

    @abc.abstractmethod
    def _row(self, time_s: float, level: Levelled) -> str | None:
        """Return a row, or None where there is none."""

    @abc.abstractmethod
    def _missing(self, time_s: float, last: str) -> str:
        """Return the row of a tick without a pose, after the row ``last``."""


class TrcSink(_Growing):
    """Joints of BODY20 as markers, mm, y up."""

    name = "trc"

    def _begin(self, level: Levelled) -> None:
        write, rate = self._file.write, f"{self._rate:g}"
        write(f"PathFileType\t4\t(X/Y/Z)\t{self._path.name}\n")
        write("DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\t")
        write(f"OrigNumFrames\n{rate}\t{rate}\t")
        self._count()
        write(f"\t{len(BODY20)}\tmm\t{rate}\t1\t")
        self._count()
        write("\nFrame#\tTime" + "".join(f"\t{joint}\t\t" for joint in BODY20) + "\n\t")
        write("".join(f"\tX{j}\tY{j}\tZ{j}" for j in range(1, len(BODY20) + 1)) + "\n\n")

    def _row(self, time_s: float, level: Levelled) -> str | None:
        places = 1000.0 * level.joints @ _OPENSIM.T
        cells = [f"{self._rows + 1}", f"{time_s:.6f}", *(f"{value:.3f}" for value in places.ravel())]
        return "\t".join(cells)

    def _missing(self, time_s: float, last: str) -> str:
        return "\t".join([f"{self._rows + 1}", f"{time_s:.6f}", *[""] * (3 * len(BODY20))])


_COORDINATES: dict[str, tuple[str, float]] = {
    "lumbar_extension": ("trunk_flexion", -1.0),
    "lumbar_bending": ("trunk_bending", 1.0),
    "lumbar_rotation": ("trunk_rotation", 1.0),
}
for _side, _end in (("right", "r"), ("left", "l")):
    _COORDINATES |= {
        f"hip_flexion_{_end}": (f"{_side}_hip_flexion", 1.0),
        f"hip_adduction_{_end}": (f"{_side}_hip_adduction", 1.0),
        f"hip_rotation_{_end}": (f"{_side}_hip_rotation", 1.0),
        f"knee_angle_{_end}": (f"{_side}_knee_flexion", 1.0),
        f"ankle_angle_{_end}": (f"{_side}_ankle_dorsiflexion", 1.0),
        f"arm_flex_{_end}": (f"{_side}_shoulder_flexion", 1.0),
        f"arm_add_{_end}": (f"{_side}_shoulder_adduction", 1.0),
        f"arm_rot_{_end}": (f"{_side}_shoulder_axial", 1.0),
        f"elbow_flex_{_end}": (f"{_side}_elbow_flexion", 1.0),
    }


class MotSink(_Growing):
    """Joint angles as coordinates of OpenSim's full-body model (Rajagopal et al., IEEE TBME 63, 2016).

    Degrees, m. What cannot be told is left out as a column, and holds its last value within one.
    """

    name = "mot"

    def _begin(self, level: Levelled) -> None:
        told = set(_FROM_JOINTS) if level.rotations is None else {angle.name for angle in ANGLES}
        self._columns = [name for name, (angle, _) in _COORDINATES.items() if angle in told]
        self._held = dict.fromkeys(self._columns, 0.0)
        self._file.write("Coordinates\nversion=1\nnRows=")
        self._count()
        pelvis = ["tilt", "list", "rotation", "tx", "ty", "tz"]
        names = ["time", *(f"pelvis_{name}" for name in pelvis), *self._columns]
        self._file.write(f"\nnColumns={len(names)}\ninDegrees=yes\nendheader\n" + "\t".join(names) + "\n")

    def _row(self, time_s: float, level: Levelled) -> str | None:
        if level.rotations is None:
            angles, pelvis = of_joints(level.joints), trunk(level.joints)
        else:
            angles, pelvis = of_rotations(level.rotations), segment(level.rotations, "pelvis")
        turn = _OPENSIM @ pelvis
        tilt, list_, rotation = np.degrees(Rotation.from_matrix(turn).as_euler("ZXY"))
        for name in self._columns:
            angle, sign = _COORDINATES[name]
            value = float(angles[angle])
            if math.isfinite(value):
                self._held[name] = sign * value
        place = _OPENSIM @ level.joints[JOINT["pelvis"]]
        values = [time_s, tilt, list_, rotation, *place, *self._held.values()]
        return "\t".join(f"{value:.6f}" for value in values)

    def _missing(self, time_s: float, last: str) -> str:
        return "\t".join([f"{time_s:.6f}", *last.split("\t")[1:]])


BONES: tuple[tuple[str, str, str, str], ...] = (
    ("Hips", "", "pelvis", "pelvis"),
    ("Spine", "Hips", "chest", "spine"),
    ("Head", "Spine", "head", "neck"),
    *(
        (f"{end}{name}", parent.format(end), f"{end.lower()}_{part}", f"{end.lower()}_{at}")
        for limb in (
            (
                ("Arm", "Spine", "upper_arm", "shoulder"),
                ("ForeArm", "{}Arm", "forearm", "elbow"),
                ("Hand", "{}ForeArm", "hand", "wrist"),
            ),
            (
                ("UpLeg", "Hips", "thigh", "hip"),
                ("Leg", "{}UpLeg", "shin", "knee"),
                ("Foot", "{}Leg", "foot", "ankle"),
            ),
        )
        for end in ("Left", "Right")
        for name, parent, part, at in limb
    ),
)  # fmt: skip
"""Name, parent, segment, and the row of the offsets at which it begins; in the order of a BVH file."""
_ENDS = {"Head": "head"} | {
    f"{end}{part}": f"{end}_{part}".lower() for end in ("Left", "Right") for part in ("Hand", "Foot")
}
_BVH = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""x forward, y left, z up to BVH's x left, y up, z forward."""


class BvhSink(_Growing):
    """The body as a hierarchy, cm, with rotations z-x-y; only of networks that tell rotations."""

    name = "bvh"

    def _begin(self, level: Levelled) -> None:
        if level.offsets is None or level.rotations is None:
            return
        offsets = level.offsets
        children: dict[str, list[str]] = {}
        for name, parent, _, _ in BONES:
            children.setdefault(parent, []).append(name)
        rows = {name: row for name, _, _, row in BONES}
        lines = ["HIERARCHY"]

        def add(name: str, depth: int) -> None:
            pad = "  " * depth
            offset = np.zeros(3) if name == "Hips" else 100.0 * _BVH @ offsets[JOINT[rows[name]]]
            lines.append(f"{pad}{'ROOT' if name == 'Hips' else 'JOINT'} {name}")
            lines.append(f"{pad}{{")
            lines.append(f"{pad}  OFFSET " + " ".join(f"{v:.4f}" for v in offset))
            places = "Xposition Yposition Zposition " if name == "Hips" else ""
            lines.append(f"{pad}  CHANNELS {6 if places else 3} {places}Zrotation Xrotation Yrotation")
            for child in children.get(name, []):
                add(child, depth + 1)
            if name in _ENDS:
                end = 100.0 * _BVH @ offsets[JOINT[_ENDS[name]]]
                lines.append(f"{pad}  End Site\n{pad}  {{")
                lines.append(f"{pad}    OFFSET " + " ".join(f"{v:.4f}" for v in end) + f"\n{pad}  }}")
            lines.append(f"{pad}}}")

        add("Hips", 0)
        self._file.write("\n".join(lines) + "\nMOTION\nFrames: ")
        self._count()
        self._file.write(f"\nFrame Time: {1.0 / self._rate:.8f}\n")

    def _row(self, time_s: float, level: Levelled) -> str | None:
        if level.rotations is None or not self._counts:
            return None
        frames = local_frames(level.rotations)
        angles = np.degrees(Rotation.from_matrix(_BVH @ frames @ _BVH.T).as_euler("ZXY"))
        place = 100.0 * _BVH @ level.joints[JOINT["pelvis"]]
        return " ".join(f"{value:.4f}" for value in (*place, *angles.ravel()))

    def _missing(self, time_s: float, last: str) -> str:
        return last


def local_frames(rotations: Array) -> Array:
    """Return (15, 3, 3): each of :data:`BONES` in its parent's axes, the first in the world's."""
    part = {name: rotations[SEGMENT[of]] for name, _, of, _ in BONES}
    return np.stack(
        [part[name] if not parent else part[parent].T @ part[name] for name, parent, _, _ in BONES]
    )


FILES: dict[str, type[Any]] = {"trc": TrcSink, "mot": MotSink, "bvh": BvhSink}
"""Kinds of motion files by their ending."""
