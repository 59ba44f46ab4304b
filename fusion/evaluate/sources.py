"""What ``chorus evaluate`` is given: which kind of data, read into windows, and what is to be said of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from drivers.errors import ConfigError, DataError
from fusion.data import human36m
from fusion.data.batches import Batch
from fusion.data.berkeley_mhad import BerkeleyMhadData
from fusion.data.sessions import read_track
from fusion.data.utd_mhad import UtdMhadData
from fusion.data.virtual import VirtualBatches
from fusion.data.windows import Windows
from fusion.model.net import FusionNet
from fusion.virtual import sets
from fusion.virtual.corrupt import Corruption
from fusion.virtual.library import Library
from fusion.virtual.sensing import SensorRanges

RATE_HZ = 60.0


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is asked of the data.

    Attributes:
        seed: of virtual sensors, of the places of windows and of corruptions.
        windows: of virtual data, how many.
        window_s: their length; also that of a session's.
        split: of motion files; empty: those held out of training where there are any, else all.
        subjects: of data sets by subjects; empty: those of their final test.
        corruption: done to sensors or features.
    """

    seed: int = 0
    windows: int = 64
    window_s: float = 4.0
    split: str = ""
    subjects: tuple[int, ...] = ()
    corruption: Corruption | None = None


@dataclasses.dataclass(frozen=True)
class Loaded:
    """Windows to evaluate.

    Attributes:
        kind: of data.
        batches: of windows, corrupted already.
        rate_hz: ticks per second.
        named: whether each window is one action; otherwise ticks have poses, contacts or actions.
        facts: what is to be said: seeds, split, counts ...
        reference: makes windows to learn baselines from.
    """

    kind: str
    batches: list[Batch]
    rate_hz: float
    named: bool
    facts: dict[str, object]
    reference: Callable[[], list[Batch]] | None = None


def kind_of(data: str) -> str:
    """Return the kind of ``data``: a path or the name of a motion set.

    Raises:
        DataError: there is nothing there, or nothing that is known.
    """
    if data in (*sets.SETS, "simulator"):
        return "motion set"
    path = Path(data).expanduser()
    if path.is_file():
        if path.name.startswith("utd_mhad") and ".tar" in path.name:
            return "UTD-MHAD"
        if path.name.startswith("berkeley_mhad") and ".tar" in path.name:
            return "Berkeley MHAD"
        if path.suffix in (".h5", ".hdf5"):
            return "session"
        raise DataError(f"{data} is no session", mend="Give a session (.h5) or a folder of data")
    if not path.is_dir():
        known = ", ".join((*sets.SETS, "simulator"))
        raise DataError(f"there is no {data}", mend=f"Give a file, a folder, or one of: {known}")
    for folder in (path, path / "utd_mhad"):
        if (folder / "Skeleton").is_dir() and (folder / "Inertial").is_dir():
            return "UTD-MHAD"
    if any(path.glob("S*/MyPoses/3D_positions")):
        return "Human3.6M"
    if any((folder / "Accelerometer").is_dir() for folder in (path, path / "berkeley_mhad_acc")):
        return "Berkeley MHAD"
    if any(path.glob("*.h5")):
        return "session"
    if any(path.rglob("*.bvh")):
        return "BVH"
    raise DataError(
        f"{data} holds nothing to evaluate on",
        mend="Give sessions (.h5), BVH files, UTD-MHAD (Skeleton, Inertial), Human3.6M "
        "(S9/MyPoses) or Berkeley MHAD (Accelerometer)",
    )


def load(data: str, net: FusionNet, asked: Asked) -> Loaded:
    """Read ``data`` into windows for ``net``.

    Raises:
        DataError: it is not there, malformed, or has nothing that could be compared.
        ConfigError: it cannot be done with this data.
    """
    kind = kind_of(data)
    if kind in ("motion set", "BVH"):
        return _motion(kind, data, net, asked)
    if asked.corruption is not None and asked.corruption.virtual:
        raise ConfigError(
            f"corruption {asked.corruption} changes virtual sensors, and {data} was recorded by real ones",
            mend="Evaluate it on motion (BVH files, or a motion set)",
        )
    if kind == "session":
        loaded = _sessions(data, net, asked)
    elif kind == "Human3.6M":
        batches, facts = human36m.windows(
            Path(data).expanduser(),
            asked.subjects or human36m.TEST_SUBJECTS,
            asked.windows,
            asked.window_s,
            RATE_HZ,
            asked.seed,
        )
        loaded = Loaded(kind, batches, RATE_HZ, False, facts)
    else:
        loaded = _by_subjects(kind, data, net, asked)
    return dataclasses.replace(loaded, batches=_corrupted(loaded.batches, asked))


def _corrupted(batches: list[Batch], asked: Asked) -> list[Batch]:
    if asked.corruption is None:
        return batches
    change = asked.corruption.batch
    seeds = (asked.seed * 1_000_003 + number for number in range(len(batches)))
    return [change(b, torch.Generator().manual_seed(s)) for b, s in zip(batches, seeds, strict=True)]


def _motion(kind: str, data: str, net: FusionNet, asked: Asked) -> Loaded:
    library = Library.open([data]) if kind == "motion set" else Library.open([], folders=[data])
    held = any(sets.held_out(clip.clip) for clip in library.clips)
    split = asked.split or ("test" if held else "val" if data == "simulator" else "all")
    chosen = library if split == "all" else library.select(split)
    ranges = asked.corruption.ranges(SensorRanges()) if asked.corruption else SensorRanges()
    size = min(8, asked.windows)
    ticks = round(asked.window_s * RATE_HZ)
    made = VirtualBatches(chosen, ticks, size, ranges, asked.seed, net.config.actions)
    batches = [made[number] for number in range(-(-asked.windows // size))]
    facts: dict[str, object] = {
        "sensors": "virtual: simulation, not measurement",
        "split": split,
        "clips": len(chosen.clips),
        "minutes": round(chosen.minutes, 1),
        "windows": size * len(batches),
        "window_s": asked.window_s,
        "seed": asked.seed,
    }
    return Loaded(kind, _corrupted(batches, asked), RATE_HZ, False, facts)


def _sessions(data: str, net: FusionNet, asked: Asked) -> Loaded:
    path = Path(data).expanduser()
    files = [path] if path.is_file() else sorted(path.glob("*.h5"))
    tracks = [read_track(file, net.config.actions, RATE_HZ) for file in files]
    windows = Windows(tracks, round(asked.window_s * RATE_HZ))
    places = windows.places(windows.ticks)
    batches = [windows[places[at : at + 8]] for at in range(0, len(places), 8)]
    facts: dict[str, object] = {
        "sensors": "recorded",
        "sessions": len(files),
        "minutes": round(sum(len(t) for t in tracks) / RATE_HZ / 60.0, 1),
        "windows": len(places),
        "window_s": asked.window_s,
        "seed": asked.seed,
        "truth": ", ".join(sorted({_truth(file) for file in files})),
    }
    return Loaded("session", batches, RATE_HZ, False, facts)


def _truth(file: Path) -> str:
    """Say what a session's poses are compared with."""
    from recordings.reader import open_recording

    with open_recording(file) as recording:
        if "truth" in recording.streams and len(recording.streams["truth"]):
            return "recorded"
    return "none: joints are the vision front end's own, so that errors are differences from it"


def _by_subjects(kind: str, data: str, net: FusionNet, asked: Asked) -> Loaded:
    """Read a data set of people who did one action at a time."""
    make, sensors = _BY_SUBJECTS[kind]
    own = make(data)
    test = asked.subjects or tuple(own.subjects["test"])
    known = tuple(s for s in own.subjects["train"] if s not in test)
    source = make(data, train_subjects=known, test_subjects=test)
    source.setup("test")
    numbers = action_numbers(source.action_names, net, kind)
    batches = [_renumbered(batch, numbers) for batch in source.test_dataloader()]
    facts: dict[str, object] = {
        "sensors": sensors,
        "split": f"subjects {', '.join(map(str, test))}; baselines learn from {', '.join(map(str, known))}",
        "windows": sum(len(batch["segment"]) for batch in batches),
        "seed": asked.seed,
    }

    def reference() -> list[Batch]:
        return [_renumbered(batch, numbers) for batch in source.reference_dataloader()]

    return Loaded(kind, batches, source.rate_hz, True, facts, reference if known else None)


_BY_SUBJECTS: dict[str, tuple[Callable[..., UtdMhadData | BerkeleyMhadData], str]] = {
    "UTD-MHAD": (UtdMhadData, "recorded: Kinect skeleton and one inertial sensor of unspecified place"),
    "Berkeley MHAD": (BerkeleyMhadData, "recorded: six accelerometers"),
}


def action_numbers(names: Sequence[str], net: FusionNet, data: str) -> torch.Tensor:
    """Return the network's number of each of the data's actions.

    Raises:
        ConfigError: the network does not know all of them.
    """
    own = net.config.actions
    missing = [name for name in names if name not in own]
    if missing:
        raise ConfigError(
            f"the weights do not know {len(missing)} of the {len(names)} actions of {data}, "
            f"such as '{missing[0]}'",
            mend="Evaluate weights that were trained on its actions",
        )
    return torch.tensor([own.index(name) for name in names])


def _renumbered(batch: Batch, numbers: torch.Tensor) -> Batch:
    action = batch["targets"]["action"]
    action = torch.where(action >= 0, numbers[action.clamp(min=0)], -1)
    targets = {**batch["targets"], "action": action}
    return {**batch, "targets": targets, "segment": numbers[batch["segment"]]}
