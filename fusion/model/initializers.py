"""Names of the weights that an ONNX file holds, read without the library onnx.

A file is a protobuf message (https://protobuf.dev/programming-guides/encoding/); the numbers of the fields
are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

_GRAPH = 7  # of ModelProto
_INITIALIZER = 5  # of GraphProto
_NAME = 8  # of TensorProto
_BYTES = {1: 8, 5: 4}  # of the wire types of fixed size


def initializer_names(model: bytes) -> list[str]:
    """Return the names of an ONNX model's initializers, in their order.

    Raises:
        ValueError: it is no protobuf message.
    """
    return [
        name.decode()
        for graph in _fields(model, _GRAPH)
        for tensor in _fields(graph, _INITIALIZER)
        for name in _fields(tensor, _NAME)
    ]


def _fields(message: bytes, wanted: int) -> Iterator[bytes]:
    """Yield the contents of a message's fields of one number that have a length."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(message, at)
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in _BYTES:
            size = _BYTES[kind]
        else:
            raise ValueError(f"a field of wire type {kind}")
        if at + size > len(message):
            raise ValueError("it is cut off")
        if kind == 2 and tag >> 3 == wanted:
            yield message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it is cut off")
