"""Small real networks whose answers are known exactly."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def save(path, nodes, inputs, outputs, constants=()):
    """Write an .onnx of these nodes."""
    graph = helper.make_graph(
        nodes,
        "known",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def constant_maps(path, maps, height, width, *, names=("maps",)):
    """A network (1, 3, height, width) that gives these arrays whatever it sees."""
    nodes, constants, outputs = [], [("zero", np.zeros(1, np.float32))], {}
    nodes.append(helper.make_node("ReduceMean", ["picture"], ["mean"], axes=[1, 2, 3], keepdims=0))
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    for name, value in zip(names, maps, strict=True):
        constants.append((f"{name}_value", np.asarray(value, np.float32)))
        nodes.append(helper.make_node("Add", [f"{name}_value", "nothing"], [name]))
        outputs[name] = list(np.shape(value))
    return save(path, nodes, {"picture": [1, 3, height, width]}, outputs, constants)


def brightness(path, height, width, joints=1, stride=4, kernel=4):
    """A network whose heatmap of joint j is channel j, a mean of ``kernel`` px at each ``stride`` px."""
    weight = np.zeros((joints, 3, kernel, kernel), np.float32)
    for joint in range(joints):
        weight[joint, joint % 3] = 1 / kernel**2
    node = helper.make_node(
        "Conv", ["picture", "weight"], ["maps"], kernel_shape=[kernel, kernel], strides=[stride, stride]
    )
    out = [1, joints, height // stride, width // stride]
    return save(path, [node], {"picture": [1, 3, height, width]}, {"maps": out}, [("weight", weight)])
