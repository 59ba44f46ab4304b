"""An ONNX graph in 8 bits: a quarter of the size.

Of a graph of linear layers what flows between them stays float. Weights get a scale for each output channel,
what they are multiplied with one at each step ("dynamic" quantization,
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html): so nothing has to be
calibrated, and nothing saturates when sensors say what calibration had not seen.

Of a graph of convolutions what flows is in 8 bits too, by scales that examples tell ("static"): one for each
picture would take longer to find than is gained.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import MissingDependency

POSE = ("into", "fast", "slow", "sure")
"""Beginnings of the names of the layers that write the pose (:class:`fusion.model.body.BodyHead`).

What they round shakes joints from tick to tick; what is rounded before them hardly does.
"""


def quantise(source: Path, target: Path, *, per_channel: bool = True, keep: tuple[str, ...] = POSE) -> None:
    """Write the graph of ``source`` with weights in int8 to the new file ``target``.

    Args:
        source: a graph in float32.
        target: of the other.
        per_channel: a scale for each output channel of a weight, not one for all.
        keep: beginnings of names of layers that stay as they are.

    Raises:
        MissingDependency: the extra ``onnx`` is not installed.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise _missing(error) from None
    model = onnx.load(str(source))
    _upright(model)
    linear = [node.name for node in model.graph.node if node.op_type in ("MatMul", "Gemm")]
    kept = [name for name in linear if keep and name.lstrip("/").startswith(keep)]
    with _quiet():
        quantize_dynamic(
            model,
            str(target),
            per_channel=per_channel,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Gemm"],
            nodes_to_exclude=[*kept, *(f"{name}_MatMul" for name in kept)],  # what it makes of a Gemm
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    _tell(model, target)


def quantise_calibrated(source: Path, target: Path, examples: Iterable[NDArray[np.float32]]) -> None:
    """Write the graph of ``source`` with weights and what flows in 8 bits to the new file ``target``.

    Args:
        source: a graph in float32 with one input.
        target: of the other.
        examples: of what it is given; their range is that of what flows.

    Raises:
        MissingDependency: the extra ``onnx`` is not installed.
    """
    try:
        import onnx
        from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise _missing(error) from None
    model = onnx.load(str(source))
    (given,) = (value.name for value in model.graph.input)

    class Examples(CalibrationDataReader):
        def __init__(self) -> None:
            self._left = iter(examples)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            example = next(self._left, None)
            return None if example is None else {given: example}

    with _quiet(), tempfile.TemporaryDirectory(prefix="chorus-int8-") as folder:
        plain = Path(folder) / "plain.onnx"
        quant_pre_process(str(source), str(plain), skip_symbolic_shape=True)
        quantize_static(
            str(plain),
            str(target),
            Examples(),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    _tell(model, target)


def _missing(error: ImportError) -> MissingDependency:
    return MissingDependency(f"{error.name} is not installed", mend="pip install 'chorus-fusion[onnx]'")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantizer from saying, for each graph, how it might be prepared."""
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.getLogger().setLevel(level)


def _tell(model: Any, path: Path) -> None:
    """Let the graph of a file say of itself what ``model`` says, and that it is in 8 bits."""
    import onnx

    quantised = onnx.load(str(path))
    told = {each.key: each.value for each in model.metadata_props}
    onnx.helper.set_model_props(quantised, {**told, "precision": "int8"})
    onnx.save(quantised, str(path))


def _upright(model: Any) -> None:
    """Transpose the weights that are stored transposed, once each.

    A layer that is asked twice has its weight in two nodes; the quantizer would transpose it twice.
    """
    from onnx import numpy_helper

    weights = {value.name: value for value in model.graph.initializer}
    turned: set[str] = set()
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Gemm" and attribute.name == "transB" and attribute.i:
                name = node.input[1]
                if name not in weights:
                    continue
                if name not in turned:
                    upright = numpy_helper.to_array(weights[name]).T.copy()
                    weights[name].CopyFrom(numpy_helper.from_array(upright, name))
                    turned.add(name)
                attribute.i = 0
