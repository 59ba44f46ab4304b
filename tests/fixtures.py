"""What the tests of several folders are given; a folder's ``conftest.py`` imports what it wants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from fusion.model.checkpoint import save_net
from fusion.model.net import FusionNet, NetConfig


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are faster on one thread, and tests run beside other things."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file of a network that is as small as can be."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    save_net(FusionNet(NetConfig(width=16, layers=1, heads=2, window=8, actions=("stand", "wave"))), path)
    return str(path)
