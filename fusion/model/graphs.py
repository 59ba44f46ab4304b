"""Graphs that run without torch: ONNX Runtime, and LiteRT, on the CPU, behind one face.

A graph takes arrays by name and gives arrays by name, and says what kind of file it is in text of its own:
properties of an ONNX model, and for LiteRT a file in the archive that a ``.tflite`` may carry behind it
(https://ai.google.dev/edge/litert/models/metadata, "pack the associated files").
"""

from __future__ import annotations

import abc
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.errors import WeightsError
from fusion.engines import litert, onnx_session
from fusion.model.initializers import initializer_names

TOLD = "chorus.json"
"""File behind a ``.tflite`` with what a graph says of itself."""
MAX_TOLD = 1 << 20

_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}


class Value(NamedTuple):
    """Shape and type of what a graph takes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Graph(abc.ABC):
    """A graph, ready to run.

    Attributes:
        runtime: name of what runs it.
        inputs: by name, what it takes.
        about: what the file says of itself.
    """

    runtime: str
    inputs: dict[str, Value]
    about: dict[str, str]

    @abc.abstractmethod
    def run(self, given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return what it tells, by name; ``given`` may hold more than it takes."""


class OnnxGraph(Graph):
    """A graph on ONNX Runtime.

    Args:
        path: of the ``.onnx`` file.
        threads: of the CPU.
        weights: values of what the file only names, see :mod:`fusion.model.beside`.

    Raises:
        MissingDependency: ONNX Runtime is not installed.
        WeightsError: it is no graph, or takes what we have no name for.
    """

    runtime = "onnx"

    def __init__(
        self, path: Path, threads: int = 1, weights: Mapping[str, NDArray[Any]] | None = None
    ) -> None:
        if not path.is_file():
            raise _absent(path)
        content = path.read_bytes()
        try:
            self._session = onnx_session(content, threads, _named(content, weights or {}), extra="edge")
        except ValueError as error:
            raise _foreign(path, str(error)) from None
        self._told = [value.name for value in self._session.get_outputs()]
        self.inputs = {}
        for value in self._session.get_inputs():
            fixed = all(isinstance(size, int) for size in value.shape)
            if value.type not in _TYPES or not fixed:
                raise _foreign(path, f"{value.name} is {value.type} {value.shape}")
            self.inputs[value.name] = Value(tuple(value.shape), np.dtype(_TYPES[value.type]))
        self.about = dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        values: Any = self._session.run(self._told, {name: given[name] for name in self.inputs})
        return dict(zip(self._told, values, strict=True))


class LiteRtGraph(Graph):
    """A graph on LiteRT, called by its one signature.

    Args:
        path: of the ``.tflite`` file.
        threads: of the CPU.

    Raises:
        MissingDependency: LiteRT is not installed.
        WeightsError: it is no graph, or has no signature.
    """

    runtime = "litert"

    def __init__(self, path: Path, threads: int = 1) -> None:
        if not path.is_file():
            raise _absent(path)
        try:
            self._interpreter = litert(path.read_bytes(), threads)
            names = list(self._interpreter.get_signature_list())
        except ValueError as error:
            raise _foreign(path, str(error)) from None
        if len(names) != 1:
            raise _foreign(path, f"it has {len(names)} signatures, not one")
        self._run = self._interpreter.get_signature_runner(names[0])
        self._inputs: dict[str, str] = {}
        self.inputs = {}
        self.about, words = _behind(path)
        details = self._run.get_input_details()
        for name, detail in details.items():
            own = words.get(str(name), str(name))
            self._inputs[own] = str(name)
            self.inputs[own] = Value(tuple(int(n) for n in detail["shape"]), np.dtype(detail["dtype"]))
        self._outputs: dict[str, str] = {
            str(name): words.get(str(name), str(name)) for name in self._run.get_output_details()
        }

    def run(self, given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        told = self._run(**{name: given[own] for own, name in self._inputs.items()})
        return {self._outputs[name]: value for name, value in told.items()}


def open_graph(path: Path, threads: int = 1) -> Graph:
    """Return the graph of an ``.onnx`` or ``.tflite`` file.

    Raises:
        WeightsError: it is none.
    """
    return LiteRtGraph(path, threads) if path.suffix == ".tflite" else OnnxGraph(path, threads)


def initial_state(graph: Graph) -> dict[str, NDArray[Any]]:
    """Return the state before the first tick: a network that has seen nothing remembers zeros."""
    return {
        name: np.zeros(value.shape, value.dtype)
        for name, value in graph.inputs.items()
        if name.startswith("state.")
    }


def _named(content: bytes, weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return those weights that a graph names."""
    names = initializer_names(content) if weights else []
    return {name: weights[name] for name in names if name in weights}


def _behind(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return what a ``.tflite`` file says of itself and the names of what its signature numbers."""
    try:
        with zipfile.ZipFile(path) as packed:
            if packed.getinfo(TOLD).file_size > MAX_TOLD:
                raise _foreign(path, f"{TOLD} in it is too large")
            told = json.loads(packed.read(TOLD))
        return dict(told["about"]), dict(told["names"])
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError):
        return {}, {}


def _absent(path: Path) -> WeightsError:
    return WeightsError(f"there is no graph at {path}", mend="Name a file that chorus export-model wrote")


def _foreign(path: Path, why: str) -> WeightsError:
    return WeightsError(
        f"{path} is no graph that can be run ({why.splitlines()[0][:200] if why else 'it is damaged'})",
        mend="Name a file that chorus export-model wrote",
    )
