"""How much of the error is the sensors', how much the network's: each fault of sensors taken away in turn.

::

    python -m benchmarks.fusion.error_budget WEIGHTS [--sets bandai,cmu] [--windows 48]

The same windows as ``sensors_that_fail`` (six sensors, headings within 30 degrees, bones known, 6 s of which
2 are not scored). What is left with faultless sensors is the network's own; where the motions it learned from
fare no better than those held out, more motion would not help it, and more training or a larger one might.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable

import torch

from benchmarks.fusion.sensors_that_fail import SETTLE_S, STANDARD, WINDOW_S
from fusion.evaluate.conditions import without
from fusion.evaluate.pose import WindowScores
from fusion.evaluate.sources import RATE_HZ, Asked, load
from fusion.model.blind import scored
from fusion.model.checkpoint import load_net
from fusion.model.net import FusionNet
from fusion.virtual.corrupt import corruption
from fusion.virtual.sensing import SensorRanges

Change = Callable[[SensorRanges], SensorRanges]
MASKS: dict[str, tuple[str, ...]] = {"fused": (), "vision only": ("inertial",), "IMUs only": ("vision",)}


def camera(**changes: object) -> Change:
    return lambda r: dataclasses.replace(r, camera=dataclasses.replace(r.camera, **changes))  # type: ignore[arg-type]


def imu(**changes: object) -> Change:
    return lambda r: dataclasses.replace(r, imu=dataclasses.replace(r.imu, **changes))  # type: ignore[arg-type]


def whole_picture(ranges: SensorRanges) -> SensorRanges:
    view = dataclasses.replace(ranges.camera.view, cut=0.0)
    return camera(view=view, furniture=0.0, prone=0.0, limb_swap=0.0, unknown=0.0)(ranges)


def quick_frames(ranges: SensorRanges) -> SensorRanges:
    frames = dataclasses.replace(
        ranges.camera.frames, rates=(60.0,), delay_s=0.0, lag_s=0.0, missed=0.0, blackout=0.0
    )
    return camera(frames=frames)(ranges)


def both(*changes: Change) -> Change:
    def change(ranges: SensorRanges) -> SensorRanges:
        for one in changes:
            ranges = one(ranges)
        return ranges

    return change


MOUNTED, HEADED = imu(mounting_deg=0.0, slipped=0.0), imu(heading_deg=0.0, heading_walk_deg=0.0)
SEEN = both(
    camera(noise=0.0, definition_m=0.0, dark=0.0, found=0.0, flicker=0.0, depth_known=1.0),
    whole_picture,
    quick_frames,
)
FELT = both(
    MOUNTED,
    HEADED,
    imu(along_m=0.0, around_deg=0.0, wobble_deg=0.0, tilt_deg=0.0, lag_s=0.0, delay_s=0.0, bursts=0.0),
)
WITHOUT: dict[str, Change] = {
    "nothing": lambda ranges: ranges,
    "errors of key points": camera(noise=0.0),
    "what a network means by a joint": camera(definition_m=0.0),
    "cut pictures, furniture, left for right": whole_picture,
    "slow, late and missing frames": quick_frames,
    "errors of mounting": MOUNTED,
    "soft tissue": imu(wobble_deg=0.0),
    "errors of headings": HEADED,
    "late and lost samples": imu(lag_s=0.0, delay_s=0.0, bursts=0.0),
    "all of the camera's": SEEN,
    "all of the IMUs'": FELT,
    "all": both(SEEN, FELT),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("weights")
    parser.add_argument("--sets", default="bandai,cmu", help="of motion, by commas")
    parser.add_argument("--windows", type=int, default=48)
    options = parser.parse_args()
    net = load_net(options.weights).eval()
    for name in options.sets.split(","):
        print(f"{name}: simulation, {options.windows} windows, one seed; MPJPE / PA, mm")
        print(f"  {'':<42}" + "".join(f"{mask:>16}" for mask in MASKS))
        for split in ("train", "test"):
            show(f"motions of the {split} split", net, name, options.windows, split, WITHOUT["nothing"])
        for what, change in WITHOUT.items():
            show(f"without {what}", net, name, options.windows, "", change)


def show(what: str, net: FusionNet, data: str, windows: int, split: str, change: Change) -> None:
    """Print a line of the table."""
    standard = corruption(STANDARD)
    asked = dataclasses.replace(standard, ranges=lambda ranges: change(standard.ranges(ranges)))
    made = load(data, net, Asked(0, windows, WINDOW_S, split=split, corruption=asked)).batches
    line = f"  {what:<42}"
    for masked in MASKS.values():
        scores = WindowScores(RATE_HZ, len(net.config.actions))
        for batch in made:
            batch["valid"][:, : round(SETTLE_S * RATE_HZ)] = 0.0
            given = without(batch, masked)
            with torch.no_grad():
                scores.update(scored(net(given["features"]), given), batch)
        found = scores.compute()
        line += f"{found['mpjpe_mm']:>9.1f} / {found['pa_mpjpe_mm']:.1f}"
    print(line, flush=True)


if __name__ == "__main__":
    main()
