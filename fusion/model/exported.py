"""An exported network as live tracking knows it: a graph of one step, its actions, and no torch."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drivers.errors import ConfigError, WeightsError
from fusion.model.contract import FEATURES
from fusion.model.graphs import Graph, OnnxGraph, open_graph
from fusion.model.packaged import DEFAULT, GRAPHS, PACKAGED

if TYPE_CHECKING:
    from fusion.model.net import FusionNet

FORMAT = "chorus-fusion-step"
VERSION = "1"
SUFFIXES = (".onnx", ".tflite")


@dataclasses.dataclass(frozen=True)
class ExportedConfig:
    """What is known of an exported network.

    Attributes:
        actions: names of the actions, in the order of the logits.
        cameras: that the graph looks through at most.
        others: whether the network has learned what to make of further cameras; else they change nothing.
    """

    actions: tuple[str, ...]
    cameras: int = 1
    others: bool = False


@dataclasses.dataclass(frozen=True)
class ExportedNet:
    """A graph of one step of a FusionNet."""

    path: Path
    config: ExportedConfig
    graph: Graph

    def check_cameras(self, cameras: int) -> None:
        """Refuse more cameras than the graph looks through.

        Raises:
            ConfigError: it was exported for fewer.
        """
        if self.config.others and cameras > self.config.cameras:
            raise ConfigError(
                f"{self.path.name} was exported for {self.config.cameras} camera(s), here are {cameras}",
                mend=f"Export it again with --cameras={cameras}, or look through one: --features.cameras=1",
            )


def load_exported(path: Path, threads: int = 1) -> ExportedNet:
    """Return the network of a graph that ``chorus export-model`` wrote.

    Args:
        path: an ``.onnx`` or ``.tflite`` file.
        threads: of the CPU.

    Raises:
        WeightsError: no such file, or another graph.
        MissingDependency: what runs it is not installed.
    """
    return _exported(path, open_graph(path, threads))


def _exported(path: Path, graph: Graph) -> ExportedNet:
    about = graph.about
    if about.get("format") != FORMAT:
        raise WeightsError(
            f"{path} is a graph, but not of a step of a FusionNet",
            mend="Name a file that chorus export-model wrote",
        )
    if about.get("version") != VERSION:
        raise WeightsError(
            f"{path} is of version {about.get('version')}, this program reads {VERSION}",
            mend="Export it again with this version of Chorus",
        )
    try:
        actions = tuple(str(name) for name in json.loads(about["actions"]))
        config = ExportedConfig(actions, int(about["cameras"]), about["others"] == "yes")
    except (KeyError, ValueError, TypeError) as error:
        raise WeightsError(f"{path} does not tell its actions or cameras ({error})", mend=_AGAIN) from None
    features = {n.removeprefix("features.") for n in graph.inputs if n.startswith("features.")}
    if not actions or not {"vision", "inertial"} <= features or unknown(features):
        raise WeightsError(f"{path} takes other features than this program makes", mend=_AGAIN)
    return ExportedNet(path, config, graph)


_AGAIN = "Export it again with chorus export-model"


def unknown(features: set[str]) -> set[str]:
    """Return the names of features that no tick has."""
    return {name for name in features if name not in FEATURES and not name.startswith("others")}


def load_packaged(name: str, threads: int = 1) -> ExportedNet:
    """Return the network of a graph that comes with the package, with the weights beside it.

    Args:
        name: of :data:`fusion.model.packaged.GRAPHS`.
        threads: of the CPU.

    Raises:
        WeightsError: the graph is of weights of other sizes.
    """
    from safetensors import safe_open
    from safetensors.numpy import load_file

    with safe_open(str(PACKAGED[name]), framework="numpy") as file:
        sizes = json.loads((file.metadata() or {})["net"])
    tensors = load_file(str(PACKAGED[name]))
    weights = {f"net.{key}": value.astype(np.float32) for key, value in tensors.items()}
    graph = OnnxGraph(GRAPHS[name], threads, weights)
    drawn = json.loads(graph.about.get("net", "{}"))
    if any(drawn.get(key) != value for key, value in sizes.items()):  # older weights name fewer of them
        raise WeightsError(
            f"the graph {GRAPHS[name].name} is of other weights than those beside it",
            mend=f"Write it anew where torch is: python -m fusion.model.beside {name}",
        )
    return _exported(GRAPHS[name], graph)


def load_live(path: str | None = None, threads: int = 1) -> FusionNet | ExportedNet:
    """Return a network for live tracking: an exported graph without torch, anything else with it.

    Without torch a name of packaged weights stands for the graph that comes with the package.

    Args:
        path: a file, or a name of packaged weights; None or ``default``: free.
        threads: of the CPU.

    Raises:
        WeightsError: no such file, not a network's, or torch is needed and not installed.
    """
    name = DEFAULT if path in (None, "default") else str(path)
    if Path(name).suffix in SUFFIXES:
        return load_exported(Path(name), threads)
    try:
        import torch
    except ImportError:
        if name in GRAPHS:
            return load_packaged(name, threads)
        there = Path(name).is_file()
        if not there or Path(name).suffix not in (".safetensors", ".ckpt"):
            raise WeightsError(
                f"{name} is no file of weights" if there else f"there are no weights at {name}",
                mend=f"Name a file that chorus export-model wrote, or one of: {', '.join(GRAPHS)}",
            ) from None
        raise WeightsError(
            f"{name} needs torch, which is not installed",
            mend=f"Where it is: chorus export-model {name} --to onnx --output step.onnx; "
            "or pip install 'chorus-fusion[train]'",
        ) from None
    from fusion.model.checkpoint import load_net

    torch.set_num_threads(max(1, threads))
    return load_net(name)
