"""What runs a network: onnxruntime, or OpenCV's own.

Both take one (1, ...) float32 array and give arrays; whatever a runtime says of a bad file becomes one line.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.errors import WeightsError
from fusion.engines import onnx_session

MAX_WEIGHTS = 4 << 30
"""Bytes; a larger file is no pose network."""


class Runtime(abc.ABC):
    """A loaded network."""

    @abc.abstractmethod
    def __call__(self, values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the outputs for one input.

        Raises:
            WeightsError: the network does not take such an input.
        """


class OnnxRuntime(Runtime):
    """An ``.onnx`` file run by onnxruntime on the CPU.

    Args:
        path: the file.
        threads: CPU threads.
        outputs: names of the outputs; empty: all, as the graph has them.

    Raises:
        MissingDependency: onnxruntime is not installed.
        WeightsError: the file is no network, or has other outputs.
    """

    def __init__(self, path: Path, threads: int = 1, outputs: Sequence[str] = ()) -> None:
        try:
            self._session = onnx_session(path, threads, extra="onnx")
        except ValueError as error:
            raise _unreadable(path, "onnxruntime", error) from None
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or "float" not in inputs[0].type:
            raise WeightsError(
                f"{path.name} takes {[(one.shape, one.type) for one in inputs]}, not one float picture",
                mend="Export it with one input of four axes",
            )
        self._half = inputs[0].type == "tensor(float16)"
        self._input, self._name = inputs[0].name, path.name
        names = [output.name for output in self._session.get_outputs()]
        missing = [name for name in outputs if name not in names]
        if missing:
            raise WeightsError(
                f"{path.name} has no output '{missing[0]}'", mend=f"Its outputs are {', '.join(names)}"
            )
        self._outputs = list(outputs) or names

    def __call__(self, values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        given = values.astype(np.float16) if self._half else values
        try:
            found = self._session.run(self._outputs, {self._input: given})
        except Exception as error:
            raise _refused(self._name, values, error) from None
        return [np.asarray(one, np.float32) for one in found]


class OpenCVRuntime(Runtime):
    """A graph that ``cv2.dnn`` reads: ``.pb`` of TensorFlow, ``.onnx``, ``.tflite``, Caffe's in OpenCV 4.

    Args:
        path: the file.
        outputs: names of the layers to read; empty: the graph's own outputs.
        config: a second file that describes the layers (Caffe's ``.prototxt``).

    Raises:
        WeightsError: OpenCV does not read the file.
    """

    def __init__(self, path: Path, outputs: Sequence[str] = (), config: Path | None = None) -> None:
        kind = path.suffix.lower()
        if kind not in (".pb", ".onnx", ".tflite", ".caffemodel"):
            raise WeightsError(
                f"{path.name} is no file that OpenCV's networks are read from",
                mend="Give a .pb, .onnx, .tflite or .caffemodel",
            )
        if kind == ".caffemodel" and not hasattr(cv2.dnn, "readNetFromCaffe"):
            raise WeightsError(
                f"{path.name}: OpenCV {cv2.__version__} no longer reads Caffe's files",
                mend="pip install 'opencv-python<5', or give the network as .onnx",
            )
        if kind == ".caffemodel" and (config is None or not config.is_file()):
            raise WeightsError(
                f"{path.name} comes without its .prototxt", mend="Name it with `:config=FILE.prototxt`"
            )
        if path.stat().st_size > MAX_WEIGHTS:
            raise WeightsError(f"{path.name} is too large to be a pose network", mend="Name another file")
        quiet = _Quiet()
        try:
            with quiet:
                self._net: Any = cv2.dnn.readNet(str(path), str(config) if config else "")
                if self._net.empty():
                    raise ValueError("it holds no layers")
                self._outputs = list(outputs) or list(self._net.getUnconnectedOutLayersNames())
        except (cv2.error, ValueError, SystemError) as error:
            raise _unreadable(path, "OpenCV", error) from None
        self._name = path.name

    def __call__(self, values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        try:
            with _Quiet():
                self._net.setInput(values)
                found = self._net.forward(self._outputs)
        except cv2.error as error:
            raise _refused(self._name, values, error) from None
        return [np.array(one, np.float32) for one in found]


class _Quiet:
    """OpenCV writes what it throws to stderr as well: once is enough."""

    def __enter__(self) -> None:
        self._level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

    def __exit__(self, *exc: object) -> None:
        cv2.utils.logging.setLogLevel(self._level)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text.rpartition("error: ")[2][:160] or type(error).__name__


def _unreadable(path: Path, who: str, error: Exception) -> WeightsError:
    return WeightsError(
        f"{path.name} is not a network that {who} can run: {_reason(error)}",
        mend="Obtain the file again, or name another one",
    )


def _refused(name: str, values: NDArray, error: Exception) -> WeightsError:
    return WeightsError(
        f"{name} does not take an input of {values.shape}: {_reason(error)}",
        mend="Correct width, height and layout in its description",
    )
