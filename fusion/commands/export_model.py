"""``chorus export-model WEIGHTS --to onnx --output FILE``: a trained network for runtimes without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fusion.commands.arguments import UsageError, call, check_positive

if TYPE_CHECKING:
    from fusion.model.net import FusionNet


def main(argv: list[str], program: str) -> int:
    return call(export_model, argv, program)


def export_model(
    weights: str,
    *,
    to: Literal["onnx", "onnx-int8", "litert"],
    output: str,
    cameras: int = 1,
    table: str = "",
    windows: int = 8,
    window_s: float = 2.0,
    beside: str = "",
) -> int:
    """Write one step of the fusion network, or a heatmapnet, for ONNX Runtime or LiteRT.

    `chorus live --weights FILE` runs the step where there is no torch.

    Args:
        weights: a .safetensors or .ckpt file, or the name of weights that come with the package: free, base.
        to: onnx; onnx-int8, a quarter of the size; litert (extra `litert`).
        output: the new file, .onnx or .tflite.
        cameras: that the network is to look through at most.
        table: data to compare with torch on, as of `chorus evaluate`; prints differences, accuracy, speed.
        windows: of motion, so many.
        window_s: length of a window, s.
        beside: further files exported of the same weights, by commas, for the same table.
    """
    if not 1 <= cameras <= 8:
        raise UsageError(f"--cameras is {cameras}", mend="Give 1 to 8")
    check_positive("--windows", windows)
    check_positive("--window_s", window_s, "seconds")
    from fusion.heatmapnet.net import HeatmapNet
    from fusion.model.export import export, load_any

    net = load_any(weights)
    if isinstance(net, HeatmapNet) and (table or cameras > 1):
        raise UsageError("--table and --cameras are of the fusion network", mend="Leave them away")
    path = Path(output)
    export(net, to, path, cameras)
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    if table:
        assert not isinstance(net, HeatmapNet)
        _show(net, table, [path, *(Path(name) for name in beside.split(",") if name)], windows, window_s)
    return 0


def _show(net: FusionNet, data: str, paths: list[Path], windows: int, window_s: float) -> None:
    import torch
    from rich.console import Console

    from fusion.evaluate.runtimes import measure, table_of
    from fusion.evaluate.sources import Asked, load
    from fusion.model.exported import load_exported
    from fusion.model.stepper import stepper

    torch.set_num_threads(1)
    loaded = load(data, net, Asked(windows=windows, window_s=window_s))
    steppers = {"torch": stepper(net, 1, "torch"), "torch, traced": stepper(net, 1, "traced")}
    steppers |= {path.name: stepper(load_exported(path)) for path in paths}
    sizes = {path.name: path.stat().st_size for path in paths}
    said = ", ".join(f"{name} {value}" for name, value in loaded.facts.items())
    print(f"{data}: {said}; one thread")
    Console(width=110).print(table_of(measure(steppers, loaded.batches, loaded.rate_hz, sizes)))
