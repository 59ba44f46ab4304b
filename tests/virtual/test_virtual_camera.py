"""Virtual cameras project as OpenCV does, see the person, and lose it as they say."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from fusion.features.box import BoxFilter
from fusion.features.spec import FeatureSpec
from fusion.features.vision import KEYPOINT_COLUMNS, VisionReader
from fusion.skeletons import BODY20
from fusion.virtual.camera import CameraRanges, Seen, VirtualCameras
from fusion.virtual.frames import FrameRanges, draw_frames, smooth_boxes
from fusion.virtual.kinematics import orientations
from fusion.virtual.noise import BLAZEPOSE
from fusion.virtual.occlusion import self_occlusion
from fusion.virtual.simulated import simulated
from fusion.virtual.views import ViewRanges, draw_views

J = {name: index for index, name in enumerate(BODY20)}
RATE = 60.0
CLEAR = CameraRanges(
    frames=FrameRanges(rates=(60.0,), delay_s=0.0, lag_s=0.0, missed=0.0, blackout=0.0), noise=0.0,
    definition_m=0.0, dark=0.0, furniture=0.0, unknown=0.0, found=1.0, depth_known=1.0, flicker=0.0,
    box=(0.0, 0.0), prone=0.0, limb_swap=0.0, view=ViewRanges(cut=0.0),
)  # fmt: skip


@pytest.fixture(scope="module")
def moving() -> tuple[Tensor, Tensor]:
    motions = [simulated(seed, 3.0) for seed in range(12)]
    joints = torch.stack([m.joints for m in motions])
    return joints, torch.stack([orientations(m.rotations) for m in motions])


def see(ranges: CameraRanges, moving: tuple[Tensor, Tensor], seed: int = 0, cameras: int = 1) -> Seen:
    g = torch.Generator().manual_seed(seed)
    return VirtualCameras(ranges, RATE)(*moving, g, lead=30, cameras=cameras)


def test_projection_is_opencvs(moving: tuple[Tensor, Tensor]) -> None:
    views = draw_views(moving[0], ViewRanges(), torch.Generator().manual_seed(1))
    seen = views.to_camera(moving[0])
    places = views.project(seen)
    inside = views.inside(places)
    assert bool(inside.any(dim=2).all())
    for n in range(len(places)):
        matrix = np.diag([float(views.focal[n]), float(views.focal[n]), 1.0])
        points = seen[n].reshape(-1, 3).double().numpy()
        bend = views.distortion[n].double().numpy()
        want = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, bend)[0].reshape(-1, 20, 2)
        off = np.abs(want - places[n].numpy())[inside[n].numpy()]
        assert off.max() < 1e-5


def test_the_person_is_in_the_picture_and_cameras_stand_all_around(moving: tuple[Tensor, Tensor]) -> None:
    joints = moving[0].repeat(20, 1, 1, 1)
    views = draw_views(joints, ViewRanges(), torch.Generator().manual_seed(2))
    seen = views.to_camera(joints)
    assert float(seen[..., 2].min()) > 0.3
    inside = views.inside(views.project(seen)).float().mean(dim=(1, 2))
    assert float((inside > 0.6).float().mean()) > 0.9
    assert 0.02 < float((inside < 0.95).float().mean()) < 0.4  # some are cut at the border
    quarter = torch.histc(views.facing, 4, -torch.pi, torch.pi)
    assert float(quarter.min()) > 0.15 * len(joints)
    across = 2 * torch.atan(0.5 * views.aspect.clamp(min=1.0) / views.focal).rad2deg()
    assert 45.0 <= float(across.min()) <= float(across.max()) <= 75.0
    flat = (joints.mean(dim=(1, 2)) - views.position)[:, :2].norm(dim=-1)
    assert 1.5 < float(flat.min()) <= float(flat.max()) < 9.5


def test_rotations_are_rotations_and_up_is_up(moving: tuple[Tensor, Tensor]) -> None:
    views = draw_views(moving[0], ViewRanges(), torch.Generator().manual_seed(3))
    product = views.rotation @ views.rotation.transpose(-1, -2)
    assert torch.allclose(product, torch.eye(3).expand_as(product), atol=1e-5)
    assert torch.allclose(torch.linalg.det(views.rotation), torch.ones(len(product)), atol=1e-5)
    assert bool((views.rotation[:, 1, 2] < -0.5).all())  # y down


def body(**moved: tuple[float, float, float]) -> Tensor:
    """Return a standing body (1, 1, 20, 3) in camera axes, 3 m away and facing the camera."""
    joints = simulated(4, 0.5, sway=0.0).joints[:1].clone()
    joints = joints - joints[:, :1]
    seen = torch.stack([joints[..., 1], -joints[..., 2], 3.0 - joints[..., 0]], dim=-1)
    for name, place in moved.items():
        seen[0, J[name]] = torch.tensor(place)
    return seen[None]


def test_a_hand_behind_the_trunk_is_hidden_and_one_in_front_is_not() -> None:
    behind = self_occlusion(body(left_wrist=(0.0, -0.2, 3.35), left_hand=(0.0, -0.2, 3.4)))[0, 0]
    front = self_occlusion(body(left_wrist=(0.0, -0.2, 2.65), left_hand=(0.0, -0.2, 2.6)))[0, 0]
    aside = self_occlusion(body(left_wrist=(0.9, -0.2, 3.35), left_hand=(0.9, -0.2, 3.35)))[0, 0]
    assert float(behind[J["left_hand"]]) > 0.95
    assert float(front[J["left_hand"]]) < 0.05
    assert float(aside[J["left_hand"]]) < 0.05


def test_without_noise_the_features_are_the_truth(moving: tuple[Tensor, Tensor]) -> None:
    seen = see(CLEAR, moving)
    # A frame is taken between ticks; what moved since is not in it.
    error = (seen.vision[..., :2] - seen.joints2d).norm(dim=-1)
    assert float(error[seen.vision_present > 0.5].median()) < 0.002
    present = seen.vision_present > 0.5
    depth = seen.vision[..., 7] - BLAZEPOSE.depth_gain * seen.joints3d[..., 2]
    assert float(depth[present].abs().quantile(0.9)) < 0.02


def test_columns_are_those_that_the_vision_reader_makes(moving: tuple[Tensor, Tensor]) -> None:
    """Put what a network found into the reader that runs live: the same columns must come out."""
    captured: dict[str, Tensor] = {}
    cameras = VirtualCameras(dataclasses.replace(CLEAR, noise=1.0), RATE)
    network = cameras.network

    class Listening:
        noise = network.noise

        def __call__(self, *args: object) -> object:
            found = network(*args)  # type: ignore[arg-type]
            captured.update(
                {name: getattr(found, name) for name in ("places", "variance", "score", "peak", "depth")}
            )
            return found

    cameras.network = Listening()  # type: ignore[assignment]
    seen = cameras(*moving, torch.Generator().manual_seed(5))
    width, spec = 1000.0, FeatureSpec()
    for n in range(3):
        height = float(seen.views.aspect[n]) * width
        reader = VisionReader(BODY20, (int(width), int(height)), spec)
        rows = []
        for frame in range(40):
            row = np.zeros((20, len(KEYPOINT_COLUMNS)))
            row[:, 0:2] = captured["places"][n, frame].numpy() * width + [width / 2, height / 2]
            row[:, 2] = captured["score"][n, frame].numpy()
            row[:, 3:6] = captured["variance"][n, frame].numpy() * width**2
            row[:, 8], row[:, 9] = captured["depth"][n, frame].numpy(), 1.0
            rows.append(reader(round(frame * 1e9 / 60), row, captured["peak"][n, frame].numpy()))
        age = seen.vision_age[n]
        for tick in range(2, 38):
            if not bool(seen.vision_present[n, tick].any()):
                continue  # now and then nobody is found
            # The frame that is newest at the tick was taken within the tick before it.
            best = min(
                np.abs(f.vision - seen.vision[n, tick].numpy()).max() for f in rows[tick - 1 : tick + 1]
            )
            assert float(age[tick]) < 1.001 / RATE
            assert best < 2e-3


def test_boxes_are_those_of_the_box_filter() -> None:
    g = torch.Generator().manual_seed(0)
    raw = torch.rand(4, 80, 3, generator=g).cumsum(dim=1) * 0.02 + 0.3
    raw[1, 40:, 0] += 2.0  # another person
    there = torch.rand(4, 80, generator=g) > 0.3
    there[2, 10:75] = False  # longer than a box lasts
    out = smooth_boxes(raw, there, torch.full((4, 80), 1 / 30))
    for n in range(4):
        filtered, box = BoxFilter(), np.zeros(3)
        for frame in range(80):
            if there[n, frame]:
                box = filtered(raw[n, frame].double().numpy(), round(frame * 1e9 / 30))
            assert np.allclose(out[n, frame].numpy(), box, atol=1e-4)


def test_blackouts_take_what_they_say_and_frames_keep_their_rate() -> None:
    g = torch.Generator().manual_seed(0)
    ranges = FrameRanges(rates=(30.0,), delay_s=0.0, lag_s=0.0, missed=0.0, blackout=1.0, covered=0.0)
    frames = draw_frames(500, 240, RATE, ranges, g)
    age = torch.where(frames.newest >= 0, frames.age, torch.inf)
    dark = (age > 0.1).float().mean(dim=1)
    assert 0.1 < float(dark.mean()) < 0.5
    assert float(dark.max()) > 0.9
    calm = draw_frames(50, 240, RATE, dataclasses.replace(ranges, blackout=0.0), g)
    steps = torch.diff(calm.newest, dim=1)
    assert float(steps.float().mean()) == pytest.approx(0.5, abs=0.01)
    assert float(calm.age[:, 5:].max()) < 1.01 / 30


def test_darkness_lowers_peaks_and_scatters_and_doubled_noise_is_doubled(
    moving: tuple[Tensor, Tensor],
) -> None:
    def scatter(ranges: CameraRanges) -> tuple[float, float]:
        seen = see(ranges, moving, seed=8)
        present = seen.vision_present > 0.5
        error = (seen.vision[..., :2] - seen.joints2d).norm(dim=-1)[present]
        return float(error.median()), float(seen.vision[..., 2][present].median())

    normal = dataclasses.replace(CLEAR, noise=1.0)
    plain, twice = scatter(normal), scatter(dataclasses.replace(CLEAR, noise=2.0))
    dark = scatter(dataclasses.replace(normal, dark=1.0, darkness=(1.0, 1.0)))
    assert 1.7 < twice[0] / plain[0] < 2.3
    assert dark[0] > 1.15 * plain[0]
    assert dark[1] < plain[1] - 0.03


def test_several_cameras_see_one_person_each_from_its_own_place(moving: tuple[Tensor, Tensor]) -> None:
    seen = see(CLEAR, moving, cameras=3)
    assert seen.vision.shape[0] == 3 * len(moving[0])
    turned = seen.views.rotation[:, None, None].transpose(-1, -2) @ seen.joints3d[..., None]
    world = turned[..., 0].unflatten(0, (-1, 3))
    assert torch.allclose(world[:, 0], world[:, 1], atol=1e-4)
    assert not torch.allclose(seen.joints3d[0], seen.joints3d[1], atol=0.01)
