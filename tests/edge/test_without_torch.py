"""A machine without torch records, and tracks with an exported graph, to the same poses."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from no_torch import REFUSED
from session_features import write_session

from drivers.errors import ConfigError, MissingDependency, WeightsError
from fusion.evaluate.sources import Asked, load
from fusion.model import exported
from fusion.model.checkpoint import load_net, save_net
from fusion.model.contract import shapes
from fusion.model.exported import load_exported, load_live, load_packaged
from fusion.model.net import FusionNet, NetConfig
from fusion.model.onnx import export_step
from fusion.model.packaged import GRAPHS, PACKAGED
from fusion.model.stepper import stepper
from fusion.tracking.live import main as live

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra edge is not installed")
pytest.importorskip("onnx", reason="the extra onnx is not installed")

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def chorus(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a verb where nothing that trains can be imported."""
    paths = os.pathsep.join([str(HERE), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", "no_torch", *argv],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def net() -> FusionNet:
    torch.manual_seed(0)
    sizes = {"width": 16, "layers": 3, "heads": 2, "window": 8, "form": 2, "reprojected": True}
    return FusionNet(NetConfig(actions=("stand", "wave"), **sizes)).eval()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def weights(net: FusionNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    save_net(net, path)
    return path


@pytest.fixture(scope="module")
def step(net: FusionNet, weights: Path) -> Path:
    path = weights.with_name("step.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        export_step(net, path)
    return path


def numbers(path: Path) -> np.ndarray:
    """Return the numbers of a poses.csv."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in rows[0] if name not in ("joint", "action", "fed", "time", "time_utc")]
    return np.array([[float(row[name] or "nan") for name in columns] for row in rows])


def test_live_with_a_graph_gives_the_poses_of_torch(step: Path, weights: Path, tmp_path: Path) -> None:
    write_session(tmp_path / "s.h5", 1.0)
    done = chorus(tmp_path, "live", "--source", "s.h5", "--weights", str(step), "--output", "edge")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "edge").iterdir()) == [
        "events.csv", "overlay.mp4", "poses.csv", "summary.json",
    ]  # fmt: skip
    beside = ["--source", str(tmp_path / "s.h5"), "--weights", str(weights), "--film=false"]
    assert live([*beside, "--output", str(tmp_path / "torch"), "--runtime=torch"]) == 0
    ours, theirs = (numbers(tmp_path / name / "poses.csv") for name in ("edge", "torch"))
    np.testing.assert_allclose(ours, theirs, atol=1e-2)  # px and m as the table writes them
    assert len(ours) > 1000


def test_a_rig_is_recorded_and_tracked_without_torch(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(
        "vision: markers\nstreams:\n"
        "  camera: {driver: simulator.camera, width: 320, height: 240, fps: 15}\n"
        "  wrist: {driver: simulator.imu, worn_on: right_forearm, rate_hz: 50}\n"
    )
    recorded = chorus(tmp_path, "record", "small.yaml", "--duration=1", "--output=a.h5")
    assert (recorded.returncode, recorded.stderr) == (0, "")
    packaged = chorus(tmp_path, "live", "--source=a.h5", "--output=free", "--film=false")
    assert (packaged.returncode, packaged.stderr) == (0, "")
    assert len(numbers(tmp_path / "free" / "poses.csv")) > 200


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_packaged_graphs_are_of_the_packaged_weights(name: str) -> None:
    plain, packed = stepper(load_net(name), 1, "torch"), stepper(load_packaged(name))
    window = load("simulator", load_net(name), Asked(windows=1, window_s=1.0)).batches[0]["features"]
    for number in range(60):
        tick = {key: value[0, number].numpy() for key, value in window.items()}
        expected, got = plain(tick), packed(tick)
        assert got.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_allclose(got[key], value, atol=1e-4, rtol=1e-4)
    assert set(GRAPHS) == set(PACKAGED)


def test_what_needs_torch_says_so_in_one_line(weights: Path, tmp_path: Path) -> None:
    write_session(tmp_path / "s.h5", 0.5)
    done = chorus(tmp_path, "live", "--source", "s.h5", "--weights", str(weights))
    assert done.returncode == 1
    assert "export-model" in done.stderr
    assert done.stderr.count("\n") == 1
    (tmp_path / "step.txt").write_text("step")
    for name, said in (("step.txt", "no file of weights"), ("nothing.ckpt", "there are no weights at")):
        wrong = chorus(tmp_path, "live", "--source", "s.h5", "--weights", name)
        assert wrong.returncode == 1
        assert said in wrong.stderr
        assert wrong.stderr.count("\n") == 1
    trained = chorus(tmp_path, "evaluate", "free", "s.h5")
    assert trained.returncode == 1
    assert "chorus-fusion[train]" in trained.stderr
    assert trained.stderr.count("\n") == 1
    assert "torch" in REFUSED


def test_graphs_that_are_none_of_ours_are_refused_whole(step: Path, tmp_path: Path) -> None:
    import onnx

    with pytest.raises(WeightsError, match="no graph at"):
        load_exported(tmp_path / "absent.onnx")
    for name, content in (
        ("empty", b""),
        ("noise", bytes(range(256)) * 8),
        ("cut", step.read_bytes()[:9999]),
    ):
        for suffix in exported.SUFFIXES:
            (tmp_path / f"{name}{suffix}").write_bytes(content)
            with pytest.raises(WeightsError, match="no graph that can be run"):
                load_exported(tmp_path / f"{name}{suffix}")
    for key, value, said in (
        ("format", "other", "not of a step"),
        ("version", "99", "version 99"),
        ("actions", "nothing", "does not tell"),
        ("actions", "[]", "other features"),
    ):
        model = onnx.load(str(step))
        told = {each.key: each.value for each in model.metadata_props} | {key: value}
        onnx.helper.set_model_props(model, told)
        onnx.save(model, str(tmp_path / "foreign.onnx"))
        with pytest.raises(WeightsError, match=said):
            load_exported(tmp_path / "foreign.onnx")


def test_a_graph_looks_through_no_more_cameras_than_it_was_exported_for(
    net: FusionNet, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        net.sensors.bearing.normal_()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for cameras in (1, 3):
                export_step(net, tmp_path / f"{cameras}.onnx", cameras)
        with pytest.raises(ConfigError, match="exported for 1 camera"):
            stepper(load_exported(tmp_path / "1.onnx"), 2)
        three = load_exported(tmp_path / "3.onnx")
        draw = np.random.default_rng(1)
        for views in (1, 2, 3):  # fewer than it can are given to it too
            fast, plain = stepper(three, views), stepper(net, views, "torch")
            for number in range(5):
                tick = {n: draw.normal(size=s).astype(np.float32) for n, s in shapes(views).items()}
                tick["time"] = np.array(number * 16_666_667)
                for name in [name for name in tick if name.endswith("present")]:
                    tick[name] = (tick[name] > 0).astype(np.float32)
                expected, got = plain(tick), fast(tick)
                for name in set(expected) - {"attention"}:
                    np.testing.assert_allclose(got[name], expected[name], atol=1e-4, rtol=1e-4)
    finally:
        with torch.no_grad():
            net.sensors.bearing.zero_()


def test_a_graph_runs_on_its_own_runtime_only(step: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="does not run"):
        stepper(load_exported(step), runtime="traced")
    assert load_live(str(step)).config.actions == ("stand", "wave")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependency, match=r"chorus-fusion\[edge\]"):
        load_exported(step)
