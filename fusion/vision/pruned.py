"""A ``.tflite`` graph without what nobody asks for.

BlazePose's landmark graph also makes a mask of the person, 256 x 256, at the picture's full resolution: a
third of the time of a run. LiteRT computes every output that a graph names; so the operators that lead to
nothing else are taken out, and every other output stays as it is to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def pruned(graph: bytes, wanted: Callable[[tuple[int, ...]], bool]) -> bytes:
    """Return a graph that computes only the outputs whose shape is wanted.

    Args:
        graph: a ``.tflite`` file's bytes, which LiteRT has verified.
        wanted: tells of the shape of an output whether it is asked for.

    Returns:
        the new bytes; the old ones where all outputs are wanted, or none, or the graph is not a plain one.
    """
    try:
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema
    except ImportError:  # an older LiteRT: slower, and right
        return graph
    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(graph, 0))
    if len(model.subgraphs) != 1:  # one that calls others, or loops
        return graph
    net = model.subgraphs[0]
    kept = [int(number) for number in net.outputs if wanted(_shape(net.tensors[number]))]
    if not kept or len(kept) == len(net.outputs):
        return graph
    needed = _needed(net.operators, kept)
    net.outputs = kept
    net.operators = [operator for number, operator in enumerate(net.operators) if number in needed]
    model.signatureDefs = []  # they name the outputs that were
    builder: Any = flatbuffers.Builder(len(graph))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(side) for side in tensor.shape)


def _needed(operators: list[Any], outputs: list[int]) -> set[int]:
    """Return the numbers of the operators that lead to these tensors."""
    made_by = {int(made): number for number, each in enumerate(operators) for made in each.outputs}
    needed: set[int] = set()
    waiting = list(outputs)
    while waiting:
        number = made_by.get(waiting.pop())
        if number is not None and number not in needed:
            needed.add(number)
            waiting.extend(int(tensor) for tensor in operators[number].inputs)
    return needed
