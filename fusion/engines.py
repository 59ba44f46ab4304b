"""What runs graphs on the CPU, opened in one place: LiteRT and ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from drivers.errors import MissingDependency
from drivers.quiet import quiet_stderr


def litert(graph: bytes, threads: int = 1, shorten: Callable[[bytes], bytes] | None = None) -> Any:
    """Return a LiteRT interpreter of a graph, its tensors allocated.

    Args:
        graph: the ``.tflite`` file's bytes.
        threads: of the CPU.
        shorten: makes the graph that is run of one that LiteRT has verified.

    Raises:
        MissingDependency: LiteRT is not installed.
        ValueError: it runs no such graph; with its own words.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingDependency(
            "LiteRT is not installed", mend="Run `python -m pip install ai-edge-litert`"
        ) from error
    try:
        with quiet_stderr():  # it tells which delegate it makes
            made = Interpreter(model_content=graph, num_threads=threads)
            if shorten is not None and (less := shorten(graph)) is not graph:
                made = Interpreter(model_content=less, num_threads=threads)
            made.allocate_tensors()
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    return made


def onnx_runtime(extra: str = "edge") -> Any:
    """Return the module ``onnxruntime``.

    Args:
        extra: of this distribution, which brings what the caller needs.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependency(
            "ONNX Runtime is not installed", mend=f"pip install 'chorus-fusion[{extra}]'"
        ) from error
    return onnxruntime


def onnx_session(
    graph: Path | bytes, threads: int = 1, weights: Mapping[str, NDArray[Any]] | None = None, *, extra: str
) -> Any:
    """Return a session of ONNX Runtime.

    Args:
        graph: the ``.onnx`` file, which may have others beside it, or its bytes.
        threads: of the CPU.
        weights: values of what the graph only names, see :mod:`fusion.model.beside`.
        extra: as of :func:`onnx_runtime`.

    Raises:
        MissingDependency: it is not installed.
        ValueError: it runs no such graph; with its own words.
    """
    module = onnx_runtime(extra)
    options = module.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what it says of a bad graph is in its error
    content = str(graph) if isinstance(graph, Path) else graph
    try:
        if weights:
            values = [module.OrtValue.ortvalue_from_numpy(value) for value in weights.values()]
            options.add_external_initializers(list(weights), values)
        return module.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common base but this one
        raise ValueError(str(error)) from error
