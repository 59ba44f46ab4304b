"""What a folder of motion holds: files, minutes, bones, speeds, what could not be mapped; and a picture of
it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from drivers.errors import DataError
from fusion.segments import JOINT
from fusion.skeletons import BODY20, bones
from fusion.virtual import sets
from fusion.virtual.motion import Motion

_FASTEST, _USUAL = 20.0, 5.0
"""m/s. The fastest hundredth and half of what hands and feet do are slower in everything that people do:
fists and throwing hands reach 9 to 15 m/s, and in a run at 5 m/s half of all rows are slower than 4. Faster
files have a wrong rate or a wrong unit."""

BONES: dict[str, tuple[str, str]] = {
    "trunk": ("pelvis", "neck"),
    "shoulders": ("left_shoulder", "right_shoulder"),
    "upper arm": ("left_shoulder", "left_elbow"),
    "forearm": ("left_elbow", "left_wrist"),
    "hips": ("left_hip", "right_hip"),
    "thigh": ("left_hip", "left_knee"),
    "shin": ("left_knee", "left_ankle"),
    "head over shoulders": ("neck", "head"),
}


@dataclasses.dataclass
class Found:
    """What one set of files holds.

    Attributes:
        source: name of the set.
        files: how many are read, refused ones included.
        minutes: in all.
        splits: files by split.
        licences: files by licence.
        rigs: files by kind and by what gave the frames.
        units: files by unit of length.
        rates_hz: files by rows per second.
        unmapped: nodes that are neither used nor known to be of no use, and in how many files.
        bones_cm: shortest and longest of each bone.
        stature_m: shortest and longest body.
        speed: m/s below which 99 % of hands and feet stay in the median and in the fastest file.
        contact: share of rows with a foot on the ground.
        bridged: rows that no body did and that were put between their neighbours, by file.
        dropped: rows that no body did and that were left out, by file.
        worst_mm: largest distance of a joint from the file's own.
        refused: files that could not be read, and why.
        doubts: files whose speeds no person has.
    """

    source: str
    files: int = 0
    minutes: float = 0.0
    splits: dict[str, int] = dataclasses.field(default_factory=dict)
    licences: dict[str, int] = dataclasses.field(default_factory=dict)
    rigs: dict[str, int] = dataclasses.field(default_factory=dict)
    units: dict[str, int] = dataclasses.field(default_factory=dict)
    rates_hz: dict[str, int] = dataclasses.field(default_factory=dict)
    unmapped: dict[str, int] = dataclasses.field(default_factory=dict)
    bones_cm: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    stature_m: tuple[float, float] = (0.0, 0.0)
    speed: tuple[float, float] = (0.0, 0.0)
    contact: float = 0.0
    worst_mm: float = 0.0
    bridged: dict[str, int] = dataclasses.field(default_factory=dict)
    dropped: dict[str, int] = dataclasses.field(default_factory=dict)
    refused: dict[str, str] = dataclasses.field(default_factory=dict)
    doubts: dict[str, str] = dataclasses.field(default_factory=dict)


def sets_in(folder: Path) -> list[str]:
    """Return the names of the sets whose files are in a folder; ``any`` where it is none that is known."""
    known = []
    for name in sets.SETS:
        try:
            known += [name] if sets.files(name, sets.find(name, folder)) else []
        except DataError:
            continue
    return known or ["any"]


def look(
    name: str, folder: Path, progress: Callable[[int, int], None] | None = None
) -> tuple[Found, list[Motion]]:
    """Read all files of a set, and return what they hold and a few of them.

    Args:
        name: of the set, or ``any``.
        folder: where it is.
        progress: told of files read and files in all.

    Raises:
        DataError: there are none.
    """
    base = folder if name == "any" else sets.find(name, folder)
    files = sets.files(name, base)
    if not files:
        raise DataError(f"{folder} holds no motion", mend="Name a folder with .bvh files or a motion set")
    counts: dict[str, Counter[str]] = {
        key: Counter() for key in ("splits", "licences", "rigs", "units", "rates_hz", "unmapped")
    }
    found, shown, lengths, statures, speeds, contact = Found(name, len(files)), [], [], [], [], []
    wanted = {round(k * (len(files) - 1) / 3) for k in range(4)}
    for number, (path, facts) in enumerate(files):
        if progress is not None:
            progress(number, len(files))
        try:
            loaded = sets.load(path, facts, name)
        except DataError as error:
            found.refused[path.name] = error.what
            continue
        motion = loaded.motion
        found.minutes += motion.seconds / 60.0
        found.worst_mm = max(found.worst_mm, 1000.0 * loaded.error_m)
        for key, rows in (("bridged", loaded.bridged), ("dropped", loaded.dropped)):
            if rows:
                getattr(found, key)[path.name] = rows
        counts["splits"][facts.split] += 1
        counts["licences"][facts.licence] += 1
        counts["rates_hz"][f"{motion.rate_hz:g}"] += 1
        if loaded.read is not None:
            counts["rigs"][f"{loaded.read.rig or 'unknown'}, frames from its {loaded.read.reference}"] += 1
            counts["units"][f"{loaded.read.unit} ({loaded.read.unit_m:.4g} m)"] += 1
            counts["unmapped"].update(loaded.read.parts.unmapped)
        first = motion.joints[0].numpy()
        lengths.append([np.linalg.norm(first[JOINT[a]] - first[JOINT[b]]) for a, b in BONES.values()])
        statures.append(motion.skeleton.stature)
        contact.append(float(motion.contacts.any(dim=1).float().mean()))
        fast, usual = _speeds(motion)
        speeds.append(fast)
        if fast > _FASTEST or usual > _USUAL:
            found.doubts[path.name] = (
                f"99 % of hands and feet below {fast:.1f} m/s, half above {usual:.1f} m/s"
            )
        if number in wanted:
            shown.append(motion)
    for key, counter in counts.items():
        setattr(found, key, dict(counter.most_common()))
    if lengths:
        across = 100.0 * np.array(lengths)
        found.bones_cm = {
            bone: (float(low), float(high))
            for bone, low, high in zip(BONES, across.min(axis=0), across.max(axis=0), strict=True)
        }
        found.stature_m = (min(statures), max(statures))
        found.speed = (float(np.median(speeds)), max(speeds))
        found.contact = float(np.mean(contact))
    return found, shown


def _speeds(motion: Motion) -> tuple[float, float]:
    """Return the 99th percentile and the median of the speeds, m/s, of hands and feet."""
    if len(motion) < 3:
        return 0.0, 0.0
    ends = motion.joints[
        :, [JOINT[f"{side}_{end}"] for side in ("left", "right") for end in ("hand", "foot")]
    ]
    speed = np.linalg.norm(np.gradient(ends.numpy(), 1.0 / motion.rate_hz, axis=0), axis=-1)
    return float(np.percentile(speed, 99)), float(np.median(speed))


def draw(shown: dict[str, list[Motion]], path: Path) -> None:
    """Draw six postures of each motion, with the frames of hands, feet, chest and head, into a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    motions = [motion for several in shown.values() for motion in several]
    figure = Figure(figsize=(16, 2.9 * max(1, len(motions))), layout="constrained")
    FigureCanvasAgg(figure)
    for number, motion in enumerate(motions):
        axes = figure.add_subplot(max(1, len(motions)), 1, number + 1)
        _postures(axes, motion)
        axes.set_title(
            f"{motion.source} {motion.clip}: {motion.seconds:.1f} s at {motion.rate_hz:g} Hz", fontsize=9
        )
    figure.savefig(path, dpi=70)


def _postures(axes: object, motion: Motion) -> None:
    """Draw postures side by side, seen from their left and a little from before."""
    rows = np.linspace(0, len(motion) - 1, 6).round().astype(int)
    turn = np.radians(60.0)
    view = np.array([[np.cos(turn), np.sin(turn), 0.0], [0.0, 0.0, 1.0]])  # world to picture
    places = motion.orientations.numpy()
    for number, row in enumerate(rows):
        heading = np.arctan2(places[row, 0, 1, 0], places[row, 0, 0, 0])
        cosine, sine = np.cos(-heading), np.sin(-heading)
        level = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        joints = motion.joints[row].numpy()
        seen = (joints - [*joints[0, :2], 0.0]) @ level.T @ view.T + [1.5 * number, 0.0]
        for a, b in bones(BODY20):
            colour = "tab:red" if "right" in BODY20[a] + BODY20[b] else "tab:blue"
            axes.plot(*seen[[a, b]].T, color=colour, lw=1.5)  # type: ignore[attr-defined]
        for joint, place in (
            ("left_hand", 5),
            ("right_hand", 8),
            ("left_foot", 11),
            ("right_foot", 14),
            ("head", 2),
        ):
            for axis, colour in enumerate(("black", "green", "orange")):
                tip = view @ level @ places[row, place, :, axis] * 0.12
                start = seen[JOINT[joint]]
                axes.plot(*np.stack([start, start + tip]).T, color=colour, lw=0.8)  # type: ignore[attr-defined]
        for foot, name in enumerate(("left_foot", "right_foot")):
            if motion.contacts[row, foot]:
                axes.plot(*seen[JOINT[name]], "k.", ms=6)  # type: ignore[attr-defined]
    axes.axhline(0.0, color="grey", lw=0.5)  # type: ignore[attr-defined]
    axes.set_aspect("equal")  # type: ignore[attr-defined]
    axes.set_axis_off()  # type: ignore[attr-defined]
