"""Helpers of the vision tests."""

import numpy as np
import pytest

from drivers.errors import ChorusError
from fusion.vision.base import front_end


def mirrored(skeleton, keypoints, width):
    """Return the key points of the person as a mirror shows them: left and right change places."""
    swap = {"left": "right", "right": "left"}
    order = []
    for name in skeleton:
        head, _, tail = name.partition("_")
        if head in swap:
            order.append(skeleton.index(f"{swap[head]}_{tail}"))
        else:
            order.append(skeleton.index(name))
    found = keypoints[order].astype(np.float64)
    found[:, 0] = width - 1 - found[:, 0]
    return found


def refused(name, error=ChorusError, words=None):
    """Return the error, of one line, with which a front end of this name is refused."""
    with pytest.raises(error, match=words) as caught:
        front_end(name)
    assert "\n" not in str(caught.value)
    return caught.value
