"""3D joints as files: CSV, a row for each joint and moment, and TRC, as OpenSim reads it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from fusion.geometry.people import Person3D
from fusion.geometry.trc import Units, trc

Up = Literal["z", "y"]


def write_3d(
    person: Person3D, path: Path | str, units: Units = "mm", up: Up = "z", smooth: bool = True
) -> None:
    """Write joints as .csv or .trc.

    Args:
        person: joints over time.
        path: the file; its ending says which.
        units: of the TRC; the CSV is in m.
        up: axis of the TRC that points up: the world's z as it is, or OpenSim's y.
        smooth: the smoothed places, not the raw ones.

    Raises:
        ConfigError: another ending, or the file can't be written.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".csv", ".trc"):
        raise ConfigError(f"{path} is no kind of file for 3D", mend="Name one that ends with .csv or .trc")
    places = person.places if smooth else person.raw
    try:
        if kind == ".csv":
            _csv(person, path, places)
        else:
            _trc(person, path, places, units, up)
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}", mend="Name another file") from error


def _csv(person: Person3D, path: Path, places: NDArray[np.float64]) -> None:
    deviation, error, used = person.deviation_m, person.error_px, person.cameras_used
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time_s", "joint", "x_m", "y_m", "z_m", "deviation_m", "error_px", "cameras"])
        for t, time in enumerate(person.times.tolist()):
            for j, joint in enumerate(person.skeleton):
                at = places[t, j]
                if np.isfinite(at).all():
                    numbers = [f"{value:.5f}" for value in (*at, deviation[t, j])]
                    numbers = ["" if text == "nan" else text for text in numbers]
                    px = "" if np.isnan(error[t, j]) else f"{error[t, j]:.2f}"
                    rows.writerow([f"{time * 1e-9:.6f}", joint, *numbers, px, int(used[t, j])])


def _trc(person: Person3D, path: Path, places: NDArray[np.float64], units: Units, up: Up) -> None:
    if up == "y":
        places = places[..., [0, 2, 1]] * [1.0, 1.0, -1.0]  # turned by -90 degrees about x
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(trc(path.name, person.skeleton, person.times, places, units))
