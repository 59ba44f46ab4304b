"""TRC: paths of markers as OpenSim and its kin read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Units = Literal["mm", "m"]


def trc(
    name: str,
    markers: Sequence[str],
    times: NDArray[np.int64],
    places: NDArray[np.floating],
    units: Units = "mm",
    zero: int = 0,
) -> str:
    """Return the text of a TRC file; cells are empty where a place is not known.

    Args:
        name: of the file.
        markers: (J) names.
        times: (T,) ns, rising; T >= 1.
        places: (T, J, 3) m, NaN where unknown.
        units: that are written.
        zero: session time that is written as 0, ns.
    """
    seconds = (times - zero) * 1e-9
    rate = 1.0 / float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1.0
    places = np.asarray(places, np.float64) * (1000.0 if units == "mm" else 1.0)
    frames, joints = places.shape[:2]
    names = "".join(f"\t{joint}\t\t" for joint in markers)
    axes = "".join(f"\tX{j}\tY{j}\tZ{j}" for j in range(1, joints + 1))
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate:.6g}\t{rate:.6g}\t{frames}\t{joints}\t{units}\t{rate:.6g}\t1\t{frames}",
        f"Frame#\tTime{names}",
        f"\t{axes}",
        "",
    ]
    for t in range(frames):
        cells = ["" if np.isnan(value) else f"{value:.6g}" for value in places[t].ravel()]
        lines.append("\t".join([f"{t + 1}", f"{seconds[t]:.6f}", *cells]))
    return "\n".join(lines) + "\n"
