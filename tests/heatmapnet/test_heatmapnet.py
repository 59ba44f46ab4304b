"""HeatmapNet: it learns from depth by the command, keeps its weights, follows people, tells what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from drivers.errors import ConfigError, WeightsError
from fusion.data.utd_seen import UtdSeenData, below_surface, see
from fusion.heatmapnet.checkpoint import load_heatmapnet, save_heatmapnet
from fusion.heatmapnet.decode import decoded
from fusion.heatmapnet.net import HeatmapConfig, HeatmapNet
from fusion.model.checkpoint import PACKAGED, load_net
from fusion.model.train import main
from fusion.skeletons import BODY20, KINECT20
from fusion.vision import heatmaps
from fusion.vision.base import front_end
from recordings.importers.utd_depth import depth_trials

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "experiment" / "heatmap_utd_depth.yaml"
SMALL = HeatmapConfig(tuple(BODY20), "depth", 64, 64, channels=8, blocks=1)


def asked(made_depth: Path, output: Path) -> list[str]:
    return [
        f"--config={CONFIG}",
        f"--output={output}",
        f"--data.root={made_depth}",
        "--data.train_subjects=[1, 2, 3]",
        "--data.val_subjects=[5]",
        "--data.test_subjects=[5]",
        "--data.height=64",
        "--data.width=64",
        "--data.workers=0",
        "--model.init_args.net.height=64",
        "--model.init_args.net.width=64",
        "--model.init_args.net.channels=12",
        "--model.init_args.net.blocks=1",
        "--trainer.max_epochs=12",
        "--trainer.precision=32",
        "--trainer.check_val_every_n_epoch=12",
        "--trainer.callbacks=null",  # too short for averages
    ]


@pytest.fixture(scope="module")
def learned(made_depth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network that learned from three people by `train.py`."""
    output = tmp_path_factory.mktemp("run")
    assert main(["fit", *asked(made_depth, output)]) == 0
    return output


def test_what_it_learned_is_tested_and_goes_on(
    learned: Path, made_depth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = f"--ckpt_path={learned / 'checkpoints' / 'last.ckpt'}"
    options = asked(made_depth, tmp_path)
    assert main(["test", *options, last]) == 0
    assert "test/pck10" in capsys.readouterr().out
    assert main(["fit", *options, last, "--trainer.max_epochs=13"]) == 0
    after = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert after["epoch"] == 12, "the thirteenth alone was trained"


def test_it_learns_from_depth_what_it_tells_of_somebody_new(learned: Path, made_depth: Path) -> None:
    weights = learned / "checkpoints" / "last.ckpt"
    order = [KINECT20.index(name) for name in BODY20]
    items = list(depth_trials(made_depth, (5,)))
    below = below_surface(list(depth_trials(made_depth, (1,))))
    with front_end("heatmapnet", weights=str(weights)) as eyes:
        assert eyes.skeleton == tuple(BODY20)
        for item in items:
            found = see(eyes, item, below)
            assert (found.sd_px > 0).all()
            away = np.linalg.norm(found.joints - item.trial.joints[:, order], axis=-1)
            assert float(np.median(away)) < 0.05
        person = eyes(items[0].depth[0], 10**12)[0]
        assert person.heatmaps is not None
        assert person.heatmaps.values.shape == (20, 16, 16)
        column, row = np.unravel_index(person.heatmaps.values[3].argmax(), (16, 16))[::-1]
        cell = person.heatmaps.to_picture @ [column, row, 1.0]
        assert float(np.abs(cell - person.keypoints[3]).max()) < 12.0
        assert eyes(np.zeros((240, 320), np.uint16), 10**12 + 1) == []
        somebody = np.zeros((240, 320), np.uint16)
        somebody[60:190, 40:70] = 2000  # taller than wide, and nobody
        assert all(p.score.mean() < 0.9 * person.score.mean() for p in eyes(somebody, 10**12 + 2))
        for wrong in (np.zeros((24, 32, 3), np.uint8), np.zeros((24, 32), np.float32)):
            with pytest.raises(ValueError, match="expected a"):
                eyes(wrong, 0)


def test_the_metrics_are_in_the_logs(learned: Path) -> None:
    rows = (learned / "csv" / "version_0" / "metrics.csv").read_text().splitlines()
    last = dict(zip(rows[0].split(","), rows[-2].split(","), strict=True))
    if not last.get("val/pck10"):
        last = dict(zip(rows[0].split(","), rows[-1].split(","), strict=True))
    assert float(last["val/pck10"]) > 0.9
    assert float(last["val/pck05"]) <= float(last["val/pck10"])


def test_weights_are_kept_and_foreign_ones_refused(tmp_path: Path, learned: Path) -> None:
    torch.manual_seed(0)
    net = HeatmapNet(SMALL).eval()
    save_heatmapnet(net, tmp_path / "a.safetensors", notes={"trained_on": "nothing"})
    again = load_heatmapnet(tmp_path / "a.safetensors")
    crops = torch.randn(2, 2, 64, 64)
    assert again.config == SMALL
    torch.testing.assert_close(again(crops), net(crops), rtol=0, atol=0)
    with pytest.raises(WeightsError, match="exists already"):
        save_heatmapnet(net, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match="no weights of a FusionNet"):
        load_net(tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match="no weights of a HeatmapNet"):
        load_heatmapnet(PACKAGED["free"])
    with pytest.raises(WeightsError, match="there are no weights"):
        load_heatmapnet(tmp_path / "none.ckpt")
    with pytest.raises(WeightsError, match="not one of a FusionNet"):
        load_net(learned / "checkpoints" / "last.ckpt")


def test_a_point_is_placed_between_cells_as_the_other_decoder_does() -> None:
    y, x = np.mgrid[:16, :12]
    maps = np.exp(-((x - 4.3) ** 2 + (y - 9.6) ** 2) / 2.0)[None].astype(np.float32)
    found = decoded(torch.from_numpy(maps)[None])
    assert found.points[0, 0].tolist() == pytest.approx([4.3, 9.6], abs=0.05)
    other = heatmaps.statistics(maps, kernel=7).points[0]
    assert found.points[0, 0].tolist() == pytest.approx(other.tolist(), abs=1e-3)
    assert float(found.peak[0, 0]) == maps.max()


@pytest.mark.parametrize(
    "wrong", [{"height": 100}, {"width": 16}, {"channels": 0}, {"joints": ()}, {"stages": 0}]
)
def test_sizes_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be|give multiples"):
        HeatmapConfig(**{"joints": ("a",), **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(64, 64), (128, 96)])
def test_cells_are_a_quarter_of_the_pixels(size: tuple[int, int]) -> None:
    net = HeatmapNet(HeatmapConfig(("a", "b"), "colour", *size, channels=4, blocks=1)).eval()
    assert net(torch.zeros(1, 3, *size)).shape == (1, 2, size[0] // 4, size[1] // 4)


def test_the_front_end_says_what_it_lacks() -> None:
    with pytest.raises(ConfigError, match="no weights are named"):
        front_end("heatmapnet")
    with pytest.raises(ConfigError, match="make no sense"):
        front_end("heatmapnet", weights="a.ckpt", near_m=3.0, far_m=2.0)
    with pytest.raises(ConfigError, match="no HeatmapNet is named"):
        UtdSeenData().setup("test")
