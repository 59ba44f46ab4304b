"""The virtual pose network has the errors it is told to have, and the benchmark that fits it finds them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from benchmarks.fusion.fitting import fit
from benchmarks.fusion.observed import Observed, measure
from benchmarks.fusion.reference import MIRROR, Camera, refer
from drivers.errors import ConfigError
from fusion.virtual.keypoints import PoseNetwork, Seeing
from fusion.virtual.noise import BLAZEPOSE, KeypointNoise, read_noise
from fusion.virtual.simulated import simulated
from fusion.virtual.smooth import derivatives, stretches

ROOT = Path(__file__).resolve().parents[2]
SIZE = (1280, 720)


def rig(count: int = 4) -> list[Camera]:
    cameras = []
    for number in range(count):
        angle = 2 * np.pi * number / count + 0.3
        position = np.array([4 * np.cos(angle), 4 * np.sin(angle), 1.5])
        forward = np.array([0, 0, 1.0]) - position
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        matrix = np.array([[900.0, 0, SIZE[0] / 2], [0, 900.0, SIZE[1] / 2], [0, 0, 1]])
        cameras.append(Camera(f"cam{number}", rotation, position, matrix, np.zeros(4)))
    return cameras


def seen_by(cameras: list[Camera], joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return joints (V, T, 20, 3) in the cameras' axes and px (V, T, 20, 2)."""
    true = np.stack([(joints - c.position) @ c.rotation.T for c in cameras])
    px = np.stack([t[..., :2] / t[..., 2:] * 900.0 + np.array(SIZE) / 2 for t in true])
    return true, px


@pytest.fixture(scope="module")
def joints() -> np.ndarray:
    return simulated(3, 4.0).joints.double().numpy()


def test_the_reference_finds_error_swaps_and_a_camera_that_is_off(joints: np.ndarray) -> None:
    cameras = rig()
    _, px = seen_by(cameras, joints)
    rng = np.random.default_rng(0)
    found = px + rng.normal(size=px.shape) * 3.0
    found[2] += [12.0, -7.0]  # calibrated wrongly
    found[1, 30:60] = found[1, 30:60][:, MIRROR]
    reference = refer(cameras, found)
    assert reference.swapped[1, 30:60].all()
    assert reference.swapped.sum() == 30
    assert np.linalg.norm(reference.points - joints, axis=-1).mean() < 0.02
    assert reference.offset[2] - reference.offset[[0, 1, 3]].mean(axis=0) == pytest.approx([12, -7], abs=5)
    own = reference.error / reference.inflation[..., None]
    assert np.sqrt(np.nanmean(own**2)) == pytest.approx(3.0, rel=0.15)


def test_a_view_that_saw_nothing_has_no_error(joints: np.ndarray) -> None:
    cameras = rig()
    _, px = seen_by(cameras, joints)
    px[0, :50] = np.nan
    reference = refer(cameras, px)
    assert np.isnan(reference.error[0, :50]).all()
    assert np.nanmax(np.abs(reference.error)) < 0.1


def test_a_fit_to_the_virtual_network_finds_its_parameters() -> None:
    noise = dataclasses.replace(BLAZEPOSE, gross_share=0.0, swap_share=0.0)
    cameras, people = rig(6), []
    for seed in range(4):
        true, px = seen_by(cameras, simulated(seed, 3.0).joints.double().numpy())
        plain = Observed(
            60.0, px, np.zeros((*px.shape[:3], 3)), true[..., 2], np.ptp(px, axis=2).max(-1)[..., None]
        )
        hidden = measure(cameras, plain).hidden
        people.append(measure(cameras, _looked(true, px, hidden, noise, seed)))
    found = KeypointNoise.from_mapping(fit(people, {}))
    assert found.depth_gain == pytest.approx(noise.depth_gain, abs=0.1)
    assert found.effects["variance"]["hidden"] == pytest.approx(noise.effects["variance"]["hidden"], abs=0.2)
    assert found.effects["score"]["hidden"] == pytest.approx(noise.effects["score"]["hidden"], abs=0.7)
    assert found.follows["variance"] == pytest.approx(noise.follows["variance"], abs=0.15)
    for column in ("score", "peak", "variance"):
        assert found.spread[column] == pytest.approx(noise.spread[column], rel=0.25)
    for name, joint in found.joints.items():
        if name not in ("pelvis", "spine", "neck"):
            assert joint.error == pytest.approx(noise.joints[name].error, abs=0.45)
            assert joint.variance == pytest.approx(noise.joints[name].variance, abs=0.3)
    assert found.error_s == pytest.approx(noise.error_s, rel=0.6)
    assert found.swap_share < 0.01


def _looked(
    true: np.ndarray, px: np.ndarray, hidden: np.ndarray, noise: KeypointNoise, seed: int
) -> Observed:
    """Return what the virtual network finds of joints that cameras see."""
    places = torch.from_numpy(px / 1000.0).float()
    size = (places.amax(dim=2) - places.amin(dim=2)).amax(dim=-1)
    _, velocity, _ = derivatives(places, 60.0)
    depth = torch.from_numpy(true[..., 2] - true[:, :, :1, 2]).float()
    seeing = Seeing(
        places, depth, torch.from_numpy(hidden).float(), torch.zeros_like(depth, dtype=torch.bool), velocity,
        size, torch.zeros_like(size), torch.zeros(len(size)), torch.full_like(size, 1 / 60),
    )  # fmt: skip
    found = PoseNetwork(noise)(seeing, torch.Generator().manual_seed(seed))
    area = found.variance[..., [0, 2]].prod(dim=-1).sqrt() / size[..., None].square()
    told = torch.stack([found.score.logit(eps=1e-4), found.peak.logit(eps=1e-4), area.log()], dim=-1)
    return Observed(
        60.0, found.places.double().numpy() * 1000.0, told.double().numpy(), found.depth.double().numpy(),
        size.double().numpy()[..., None] * 1000.0,
    )  # fmt: skip


def test_stretches_have_their_share_and_length() -> None:
    dt = torch.full((400, 600), 1 / 60)
    state = stretches((400, 600, 2), dt, 0.2, 0.25, torch.Generator().manual_seed(0))
    assert float(state.float().mean()) == pytest.approx(0.2, abs=0.02)
    begins = (state[:, 1:] & ~state[:, :-1]).sum()
    assert float(state.sum() / begins / 60) == pytest.approx(0.25, rel=0.15)
    assert not bool(stretches((4, 60), dt[:4, :60], 0.0, 0.25, torch.Generator().manual_seed(0)).any())


def test_a_file_that_lacks_something_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.yaml"
    values = yaml.safe_load((ROOT / "fusion/virtual/blazepose_noise.yaml").read_text("utf-8"))
    path.write_text(yaml.safe_dump(values), "utf-8")
    assert read_noise(path) == BLAZEPOSE
    for damage in ("joints", "effects", "gross", "tail"):
        path.write_text(yaml.safe_dump({k: v for k, v in values.items() if k != damage}), "utf-8")
        with pytest.raises(ConfigError, match="cannot be read"):
            read_noise(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_noise(tmp_path / "absent.yaml")


def test_the_benchmark_of_batches_runs() -> None:
    short = ("--steps=2", "--clips=1", "--batch=2", "--window=0.2", "--workers=0")
    command = [sys.executable, "-m", "benchmarks.training.batches", *short]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "batches/s" in out
    assert "cameras" in out
    assert "waits" in out
