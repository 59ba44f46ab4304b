"""BVH files: any hierarchy, any order of channels, read whole or refused whole with the line at fault.

Format: Biovision Hierarchical data; M. Meredith and S. Maddock, "Motion Capture File Formats Explained",
University of Sheffield, 2001. A joint's rotation is the product of its rotation channels in the order in
which they stand; where a joint has position channels they take the place of its offset, as animation programs
do it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drivers.errors import DataError

Array = NDArray[np.float64]

MAX_BYTES = 1 << 28
MAX_NODES = 2000
MAX_DEPTH = 200
_CHUNK = 4096  # rows whose text is taken apart at once: words take ten times the memory of numbers
_CHANNEL = re.compile(r"([XYZ])(rotation|position)\Z", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Bvh:
    """A hierarchy and its motion.

    Attributes:
        names: (J) of the nodes, parents before children; an End Site is its parent's name and ``.end``.
        parents: (J) number of each node's parent, -1 for a root.
        offsets: (J, 3) from the parent, in the parent's frame and the file's unit.
        channels: (J) channels of each node, as ``Xposition`` or ``Zrotation``; none for an End Site.
        frame_time_s: between rows.
        values: (T, C) the channels of all nodes in order; rotations in degrees.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Array
    channels: tuple[tuple[str, ...], ...]
    frame_time_s: float
    values: Array

    def __len__(self) -> int:
        return len(self.values)

    @functools.cached_property
    def local(self) -> tuple[Array, Array]:
        """Rotations (T, J, 3, 3) and translations (T, J, 3) of each node in its parent's frame."""
        rows, nodes = len(self), len(self.names)
        turn = np.broadcast_to(np.eye(3), (rows, nodes, 3, 3)).copy()
        place = np.broadcast_to(self.offsets, (rows, nodes, 3)).copy()
        first = np.cumsum([0, *(len(channels) for channels in self.channels)])
        alike: dict[str, list[tuple[int, list[int]]]] = {}
        for node, channels in enumerate(self.channels):
            order, columns = "", []
            for number, channel in enumerate(channels, int(first[node])):
                axis = channel[0]
                if channel[1:] == "position":
                    place[:, node, "XYZ".index(axis)] = self.values[:, number]
                else:
                    order += axis
                    columns.append(number)
            if order:
                alike.setdefault(order, []).append((node, columns))
        for order, members in alike.items():
            angles = self.values[:, [columns for _, columns in members]].reshape(-1, len(order))
            made = _euler(order, np.radians(angles)).reshape(rows, len(members), 3, 3)
            turn[:, [node for node, _ in members]] = made
        return turn, place

    @functools.cached_property
    def world(self) -> tuple[Array, Array]:
        """Rotations (T, J, 3, 3) and positions (T, J, 3) of each node in the file's world."""
        return chained(self.parents, *self.local)

    @functools.cached_property
    def rest(self) -> tuple[Array, Array]:
        """Rotations (J, 3, 3) and positions (J, 3) with all channels zero but the offsets."""
        turn = np.broadcast_to(np.eye(3), (1, len(self.names), 3, 3))
        rotations, positions = chained(self.parents, turn, self.offsets[None])
        return rotations[0], positions[0]


def chained(parents: tuple[int, ...], turn: Array, place: Array) -> tuple[Array, Array]:
    """Return rotations (T, J, 3, 3) and positions (T, J, 3) in the world of nodes given in their parents'
    frames."""
    rotations, positions = np.empty_like(turn), np.empty_like(place)
    for node, parent in enumerate(parents):
        if parent < 0:
            rotations[:, node], positions[:, node] = turn[:, node], place[:, node]
        else:
            rotations[:, node] = rotations[:, parent] @ turn[:, node]
            moved = np.einsum("tij,tj->ti", rotations[:, parent], place[:, node])
            positions[:, node] = positions[:, parent] + moved
    return rotations, positions


def _euler(order: str, angles: Array) -> Array:
    """Return (N, 3, 3), the product of turns about ``order``'s axes by angles (N, len(order)) in rad."""
    if not len(angles):
        return np.empty((0, 3, 3))
    if len(order) == 3 and len({*order}) == 3:
        return Rotation.from_euler(order, angles).as_matrix()
    out = np.broadcast_to(np.eye(3), (len(angles), 3, 3))
    for axis, angle in zip(order, angles.T, strict=True):
        out = out @ Rotation.from_euler(axis, angle[:, None]).as_matrix()
    return out


def read(path: str | Path) -> Bvh:
    """Read a file.

    Raises:
        DataError: it can't be read, is larger than :data:`MAX_BYTES`, or a line of it is malformed.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is larger than {MAX_BYTES >> 20} MB", mend="Cut it into shorter clips")
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror})", mend="Name a .bvh file") from None
    return parse(text, path.name)


def parse(text: str, name: str = "text") -> Bvh:
    """Read the text of a file.

    Args:
        text: the whole file; lines end in LF, CRLF or CR.
        name: for errors.

    Raises:
        DataError: a line is malformed; the error says which.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    reader = _Reader(name)
    at = reader.hierarchy(lines)
    frames, frame_time, at = reader.heading(lines, at)
    values = reader.rows(lines, at, frames)
    return Bvh(
        tuple(reader.names),
        tuple(reader.parents),
        np.array(reader.offsets, np.float64),
        tuple(reader.channels),
        frame_time,
        values,
    )


class _Reader:
    """The state of one parse; ``number`` is the line that is being read, from 0."""

    def __init__(self, name: str) -> None:
        self.name, self.number = name, 0
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[tuple[float, ...] | None] = []
        self.channels: list[tuple[str, ...]] = []
        self.ends: set[int] = set()

    def error(self, what: str) -> DataError:
        return DataError(f"{self.name}, line {self.number + 1}: {what}", mend="Export the BVH file again")

    def hierarchy(self, lines: list[str]) -> int:
        """Read up to the line MOTION and return the number of the line after it."""
        open_nodes: list[int] = []
        waiting = False  # for the brace that opens the newest node
        begun = False
        for word, rest in self._statements(lines):
            if waiting != (word == "{"):
                raise self.error(f"expected {'{' if waiting else 'a statement'}, found {word!r}")
            if word == "{":
                waiting = False
            elif word == "HIERARCHY" and not begun:
                begun = True
            elif not begun:
                raise self.error(f"expected HIERARCHY, found {word[:40]!r}")
            elif word == "}":
                if not open_nodes:
                    raise self.error("a brace closes nothing")
                if self.offsets[open_nodes.pop()] is None:
                    raise self.error("a node ends without an OFFSET")
            elif word in ("ROOT", "JOINT", "END"):
                self._node(word, rest, open_nodes)
                waiting = True
            elif word == "OFFSET" and open_nodes and self.offsets[open_nodes[-1]] is None:
                self.offsets[open_nodes[-1]] = self._numbers(rest, 3)
            elif word == "CHANNELS" and open_nodes and self._bare(open_nodes[-1]):
                self.channels[open_nodes[-1]] = self._channels(rest)
            elif word == "MOTION" and not open_nodes and self.names:
                return self.number + 1
            else:
                raise self.error(f"{word[:40]} does not belong here")
        self.number = max(0, len(lines) - 1)
        raise self.error("the file ends before MOTION")

    def _statements(self, lines: list[str]) -> Iterator[tuple[str, str]]:
        """Yield the first word, in capitals, and the rest of each statement; braces are statements."""
        for self.number, line in enumerate(lines):
            for piece in re.split(r"([{}])", line):
                words = piece.split(None, 1)
                if words:
                    yield words[0].upper(), words[1].strip() if len(words) > 1 else ""

    def _node(self, word: str, rest: str, open_nodes: list[int]) -> None:
        if (word == "ROOT") != (not open_nodes):
            raise self.error(
                "a ROOT stands within another node" if open_nodes else f"{word} stands outside a ROOT"
            )
        if word != "END" and not rest:
            raise self.error(f"{word} without a name")
        if len(self.names) >= MAX_NODES or len(open_nodes) >= MAX_DEPTH:
            raise self.error(f"more than {MAX_NODES} nodes or {MAX_DEPTH} levels")
        if open_nodes and open_nodes[-1] in self.ends:
            raise self.error("an End Site has children")
        parent = open_nodes[-1] if open_nodes else -1
        if word == "END":
            self.ends.add(len(self.names))
        open_nodes.append(len(self.names))
        self.names.append(rest[:200] if word != "END" else f"{self.names[parent]}.end")
        self.parents.append(parent)
        self.offsets.append(None)
        self.channels.append(())

    def _bare(self, node: int) -> bool:
        return not self.channels[node] and node not in self.ends

    def _channels(self, rest: str) -> tuple[str, ...]:
        count, *words = rest.split() or [""]
        found = [_CHANNEL.match(word) for word in words]
        if not count.isdigit() or int(count) != len(words) or not all(found):
            raise self.error(f"CHANNELS {rest[:80]!r} is not a number and as many channels")
        named = tuple(m[1].upper() + m[2].lower() for m in found if m)
        if len(named) > 6 or sum("position" in channel for channel in {*named}) != sum(
            "position" in channel for channel in named
        ):
            raise self.error("a node has more than six channels, or one position twice")
        return named

    def _numbers(self, rest: str, count: int) -> tuple[float, ...]:
        try:
            values = tuple(float(word) for word in rest.split())
        except ValueError:
            values = ()
        if len(values) != count or not all(map(math.isfinite, values)):
            raise self.error(f"expected {count} number{'s' * (count > 1)}, found {rest[:60]!r}")
        return values

    def heading(self, lines: list[str], at: int) -> tuple[int, float, int]:
        """Read ``Frames:`` and ``Frame Time:``; return both and the number of the line after."""
        found: list[float] = []
        for begin in ("frames:", "frame time:"):
            while at < len(lines) and not lines[at].strip():
                at += 1
            self.number = min(at, len(lines) - 1)
            line = " ".join(lines[at].split()) if at < len(lines) else ""
            if not line.lower().startswith(begin):
                raise self.error(f"expected {begin.title()!r}, found {line[:60]!r}")
            found += self._numbers(line[len(begin) :], 1)
            at += 1
            if begin == "frames:" and (found[0] != int(found[0]) or found[0] < 0):
                raise self.error(f"{found[0]} is no number of frames")
        if not 1e-5 < found[1] < 60.0:
            raise self.error(f"a frame time of {found[1]} s is none")
        return int(found[0]), found[1], at

    def rows(self, lines: list[str], at: int, frames: int) -> Array:
        """Read the rows: as many as were announced, each of all channels."""
        columns = sum(map(len, self.channels))
        filled = [(number, line) for number, line in enumerate(lines[at:], at) if line and not line.isspace()]
        if len(filled) != frames:
            self.number = filled[-1][0] if filled else min(at, len(lines) - 1)
            raise self.error(f"{frames} frames are announced and {len(filled)} are there")
        values = np.empty((frames, columns))
        for begin in range(0, frames, _CHUNK):
            chunk = filled[begin : begin + _CHUNK]
            values[begin : begin + _CHUNK] = self._chunk(chunk, columns)
        return values

    def _chunk(self, filled: list[tuple[int, str]], columns: int) -> Array:
        words: list[str] = []
        for self.number, line in filled:
            row = line.split()
            if len(row) != columns:
                raise self.error(f"a row of {len(row)} values where {columns} channels are declared")
            words += row
        try:
            values = np.array(words, dtype=np.float64).reshape(len(filled), columns)
            if np.isfinite(values).all():
                return values
        except ValueError:
            pass
        for self.number, line in filled:
            self._numbers(line, columns)
        raise self.error("a value is no number")


def write(path: str | Path, bvh: Bvh, decimals: int = 6) -> None:
    """Write a file; it appears whole or not at all.

    Args:
        path: of the file.
        bvh: what to write.
        decimals: of offsets and values.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".bvh")
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
        file.write(_hierarchy_text(bvh, decimals))
        file.write(f"MOTION\nFrames: {len(bvh)}\nFrame Time: {bvh.frame_time_s:.9g}\n")
        np.savetxt(file, bvh.values, fmt=f"%.{decimals}f")
    Path(name).replace(path)


def _hierarchy_text(bvh: Bvh, decimals: int) -> str:
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(bvh.parents):
        children.setdefault(parent, []).append(node)

    def block(node: int, depth: int) -> Iterator[str]:
        indent = "\t" * depth
        end = not bvh.channels[node] and bvh.names[node].endswith(".end")
        word = "ROOT" if bvh.parents[node] < 0 else "JOINT"
        yield f"{indent}End Site" if end else f"{indent}{word} {bvh.names[node]}"
        yield f"{indent}{{"
        yield f"{indent}\tOFFSET " + " ".join(f"{value:.{decimals}f}" for value in bvh.offsets[node])
        if not end:
            yield f"{indent}\tCHANNELS {len(bvh.channels[node])} " + " ".join(bvh.channels[node])
        for child in children.get(node, ()):
            yield from block(child, depth + 1)
        yield f"{indent}}}"

    lines = [line for root in children.get(-1, ()) for line in block(root, 0)]
    return "\n".join(["HIERARCHY", *lines, ""])
