"""The landmark network without its mask of the person gives what the whole one gives."""

import numpy as np
import pytest

from fusion.vision.network import Network
from fusion.vision.pruned import pruned

MASK = (1, 256, 256, 1)


@pytest.fixture(scope="module")
def graph(blazepose_weights):
    return blazepose_weights["landmarks"].read_bytes()


def test_what_is_left_is_the_same_to_the_last_bit(graph):
    whole = Network(graph, "the landmark network")
    wanted = [shape for shape in whole.shapes if shape != MASK]
    assert len(wanted) == len(whole.shapes) - 1
    less = Network(graph, "the landmark network", 1, wanted)
    assert less.shapes == wanted
    picture = np.random.default_rng(0).random((256, 256, 3), np.float32)
    all_of_it = dict(zip(whole.shapes, whole(picture), strict=True))
    for shape, values in zip(less.shapes, less(picture), strict=True):
        np.testing.assert_array_equal(values, all_of_it[shape])


def test_a_graph_of_which_all_is_wanted_or_nothing_stays_as_it_is(graph):
    assert pruned(graph, lambda shape: True) is graph
    assert pruned(graph, lambda shape: False) is graph


def test_only_the_operators_that_lead_to_nothing_else_go(graph):
    pytest.importorskip("ai_edge_litert.schema_py_generated")
    from ai_edge_litert import schema_py_generated as schema

    def operators(data):
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
        return len(model.subgraphs[0].operators)

    less = pruned(graph, lambda shape: shape != MASK)
    assert operators(graph) - 60 < operators(less) < operators(graph) - 20
    assert pruned(less, lambda shape: shape != MASK) is less
