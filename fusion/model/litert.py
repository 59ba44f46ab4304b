"""One step of the network, or a HeatmapNet, as a LiteRT graph.

Made by litert-torch (https://github.com/google-ai-edge/litert-torch), which brings a torch of its own choice
and several GB: the extra ``litert``, best in an environment of its own. What runs the graph
(:mod:`fusion.model.graphs`) is in the core. Signatures number their arrays; their names, and what the graph
is, go into a file packed behind it, as LiteRT's own metadata has it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from drivers.errors import MissingDependency, WeightsError
from fusion.engines import litert
from fusion.model.graphs import TOLD


def write_litert(
    net: nn.Module,
    example: Sequence[Tensor],
    names: tuple[Sequence[str], Sequence[str]],
    about: Mapping[str, str],
    path: Path,
) -> None:
    """Convert a module and write it to a new file.

    Args:
        net: takes and gives tensors, one after the other.
        example: what it is given.
        names: of what it takes and of what it gives.
        about: what the graph says of itself.
        path: of the ``.tflite`` file.

    Raises:
        MissingDependency: the extra is not installed.
        WeightsError: LiteRT does not run what was made.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries about one another
            litert_torch = importlib.import_module("litert_torch")
    except ImportError:
        raise MissingDependency(
            "litert-torch, which makes LiteRT graphs, is not installed",
            mend="pip install 'chorus-fusion[train,litert]', in an environment of its own: it brings GBs",
        ) from None
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")
            # Times are int64 ns: in 32 bits they would overflow after two seconds.
            litert_torch.convert(net.eval(), tuple(example), enable_x64=True).export(str(path))
    finally:
        logging.getLogger().setLevel(level)
    try:
        litert(path.read_bytes())
    except ValueError as error:
        said = next((line for line in str(error).splitlines() if line.strip()), "it does not say why")
        raise WeightsError(
            f"LiteRT does not run the graph that litert-torch made ({said[:200]})",
            mend="Use --to onnx, or another version of litert-torch",
        ) from None
    numbered = {f"args_{n}": name for n, name in enumerate(names[0])}
    numbered |= {f"output_{n}": name for n, name in enumerate(names[1])}
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr(TOLD, json.dumps({"about": dict(about), "names": numbered}))
