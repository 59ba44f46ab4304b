"""BVH files of any hierarchy are read exactly, and malformed ones refused with the line at fault."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from drivers.errors import DataError
from fusion.virtual import bvh

TEXT = """HIERARCHY
ROOT hips and more
{
  OFFSET 1 2 3
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT arm
  {
    OFFSET 0 10 0
    CHANNELS 3 Yrotation Zrotation Xrotation
    End Site
    {
      OFFSET 0 5 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.02
10 20 30 90 0 0 0 0 0
0 0 0 0 0 0 0 90 0
"""


def test_a_file_is_read_as_it_stands():
    file = bvh.parse(TEXT)
    assert file.names == ("hips and more", "arm", "arm.end")
    assert file.parents == (-1, 0, 1)
    assert file.channels[1] == ("Yrotation", "Zrotation", "Xrotation")
    assert file.frame_time_s == 0.02
    rotations, positions = file.world
    # Position channels take the offset's place; z by 90 degrees takes y to -x.
    np.testing.assert_allclose(positions[0], [[10, 20, 30], [0, 20, 30], [-5, 20, 30]], atol=1e-9)
    np.testing.assert_allclose(positions[1], [[0, 0, 0], [0, 10, 0], [-5, 10, 0]], atol=1e-9)
    np.testing.assert_allclose(rotations[0, 0] @ [0, 1, 0], [-1, 0, 0], atol=1e-9)


def test_line_ends_tabs_capitals_and_braces_do_not_matter():
    plain = bvh.parse(TEXT)
    for text in (
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\r"),
        TEXT.replace("  ", "\t"),
        "\ufeff" + TEXT,
        TEXT.replace("\n{", " {"),
        TEXT.replace("End Site", "END SITE")
        .replace("Zrotation", "ZROTATION")
        .replace("Frames: ", "Frames:\t"),
        TEXT.replace("\n10 20", "\n\n   10\t20") + "\n\n",
    ):
        again = bvh.parse(text)
        assert again.names == plain.names
        assert again.channels == plain.channels
        np.testing.assert_array_equal(again.values, plain.values)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("HIERARCHY", "HIERARCHIE", 1),
        ("OFFSET 0 10 0", "OFFSET 0 ten 0", 8),
        ("OFFSET 0 10 0", "OFFSET 0 nan 0", 8),
        ("OFFSET 0 10 0", "OFFSET 0 10", 8),
        ("    OFFSET 0 10 0\n", "", 13),
        ("CHANNELS 3 Yrotation", "CHANNELS 4 Yrotation", 9),
        ("CHANNELS 3 Yrotation", "CHANNELS 3 Wrotation", 9),
        ("CHANNELS 6 Xposition Yposition", "CHANNELS 6 Xposition Xposition", 5),
        ("JOINT arm", "JOINT", 6),
        ("JOINT arm", "ROOT arm", 6),
        ("    End Site\n    {", "    End Site\n", 12),
        ("MOTION\n", "", 16),
        ("Frames: 2", "Frames: 3", 20),
        ("Frames: 2", "Frames: 1", 20),
        ("Frames: 2", "Frames: -1", 17),
        ("Frames: 2", "Frames: 1.5", 17),
        ("Frame Time: 0.02", "Frame Time: 0", 18),
        ("Frame Time: 0.02", "Frame Time: inf", 18),
        ("0 0 0 0 0 0 0 90 0", "0 0 0 0 0 0 0 90", 20),
        ("10 20 30 90", "10 20 nan 90", 19),
        ("10 20 30 90", "10 x 30 90", 19),
    ],
)
def test_a_malformed_file_is_refused_with_its_line(old, new, line):
    assert old in TEXT
    with pytest.raises(DataError, match=rf"^walk, line {line}:"):
        bvh.parse(TEXT.replace(old, new, 1), "walk")


def test_endless_nesting_is_refused():
    text = "HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n" + "JOINT b\n{\nOFFSET 0 0 0\n" * 5000
    with pytest.raises(DataError, match="levels"):
        bvh.parse(text)


def test_a_file_that_is_not_there_and_one_too_large_are_refused(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="can't be read"):
        bvh.read(tmp_path / "none.bvh")
    path = tmp_path / "a.bvh"
    path.write_text(TEXT)
    monkeypatch.setattr(bvh, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="larger"):
        bvh.read(path)


@given(st.text(alphabet="HIERACYROTJN{}OFSETCHMLD 019.-\n:", max_size=300))
@settings(max_examples=200)
def test_nonsense_never_does_more_than_to_be_refused(text):
    with pytest.raises(DataError):
        bvh.parse(text)


@st.composite
def files(draw) -> bvh.Bvh:
    nodes = draw(st.integers(1, 8))
    parents = tuple([-1] + [draw(st.integers(0, n - 1)) for n in range(1, nodes)])
    order = sorted(range(nodes), key=lambda n: _path(parents, n))
    back = {old: new for new, old in enumerate(order)}
    parents = tuple(back[parents[n]] if parents[n] >= 0 else -1 for n in order)
    channels = []
    for node in range(nodes):
        axes = draw(st.permutations("XYZ"))[: draw(st.integers(int(node == 0), 3))]
        places = draw(st.permutations(("Xposition", "Yposition", "Zposition")))[: draw(st.integers(0, 3))]
        channels.append((*places, *(f"{axis}rotation" for axis in axes)))
    seed = draw(st.integers(0, 1 << 30))
    rng = np.random.default_rng(seed)
    rows = draw(st.integers(0, 4))
    return bvh.Bvh(
        tuple(f"node {n}" for n in range(nodes)),
        parents,
        rng.normal(size=(nodes, 3)).round(6),
        tuple(channels),
        draw(st.sampled_from((1 / 120, 1 / 30, 0.02))),
        rng.normal(scale=90, size=(rows, sum(map(len, channels)))).round(6),
    )


def _path(parents, node):
    path = []
    while node >= 0:
        path.append(node)
        node = parents[node]
    return path[::-1]


@given(files())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_written_is_read_again(tmp_path, made):
    path = tmp_path / "a.bvh"
    bvh.write(path, made)
    again = bvh.read(path)
    assert (again.names, again.parents, again.channels) == (made.names, made.parents, made.channels)
    assert again.frame_time_s == pytest.approx(made.frame_time_s, rel=1e-8)
    np.testing.assert_allclose(again.offsets, made.offsets, atol=1e-6)
    np.testing.assert_allclose(again.values.reshape(made.values.shape), made.values, atol=1e-6)


@given(files())
@settings(max_examples=30)
def test_the_world_follows_link_by_link(made):
    rotations, positions = made.world
    column = 0
    for row in range(len(made)):
        column = 0
        for node, channels in enumerate(made.channels):
            turn, place = np.eye(3), made.offsets[node].copy()
            for channel in channels:
                value = made.values[row, column]
                column += 1
                if channel.endswith("position"):
                    place["XYZ".index(channel[0])] = value
                else:
                    turn = turn @ Rotation.from_euler(channel[0], value, degrees=True).as_matrix()
            parent = made.parents[node]
            if parent >= 0:
                place = positions[row, parent] + rotations[row, parent] @ place
                turn = rotations[row, parent] @ turn
            np.testing.assert_allclose(rotations[row, node], turn, atol=1e-9)
            np.testing.assert_allclose(positions[row, node], place, atol=1e-7)
