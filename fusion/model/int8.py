"""An ONNX graph with its weights in 8 bits: a quarter of the size; what flows between them stays float.

Weights of linear layers get a scale for each output channel, what they are multiplied with one at each step
("dynamic" quantization, https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html): so
nothing has to be calibrated, and nothing saturates when sensors say what calibration had not seen.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from drivers.errors import MissingDependency


def quantise(source: Path, target: Path, *, per_channel: bool = True, keep: tuple[str, ...] = ()) -> None:
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
        raise MissingDependency(
            f"{error.name} is not installed", mend="pip install 'chorus-fusion[onnx]'"
        ) from None
    model = onnx.load(str(source))
    _upright(model)
    linear = [node.name for node in model.graph.node if node.op_type in ("MatMul", "Gemm")]
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)
    try:
        quantize_dynamic(
            model,
            str(target),
            per_channel=per_channel,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Gemm"],
            nodes_to_exclude=[name for name in linear if name.lstrip("/").startswith(keep)] if keep else [],
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    finally:
        logging.getLogger().setLevel(level)
    quantised = onnx.load(str(target))
    told = {each.key: each.value for each in model.metadata_props}
    onnx.helper.set_model_props(quantised, {**told, "precision": "int8"})
    onnx.save(quantised, str(target))


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
