"""How sure a proportion is: the score interval of E. B. Wilson (J. Am. Stat. Assoc. 22, 1927)."""

from __future__ import annotations

import math


def wilson_interval(hits: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the interval of a proportion of ``hits`` in ``count``, of 95 % by default."""
    if count == 0:
        return 0.0, 1.0
    p = hits / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)
