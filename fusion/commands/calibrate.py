"""``chorus calibrate WHAT ...``: what no data sheet knows of your devices."""

from __future__ import annotations

import difflib
import importlib

from fusion.commands.arguments import UsageError

WHAT: dict[str, tuple[str, str]] = {
    "latency": ("fusion.commands.calibrate_latency", "constant delays, from claps that several streams saw"),
    "camera": ("fusion.commands.calibrate_camera", "a camera's lens, from pictures of a board"),
    "extrinsics": (
        "fusion.commands.calibrate_extrinsics",
        "where several cameras stand, from a board they share",
    ),
    "imu": ("fusion.commands.calibrate_imu", "biases and scales of a sensor, from rests in six positions"),
    "pose": (
        "fusion.commands.calibrate_pose",
        "how worn sensors sit on the bones, from a T-pose and movements",
    ),
    "axes": (
        "fusion.commands.calibrate_axes",
        "units, axes and signs of a sensor: lay it on the desk and turn it",
    ),
}
"""What there is to calibrate: the module whose ``main`` does it, and one line for ``--help``."""


def main(argv: list[str], program: str) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        lines = "\n".join(f"  {name:<10} {line}" for name, (_, line) in WHAT.items())
        print(f"usage: {program} WHAT [...]\n\n{lines}\n\n{program} WHAT --help tells more.")
        return 0 if argv else UsageError.exit_status
    if argv[0] not in WHAT:
        near = difflib.get_close_matches(argv[0], WHAT, n=1)
        raise UsageError(
            f"there is nothing called {argv[0]!r} to calibrate",
            mend=f"Did you mean `{program} {near[0]}`?" if near else f"Choose of: {', '.join(WHAT)}",
        )
    return importlib.import_module(WHAT[argv[0]][0]).main(argv[1:], f"{program} {argv[0]}")
