"""The simulator's rotations are those of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from drivers.simulator.rotations import from_rotation_vector, quaternion, rotation_vector

EDGES = np.array([[0, 0, 0], [np.pi, 0, 0], [0, np.pi, 0], [0, 0, np.pi], [1e-9, 0, 0], [2.0, -2.0, 1.0]])


@given(st.integers(0, 2**32 - 1))
def test_they_are_those_of_a_well_kept_library(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = np.vstack([EDGES, rng.normal(size=(20, 3)) * 10.0 ** rng.uniform(-9, 1, (20, 1))])
    matrices = from_rotation_vector(vectors)
    assert matrices == pytest.approx(Rotation.from_rotvec(vectors).as_matrix(), abs=1e-12)
    found = quaternion(matrices)
    assert (found[:, 3] >= 0).all()
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-12)
    assert Rotation.from_quat(found).as_matrix() == pytest.approx(matrices, abs=1e-12)


def test_any_shape_goes_through() -> None:
    vectors = np.random.default_rng(1).normal(0, 0.3, (4, 5, 3))
    matrices = from_rotation_vector(vectors)
    assert matrices.shape == (4, 5, 3, 3)
    assert rotation_vector(matrices) == pytest.approx(vectors)
    assert quaternion(matrices).shape == (4, 5, 4)
    assert quaternion(matrices)[2, 3] == pytest.approx(quaternion(matrices[2, 3]))
