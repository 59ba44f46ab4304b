"""A ``.tflite`` graph of any number type on LiteRT: pictures in, floats out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import WeightsError
from fusion.engines import litert

MAX_GRAPH = 256 << 20
"""Bytes; a larger file is no pose network."""


class PictureGraph:
    """A graph with one input (1, height, width, 3).

    Args:
        path: the file.
        threads: CPU threads.

    Attributes:
        size: (width, height) of the input, px.
        fixed: whether it takes that size only.
        quantised: whether it takes px as they are; floats are brought to [-1, 1].
        shapes: of the outputs.

    Raises:
        MissingDependency: LiteRT is not installed.
        WeightsError: no graph that LiteRT runs, or its input is no picture.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        if path.stat().st_size > MAX_GRAPH:
            raise WeightsError(f"{path.name} is too large to be a pose network", mend="Name another file")
        try:
            self._interpreter = litert(path.read_bytes(), threads)
            details = self._interpreter.get_input_details()
            self.fixed = all(int(n) > 0 for n in details[0]["shape_signature"])
        except ValueError as error:
            reason = " ".join(str(error).split())[:160]
            raise WeightsError(
                f"{path.name} is not a network that LiteRT can run: {reason}",
                mend="Obtain the file again, or name another one",
            ) from None
        shape = tuple(int(n) for n in details[0]["shape"])
        self._type = details[0]["dtype"]
        if len(details) != 1 or len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
            raise WeightsError(
                f"{path.name} takes {shape}, not one picture (1, height, width, 3)", mend="Name another file"
            )
        if self._type not in (np.uint8, np.int32, np.float32):
            raise WeightsError(f"{path.name} takes {self._type.__name__}", mend="Name another file")
        self.quantised = self._type == np.uint8
        self._input = details[0]["index"]
        self._read()

    def _read(self) -> None:
        details = self._interpreter.get_input_details()[0]
        _, height, width, _ = (int(n) for n in details["shape"])
        self.size = (width, height)
        self._details = self._interpreter.get_output_details()
        self.shapes = [tuple(int(n) for n in one["shape"]) for one in self._details]

    def resize(self, width: int, height: int) -> None:
        """Take pictures of another size from now on."""
        if self.size != (width, height):
            self._interpreter.resize_tensor_input(self._input, (1, height, width, 3))
            self._interpreter.allocate_tensors()
            self._read()

    def __call__(self, rgb: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Return the outputs for a (height, width, 3) picture, as numbers whatever their quantisation is."""
        values: NDArray[Any] = rgb.astype(self._type)
        if self._type == np.float32:
            values = values / np.float32(127.5) - np.float32(1)
        self._interpreter.set_tensor(self._input, values[None])
        self._interpreter.invoke()
        found = []
        for one in self._details:
            scale, zero = one["quantization"]
            raw = self._interpreter.get_tensor(one["index"])
            found.append(((raw.astype(np.float32) - zero) * scale if scale else raw).astype(np.float32))
        return found
