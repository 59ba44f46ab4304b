"""A motion set, prepared once: read, put into one body, resampled and kept in the user's cache by content."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from drivers.errors import ConfigError, DataError
from fusion.virtual import sets
from fusion.virtual.motion import Label, Motion
from fusion.virtual.resample import continuous, quaternions
from fusion.virtual.simulated import simulated

VERSION = 5
"""Of what is kept; another version is prepared anew."""

SIMULATED_CLIPS, SIMULATED_S = 120, 30.0
_FIRST_SEEDS = {"train": 0, "val": 1_000_000}
_SHORTEST_S = 0.5  # shorter clips are no motion to learn from

Progress = Callable[[str, int, int], None]
"""Called with the set, files done and files in all."""


@dataclasses.dataclass(frozen=True)
class Clip:
    """Where a clip lies in the kept tensors, and what is known of it."""

    clip: str
    source: str
    licence: str
    subject: str
    split: str
    begin: int
    rows: int
    labels: tuple[Label, ...]


@dataclasses.dataclass(frozen=True)
class Shelf:
    """The clips of one set.

    Attributes:
        source: name of the set.
        rate_hz: rows per second.
        clips: in order.
        turns: (S, 15, 4) quaternions, xyzw, of all clips one after the other; signs continuous within a clip.
        root: (S, 3) m.
        girdle: (S, 3, 3) m.
        contacts: (S, 2) uint8.
        offsets: (C, 20, 3) m, a body per clip.
        refused: files that could not be read, and why.
    """

    source: str
    rate_hz: float
    clips: tuple[Clip, ...]
    turns: Tensor
    root: Tensor
    girdle: Tensor
    contacts: Tensor
    offsets: Tensor
    refused: tuple[tuple[str, str], ...] = ()


_TENSORS = ("turns", "root", "girdle", "contacts", "offsets")


def cache_folder() -> Path:
    """Return where prepared clips are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chorus" / "motion"


def prepare(
    name: str, root: str | Path | None = None, rate_hz: float = 60.0, progress: Progress | None = None
) -> Shelf:
    """Return the clips of a set, from the cache or made now.

    Args:
        name: of :data:`fusion.virtual.sets.SETS`, ``simulator``, or ``any`` for all BVH files in ``root``.
        root: where the set's files are; see :func:`fusion.virtual.sets.find`.
        rate_hz: rows per second.
        progress: told of each file.

    Raises:
        DataError: the set is not there, or no file of it can be read.
    """
    if name == "simulator":
        found, key = [], f"{SIMULATED_CLIPS}x{SIMULATED_S}"
    else:
        if name == "any" and root is None:
            raise ConfigError("no folder is named", mend="Name the folder with the BVH files")
        folder = Path(root).expanduser() if name == "any" and root else sets.find(name, root)
        found = sets.files(name, folder)
        if not found:
            raise DataError(f"{name}: no motion files in {folder}", mend="Name the folder that has them")
        key = _content(folder, [path for path, _ in found])
    digest = xxhash.xxh3_128_hexdigest(f"{VERSION}|{name}|{rate_hz:.6g}|{key}".encode())
    path = cache_folder() / f"{name}-{digest}.safetensors"
    kept = _load(path, name)
    if kept is None:
        motions = (
            _simulate(rate_hz, progress) if name == "simulator" else _read(name, found, rate_hz, progress)
        )
        kept = _shelve(name, rate_hz, motions)
        _save(path, kept)
    return kept


def _content(folder: Path, paths: list[Path]) -> str:
    digest = xxhash.xxh3_128()
    for path in paths:
        digest.update(str(path.relative_to(folder)).encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()


_Made = tuple[Motion | None, str, str]
"""A motion and its split; or none, the file and why."""


def _read(
    name: str, found: list[tuple[Path, sets.Facts]], rate_hz: float, progress: Progress | None
) -> Iterable[_Made]:
    for number, (path, facts) in enumerate(found):
        if progress is not None:
            progress(name, number, len(found))
        try:
            motion = sets.load(path, facts, name, rate_hz).motion
        except DataError as error:
            yield None, path.name, error.what
            continue
        if motion.seconds < _SHORTEST_S:
            yield None, path.name, f"shorter than {_SHORTEST_S} s"
        else:
            yield motion, facts.split, ""


def _simulate(rate_hz: float, progress: Progress | None) -> Iterable[_Made]:
    for split, share in (("train", 1.0), ("val", 0.1)):
        for number in range(round(SIMULATED_CLIPS * share)):
            if progress is not None:
                progress("simulator", number, SIMULATED_CLIPS)
            yield simulated(_FIRST_SEEDS[split] + number, SIMULATED_S, rate_hz), split, ""


def _shelve(name: str, rate_hz: float, made: Iterable[_Made]) -> Shelf:
    clips: list[Clip] = []
    parts: dict[str, list[Tensor]] = {tensor: [] for tensor in _TENSORS}
    refused: list[tuple[str, str]] = []
    begin = 0
    for motion, split, why in made:
        if motion is None:
            refused.append((split, why))
            continue
        turns = continuous(quaternions(motion.rotations.numpy().astype(np.float64)))
        parts["turns"].append(torch.from_numpy(turns.astype(np.float32)))
        parts["root"].append(motion.root)
        parts["girdle"].append(motion.girdle)
        parts["contacts"].append(motion.contacts.to(torch.uint8))
        parts["offsets"].append(motion.skeleton.offsets[None])
        named = (motion.clip, motion.source, motion.licence, motion.subject, split)
        clips.append(Clip(*named, begin, len(motion), motion.labels))
        begin += len(motion)
    if not clips:
        what = f" ({refused[0][0]}: {refused[0][1]})" if refused else ""
        raise DataError(f"{name}: no file could be read{what}", mend="Look at them with `chorus data motion`")
    return Shelf(
        name, rate_hz, tuple(clips), **{n: torch.cat(p) for n, p in parts.items()}, refused=tuple(refused)
    )


def _save(path: Path, shelf: Shelf) -> None:
    clips = [dataclasses.asdict(clip) for clip in shelf.clips]
    facts = {"version": VERSION, "rate_hz": shelf.rate_hz, "clips": clips, "refused": shelf.refused}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        tensors = {n: getattr(shelf, n).contiguous() for n in _TENSORS}
        save_file(tensors, name, metadata={"chorus": json.dumps(facts)})
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _load(path: Path, name: str) -> Shelf | None:
    """Return what is kept; None where nothing sound is: it is then made again and replaced."""
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {})["chorus"])
            tensors = {tensor: file.get_tensor(tensor) for tensor in _TENSORS}
        clips = tuple(
            Clip(**{**clip, "labels": tuple(Label(**label) for label in clip["labels"])})
            for clip in facts["clips"]
        )
        refused = tuple((str(file), str(why)) for file, why in facts["refused"])
        rows = sum(clip.rows for clip in clips)
        if facts["version"] != VERSION or any(len(tensors[n]) != rows for n in _TENSORS[:-1]):
            return None
        return Shelf(name, float(facts["rate_hz"]), clips, **tensors, refused=refused)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
