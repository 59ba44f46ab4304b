"""``chorus export-model WEIGHTS --to onnx --output FILE``: a trained network for runtimes without torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fusion.commands.arguments import UsageError, call, check_positive

if TYPE_CHECKING:
    from fusion.evaluate.sources import Asked
    from fusion.heatmapnet.net import HeatmapNet
    from fusion.model.net import FusionNet

CROPS = 400
"""By which a heatmapnet is measured."""
WIDTH = 128
"""Of the table, characters."""


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
    calibrate: str = "",
) -> int:
    """Write one step of the fusion network, or a heatmapnet, for ONNX Runtime or LiteRT.

    `chorus live --weights FILE` runs the step where there is no torch.

    Args:
        weights: a .safetensors or .ckpt file, or the name of weights that come with the package: free, base.
        to: onnx; onnx-int8, a quarter of the size; litert (extra `litert`).
        output: the new file, .onnx or .tflite.
        cameras: that the network is to look through at most.
        table: data to compare with torch on, as of `chorus evaluate`, for a heatmapnet as of --calibrate;
            prints differences, accuracy, speed.
        windows: of motion, so many.
        window_s: length of a window, s.
        beside: further files exported of the same weights, by commas, for the same table.
        calibrate: what an int8 heatmapnet's ranges are learned from: a folder of UTD-MHAD for one of depth,
            annotations of COCO or MPII, or a folder that holds some, for one of pictures.
    """
    if not 1 <= cameras <= 8:
        raise UsageError(f"--cameras is {cameras}", mend="Give 1 to 8")
    check_positive("--windows", windows)
    check_positive("--window_s", window_s, "seconds")
    from fusion.evaluate.sources import Asked
    from fusion.heatmapnet.net import HeatmapNet
    from fusion.model.export import check_output, export, load_any

    net = load_any(weights)
    if isinstance(net, HeatmapNet) and cameras > 1:
        raise UsageError("--cameras is of the fusion network", mend="Leave it away")
    if calibrate and not (isinstance(net, HeatmapNet) and to == "onnx-int8"):
        raise UsageError("--calibrate is of a heatmapnet made int8", mend="Leave it away")
    path, others = Path(output), [Path(name) for name in beside.split(",") if name]
    check_output(path, to)
    show = None
    asked = Asked(windows=windows, window_s=window_s)
    if table:
        if isinstance(net, HeatmapNet):
            show = _of_crops(net, table, others)
        else:
            show = _of_motion(net, table, others, asked)
    export(net, to, path, cameras, calibrate)
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    if show is not None:
        show(path)
    return 0


def _of_motion(net: FusionNet, data: str, beside: list[Path], asked: Asked) -> Callable[[Path], None]:
    """Return what prints the table of a graph; all else is read before anything is written."""
    import torch
    from rich.console import Console

    from fusion.evaluate.runtimes import measure, table_of
    from fusion.evaluate.sources import load
    from fusion.model.exported import load_exported
    from fusion.model.stepper import stepper

    torch.set_num_threads(1)
    others = {path.name: stepper(load_exported(path)) for path in beside}
    loaded = load(data, net, asked)

    def show(path: Path) -> None:
        steppers = {"torch": stepper(net, 1, "torch"), "torch, traced": stepper(net, 1, "traced")}
        steppers |= {path.name: stepper(load_exported(path)), **others}
        sizes = {each.name: each.stat().st_size for each in (path, *beside)}
        said = ", ".join(f"{name} {value}" for name, value in loaded.facts.items())
        print(f"{data}: {said}; one thread")
        Console(width=WIDTH).print(table_of(measure(steppers, loaded.batches, loaded.rate_hz, sizes)))

    return show


def _of_crops(net: HeatmapNet, data: str, beside: list[Path]) -> Callable[[Path], None]:
    """As :func:`_of_motion`, of a HeatmapNet."""
    import torch
    from rich.console import Console

    from fusion.evaluate.heatmap_runtimes import measure, seen_by, table_of
    from fusion.heatmapnet.examples import crops_of

    torch.set_num_threads(1)
    others = {path.name: seen_by(path) for path in beside}
    batch = crops_of(data, net.config, "test", CROPS)

    def show(path: Path) -> None:
        looks = {"torch": torch.inference_mode()(lambda crop: net(crop).sigmoid())}
        looks |= {path.name: seen_by(path), **others}
        sizes = {each.name: each.stat().st_size for each in (path, *beside)}
        print(f"{data}: {len(batch['crop'])} crops; one thread")
        Console(width=WIDTH).print(table_of(measure(looks, batch, sizes)))

    return show
