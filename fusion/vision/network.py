"""A ``.tflite`` network run on the CPU by LiteRT."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.errors import WeightsError
from fusion.engines import litert
from fusion.vision.pruned import pruned


class Network:
    """An image network with one input (1, height, width, 3) float32 and outputs found by shape.

    Args:
        graph: the ``.tflite`` file's bytes.
        name: what to call it in errors.
        threads: CPU threads one inference may use.
        wanted: shapes of the outputs that are asked for; nothing else is computed. None: all.

    Attributes:
        size: (width, height) of the input, px.
        shapes: of the outputs, in the graph's order.
    """

    def __init__(
        self,
        graph: bytes,
        name: str,
        threads: int = 1,
        wanted: Sequence[tuple[int, ...]] | None = None,
    ) -> None:
        asked = None if wanted is None else wanted.__contains__
        try:
            self._interpreter = litert(graph, threads, asked and (lambda content: pruned(content, asked)))
        except ValueError as error:
            raise WeightsError(
                f"{name} is not a network that LiteRT can run: {error}",
                mend="Run `chorus weights get blazepose` or name another file",
            ) from error
        details = self._interpreter.get_input_details()
        shape = tuple(int(n) for n in details[0]["shape"])
        if len(details) != 1 or len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
            raise WeightsError(
                f"{name} takes {shape}, not one picture (1, height, width, 3)",
                mend="Name the BlazePose network, or a .task bundle",
            )
        self._input = details[0]["index"]
        self.size: tuple[int, int] = (shape[2], shape[1])
        outputs = self._interpreter.get_output_details()
        self.shapes = [tuple(int(n) for n in output["shape"]) for output in outputs]
        self._outputs = [output["index"] for output in outputs]
        self._name = name

    def find(self, shape: tuple[int, ...]) -> int:
        """Return which output has that shape.

        Raises:
            WeightsError: none has, or several.
        """
        found = [i for i, s in enumerate(self.shapes) if s == shape]
        if len(found) != 1:
            raise WeightsError(
                f"{self._name} has {len(found)} outputs of shape {shape}; its outputs are {self.shapes}",
                mend="Name a full or heavy BlazePose network, which gives heatmaps",
            )
        return found[0]

    def __call__(self, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network on (height, width, 3) float32 and return copies of its outputs."""
        self._interpreter.set_tensor(self._input, image[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]
