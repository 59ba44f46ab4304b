"""Which node of a file is which part of the body, by the names that programs and data sets give.

Trunk nodes are found by structure, whatever they are called: the pelvis carries both thighs, the chest both
arms. Limbs and head are found by name: a prefix (``mixamorig:``, ``Bip01``) and the side are taken off, and
the stem is looked up. One name can mean two things (``LeftShoulder`` is the collar bone in MotionBuilder, the
upper arm in Biovision's own files): a part takes the first of its stems that the file has, and no node is
taken twice.
"""

from __future__ import annotations

import dataclasses
import re

from drivers.errors import DataError

STEMS: dict[str, tuple[str, ...]] = {
    "upper_arm": ("upperarm", "uparm", "arm", "humerus", "shldr", "shoulder"),
    "forearm": ("forearm", "lowerarm", "lowarm", "radius", "elbow"),
    "hand": ("hand", "wrist"),
    "thigh": ("upleg", "upperleg", "thigh", "femur", "hip"),
    "shin": ("lowleg", "lowerleg", "shin", "calf", "tibia", "knee", "leg"),
    "foot": ("foot", "ankle"),
    "toes": ("toebase", "toes", "toe0", "toe", "ball"),
    "clavicle": ("collar", "clavicle", "shoulder"),
}
"""Stems by part of a limb, in order of preference; ``toes`` and ``clavicle`` may be absent.

MotionBuilder, Mixamo, LaFAN1: LeftUpLeg LeftLeg LeftFoot LeftToeBase LeftShoulder LeftArm LeftForeArm
LeftHand; Bandai-Namco: UpperLeg_L LowerLeg_L Foot_L Toes_L Shoulder_L UpperArm_L LowerArm_L Hand_L; Poser and
DAZ: lThigh lShin lFoot lCollar lShldr lForeArm lHand; Biped: L Thigh, L Calf, L Foot, L Toe0, L UpperArm;
Biovision, Xsens: LeftHip LeftKnee LeftAnkle LeftCollar LeftShoulder LeftElbow LeftWrist; CMU's ASF: lfemur
ltibia lfoot lclavicle lhumerus lradius lwrist; SMPL: L_Hip L_Knee L_Ankle L_Foot L_Collar L_Shoulder; Unreal:
thigh_l calf_l.
"""

HEAD: tuple[str, ...] = ("head",)

_PREFIX = re.compile(r"^(.*:|bip\d+[ _]*|mixamorig\d*_?|character\d*_|m_avg_)", re.IGNORECASE)
_PASSED_OVER = re.compile(
    r"thumb|index|middle|\bmid|ring|pinky|little|finger|eye|jaw|hipjoint|buttock|twist|roll|root|reference|"
    r"spine|lowerback|upperback|abdomen|back|neck|thorax|hips?\b|pelvis|chest|bip\d*$|end$|nub|toe|collar|clavicle"
)
"""Nodes that are known and needed for nothing: the trunk's are found by structure, fingers and face are not
used."""


@dataclasses.dataclass(frozen=True)
class Parts:
    """Numbers of the nodes of a hierarchy.

    Attributes:
        limbs: ``left_upper_arm`` ... ``right_foot``, and where there are any ``left_toes`` and
        ``left_clavicle``. pelvis: carries both thighs. chest: carries both arms. head: the skull. unmapped:
        names of nodes that are neither used nor known to be of no use.
    """

    limbs: dict[str, int]
    pelvis: int
    chest: int
    head: int
    unmapped: tuple[str, ...]


def stem(name: str) -> tuple[str, str]:
    """Return side (``left``, ``right`` or empty) and stem of a node's name.

    >>> stem("mixamorig:LeftForeArm"), stem("Bip01 L Thigh"), stem("rShldr"), stem("calf_l")
    (('left', 'forearm'), ('left', 'thigh'), ('right', 'shldr'), ('left', 'calf'))
    """
    bare = _PREFIX.sub("", name.strip())
    for pattern, group in (
        (r"(left|right)[ _.-]*(.+)", 1),
        (r"([lr])[ _.-]+(.+)", 1),
        (r"([lr])(?=[A-Z])(.+)", 1),
        (r"(.+?)[ _.-]+(left|right|[lr])", 2),
        (r"(.+?)(Left|Right)", 2),
        (r"([lr])(?=femur|tibia|foot|toes|clavicle|humerus|radius|wrist|hand|hipjoint|thumb|fingers)(.+)", 1),
    ):
        flags = 0 if "A-Z" in pattern or "Left" in pattern else re.IGNORECASE
        found = re.fullmatch(pattern, bare, flags)
        if found:
            side = "left" if found[group].lower().startswith("l") else "right"
            return side, _plain(found[3 - group])
    return "", _plain(bare)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def parts_of(names: tuple[str, ...], parents: tuple[int, ...], file: str = "the file") -> Parts:
    """Find the parts of the body among nodes.

    Args:
        names: (J) of the nodes.
        parents: (J) of the nodes, -1 for a root.
        file: for errors.

    Raises:
        DataError: a part that every body has is not there; the error names it.
    """
    known: dict[tuple[str, str], int] = {}
    for number, name in enumerate(names):
        if not name.endswith(".end"):
            known.setdefault(stem(name), number)
    limbs: dict[str, int] = {}
    for side in ("left", "right"):
        taken: set[int] = set()
        for part, stems in STEMS.items():
            found = next(
                (known[side, s] for s in stems if (side, s) in known and known[side, s] not in taken), None
            )
            if found is not None:
                limbs[f"{side}_{part}"] = found
                taken.add(found)
            elif part not in ("toes", "clavicle"):
                raise DataError(
                    f"{file}: no node is the {side} {part.replace('_', ' ')} ({', '.join(names)[:200]})",
                    mend="Rename its nodes as MotionBuilder does (LeftUpLeg, LeftLeg, LeftFoot, LeftArm ...)",
                )
    head = next((known["", name] for name in HEAD if ("", name) in known), None)
    if head is None:
        raise DataError(f"{file}: no node is the head", mend="Call the skull's node Head")
    pelvis = _above(parents, limbs["left_thigh"], limbs["right_thigh"])
    chest = _above(parents, limbs["left_upper_arm"], limbs["right_upper_arm"])
    if min(pelvis, chest) < 0 or pelvis not in _line(parents, chest):
        raise DataError(f"{file}: the arms do not hang on the pelvis", mend="Export the body as one tree")
    used = {*limbs.values(), head, pelvis, chest}
    unmapped = tuple(
        name
        for number, name in enumerate(names)
        if number not in used and not name.endswith(".end") and not _PASSED_OVER.search(stem(name)[1])
    )
    return Parts(limbs, pelvis, chest, head, unmapped)


def _line(parents: tuple[int, ...], node: int) -> list[int]:
    """Return ``node`` and all it hangs on, upwards."""
    line = []
    while node >= 0:
        line.append(node)
        node = parents[node]
    return line


def _above(parents: tuple[int, ...], a: int, b: int) -> int:
    """Return the nearest node above both, -1 where there is none."""
    return next((node for node in _line(parents, a)[1:] if node in _line(parents, b)[1:]), -1)
