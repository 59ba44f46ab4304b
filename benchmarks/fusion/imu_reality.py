"""Virtual inertial sensors on walkers beside eight real ones on a walker: the statistics that no frame
changes.

::

    python -m benchmarks.fusion.imu_reality --data $CHORUS_DATA

Real: Xsens sensors of the OpenSense example (100 Hz, acceleration and orientation; no gyroscope, so the rate
is that of the orientation). Virtual: CMU's walker (subject 07) by VirtualImus. Both as means over ticks of
60 Hz. They are different people who walk at different speeds, so that a factor of 1.5 either way is as near
as it gets.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from drivers.errors import ChorusError, ConfigError
from drivers.places import PLACES
from fusion.inertial.features import STANDARD_GRAVITY
from fusion.virtual.impacts import impacts
from fusion.virtual.imu import VirtualImus
from fusion.virtual.kinematics import orientations
from fusion.virtual.library import Library
from fusion.virtual.parts import ImuRanges

Array = NDArray[np.float64]

_RATE = 60.0
_SENSORS = {
    "00B42268": "chest", "00B42279": "pelvis", "00B4227C": "thigh", "00B421EE": "thigh",
    "00B4227D": "shin", "00B421ED": "shin", "00B421EF": "foot", "00B421E6": "foot",
}  # fmt: skip
"""Parts of the names of the files, as the example's myIMUMappings.xml has them."""
_PARTS = ("pelvis", "chest", "thigh", "shin", "foot")
_STATISTICS = (
    "force, 5 % below, g", "force, median, g", "force, 95 % below, g", "vertical acceleration, RMS, m/s²",
    "horizontal acceleration, RMS, m/s²", "change of force in a tick, RMS, m/s²", "rate, median, rad/s",
    "rate, 95 % below, rad/s",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", default=os.environ.get("CHORUS_DATA", ""))
    parser.add_argument("--shock", type=float, default=ImuRanges().shock)
    options = parser.parse_args()
    try:
        real = [*_real(Path(options.data))]
        virtual = [*_virtual(options.data, options.shock)]
    except ChorusError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for number, name in enumerate(_STATISTICS):
        print(f"\n{name:<40}" + "".join(f"{part:>9}" for part in _PARTS))
        for side, rows in (("real", real), ("virtual", virtual)):
            values = [np.median([row[number] for place, row in rows if place == part]) for part in _PARTS]
            print(f"  {side:<38}" + "".join(f"{value:>9.2f}" for value in values))
    return 0


def statistics(force: Array, turn: Array) -> Array:
    """Return the statistics of force (T, 3), m/s², and orientations (T, 3, 3) sensor to world at 60 Hz."""
    length = np.linalg.norm(force, axis=-1) / STANDARD_GRAVITY
    free = np.einsum("tij,tj->ti", turn, force) - [0, 0, STANDARD_GRAVITY]
    step = np.swapaxes(turn[:-2], 1, 2) @ turn[2:]
    angle = np.arccos(np.clip((np.trace(step, axis1=1, axis2=2) - 1) / 2, -1, 1)) * _RATE / 2
    return np.array(
        [
            *np.percentile(length, [5, 50, 95]),
            np.sqrt((free[:, 2] ** 2).mean()),
            np.sqrt((free[:, :2] ** 2).sum(axis=1).mean()),
            np.sqrt((np.diff(force, axis=0) ** 2).sum(axis=1).mean()),
            *np.percentile(angle, [50, 95]),
        ]
    )


def _real(data: Path) -> Iterator[tuple[str, Array]]:
    files = sorted(data.rglob("OpenSenseExample/IMUData/MT_012005D6_009-001_*.txt"))
    if not files:
        raise ConfigError(
            f"{data} holds no OpenSense example, unpacked",
            mend="Unpack opensense_example.tar.xz and give its folder",
        )
    for path in files:
        lines = path.read_text("utf-8", "replace").splitlines()
        head = next(i for i, line in enumerate(lines) if line.startswith("PacketCounter"))
        names = lines[head].split("\t")
        columns = [names.index(name) for name in ("Acc_X", "Acc_Y", "Acc_Z")]
        columns += [names.index(f"Mat[{i}][{k}]") for i in (1, 2, 3) for k in (1, 2, 3)]
        cells = [line.split("\t") for line in lines[head + 1 :]]
        counter = np.array([float(row[0]) for row in cells])
        values = np.array([[float(row[column]) for column in columns] for row in cells])
        ticks = np.arange(counter[0] / 100.0, counter[-1] / 100.0, 1 / _RATE)
        # Means over a tick through the running sum, so that a sample between two ticks counts in both.
        fine = np.arange(ticks[0], ticks[-1], 1 / 600.0)
        dense = np.stack([np.interp(fine, counter / 100.0, values[:, k]) for k in range(3)], axis=1)
        force = dense[: len(dense) // 10 * 10].reshape(-1, 10, 3).mean(axis=1)
        nearest = np.clip(np.searchsorted(counter / 100.0, ticks), 0, len(counter) - 1)[: len(force)]
        turn = values[nearest, 3:].reshape(-1, 3, 3)
        walks = slice(round(5 * _RATE), round(20 * _RATE))  # it stands at first
        yield _SENSORS[path.stem.split("_")[-1]], statistics(force[walks], turn[walks])


def _virtual(data: str, shock: float) -> Iterator[tuple[str, Array]]:
    library = Library.open(["cmu"], data or None)
    sensors = VirtualImus(ImuRanges(places=PLACES[:-1], shock=shock, bursts=0.0, delay_s=0.0), _RATE)
    for number, clip in enumerate(library.clips):
        if not clip.clip.startswith("07_") or number % 2:
            continue
        motions = library.windows([number], [0], clip.rows)
        joints, frames = motions.posed().joints, orientations(motions.rotations)
        struck = impacts(joints, motions.contacts, _RATE)
        for seed in range(4):
            g = torch.Generator().manual_seed(seed)
            felt = sensors(joints, frames, struck, torch.zeros(1), g, lead=30)
            for place, name in enumerate(PLACES[:-1]):
                part = name.rpartition("_")[2]
                if part not in _PARTS:
                    continue
                values = felt.inertial[0, :-6, place].double().numpy()
                x, y = values[:, 6:9], values[:, 9:12]
                turn = np.stack([x, y, np.cross(x, y)], axis=-1)
                yield part, statistics(values[:, :3] * STANDARD_GRAVITY, turn)


if __name__ == "__main__":
    sys.exit(main())
