import sys
from pathlib import Path

import pytest
import torch

from fusion.model.checkpoint import save_net
from fusion.model.net import FusionNet, NetConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "features"))


@pytest.fixture(autouse=True)
def one_thread():
    """The network is small: threads would cost more than they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """The file of a network that is as small as can be."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    save_net(FusionNet(NetConfig(width=16, layers=1, heads=2, window=8, actions=("stand", "wave"))), path)
    return str(path)
