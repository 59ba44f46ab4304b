"""The graph of a packaged network's step without its weights: what a machine without torch needs beside them.

::

    python -m fusion.model.beside free

writes ``weights/free.onnx`` anew. Weights stay in ``free.safetensors`` alone: the graph names them, and they
are put in when it is loaded, so that new weights of the same sizes need no new graph. Needs the extra
``onnx``.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import warnings
from pathlib import Path

from drivers.errors import ChorusError
from fusion.model.checkpoint import load_net
from fusion.model.net import FusionNet
from fusion.model.onnx import about, export_step
from fusion.model.packaged import PACKAGED


def write_graph(net: FusionNet, path: Path) -> None:
    """Write the graph of one step of ``net``, for one camera, with names where its weights belong.

    Args:
        net: the network.
        path: of the graph; what was there is replaced.
    """
    import onnx
    import onnxruntime

    with tempfile.TemporaryDirectory(prefix="chorus-graph-") as folder:
        whole, less = Path(folder) / "whole.onnx", Path(folder) / "less.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter about itself
            export_step(net, whole, folded=False)
        model = onnx.load(str(whole))
        own = {f"net.{name}" for name in net.state_dict()}
        weights = [value for value in model.graph.initializer if value.name in own]
        for value in weights:  # as inputs they survive while all else that is constant is worked out
            model.graph.initializer.remove(value)
            model.graph.input.append(
                onnx.helper.make_tensor_value_info(value.name, value.data_type, value.dims)
            )
        onnx.save(model, str(whole))
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(less)
        options.log_severity_level = 3
        onnxruntime.InferenceSession(str(whole), options, providers=["CPUExecutionProvider"])
        model = onnx.load(str(less))
    names = {value.name for value in weights}
    kept = [value for value in model.graph.input if value.name not in names]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for value in weights:
        bare = onnx.TensorProto(name=value.name, data_type=value.data_type, dims=value.dims)
        bare.data_location = onnx.TensorProto.EXTERNAL
        bare.external_data.add(key="location", value="weights")
        model.graph.initializer.append(bare)
    del model.graph.value_info[:]
    told = {**about(net), "net": json.dumps(dataclasses.asdict(net.config))}
    onnx.helper.set_model_props(model, told)
    path.write_bytes(model.SerializeToString())


def main(names: list[str]) -> int:
    """Write the graphs of packaged weights anew."""
    for name in names:
        try:
            path = PACKAGED[name].with_suffix(".onnx")
            write_graph(load_net(name), path)
        except (KeyError, ChorusError) as error:
            print(f"beside: {error}", file=sys.stderr)
            return 1
        print(f"{path} ({path.stat().st_size / 1e3:.0f} kB)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(PACKAGED)))
