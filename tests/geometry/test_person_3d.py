"""A person in 3D: moments shared, cameras set right, paths smoothed, bones measured, files written."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from geometry_scenes import cloud, ring, turned

from drivers.errors import ConfigError, DataError, WeightsError
from drivers.rig import load_rig
from fusion.cli import main
from fusion.geometry.lens import project
from fusion.geometry.people import Person3D
from fusion.geometry.seen import Track, together
from fusion.geometry.smooth import smoothed
from fusion.geometry.steady import Bone, limb_bones
from fusion.geometry.steady_plot import draw
from fusion.geometry.triangulate import Weights, triangulate
from fusion.geometry.turn import offsets, telling
from fusion.geometry.turn import turned as set_right
from fusion.geometry.write3d import write_3d
from fusion.skeletons import BLAZEPOSE33
from fusion.weights import get_weights
from recordings.reader import open_recording
from recordings.recorder import record

FILMS = Path(os.environ.get("CHORUS_DATA", "")) / "video" / "pose2sim"


def track(times: np.ndarray) -> Track:
    """One point that moves steadily: 100 px/s to the right."""
    pixels = np.stack([times * 1e-7, np.full(len(times), 5.0)], -1)[:, None]
    return Track(times.astype(np.int64), pixels, np.ones((len(times), 1)), np.ones((len(times), 1, 3)))


def test_cameras_that_run_side_by_side_are_read_at_the_same_moments() -> None:
    slow = track(np.arange(0, 2e9, 5e7))
    fast = track(np.arange(13e6, 1.5e9, 1e7))
    moments, (a, b) = together({"slow": slow, "fast": fast})
    assert np.array_equal(moments, slow.times[slow.times <= 1.525e9])
    inside = (moments >= 13e6) & (moments <= fast.times[-1])
    assert np.allclose(b.pixels[inside], a.pixels[inside])
    assert np.isnan(b.pixels[~inside]).all()


def test_a_gap_is_not_read_across_and_a_lost_picture_does_not_spoil_its_neighbour() -> None:
    times = np.concatenate([np.arange(0, 5e8, 1e7), np.arange(8e8, 1.2e9, 1e7)])
    gone = track(times)
    gone.pixels[20] = np.nan
    at = gone.at(np.array([195_000_000, 190_000_000, 600_000_000, 900_000_000]))
    assert np.isnan(at.pixels[0]).all()  # between a picture and a lost one
    assert np.isfinite(at.pixels[1]).all()
    assert np.isnan(at.pixels[2]).all()
    assert np.isfinite(at.pixels[3]).all()


def test_cameras_that_were_never_on_together_are_told() -> None:
    with pytest.raises(DataError, match="never recorded at the same time"):
        together({"a": track(np.arange(0, 1e9, 1e7)), "b": track(np.arange(5e9, 6e9, 1e7))})


def test_a_camera_that_was_nudged_is_turned_back() -> None:
    cameras, points = ring(4), cloud(600, 2)
    rng = np.random.default_rng(3)
    pixels = np.stack([project(one, points) for one in cameras])
    pixels += rng.normal(0, 2.0, pixels.shape)
    score = np.ones(pixels.shape[:2])
    assert cameras[1].pose is not None
    nudged = list(cameras)
    nudged[1] = dataclasses.replace(cameras[1], pose=turned(cameras[1].pose, 0.8, [0.2, 1.0, 0.1]))
    weights = Weights(cutoff_px=40)
    before = triangulate(nudged, pixels, score, weights=weights)
    assert telling(nudged, offsets(nudged, pixels, before))
    mended, degrees = set_right(nudged, pixels, score, before)
    after = triangulate(mended, pixels, score, weights=weights)
    assert degrees[1] == pytest.approx(0.8, abs=0.25)
    assert not telling(mended, offsets(mended, pixels, after))
    error = [np.nanmedian(np.linalg.norm(found.places - points, axis=1)) for found in (before, after)]
    assert error[1] < 0.5 * error[0]


def test_cameras_that_are_right_are_left_alone() -> None:
    cameras, points = ring(4), cloud(600, 2)
    pixels = np.stack([project(one, points) for one in cameras])
    pixels += np.random.default_rng(3).normal(0, 4.0, pixels.shape)
    found = triangulate(cameras, pixels)
    assert not telling(cameras, offsets(cameras, pixels, found))
    _, degrees = set_right(cameras, pixels, np.ones(pixels.shape[:2]), found)
    assert degrees.max() < 0.1


def test_a_path_is_smoothed_without_lag_and_its_jumps_and_short_gaps_go() -> None:
    times = (np.arange(300) / 60 * 1e9).astype(np.int64)
    truth = np.stack([np.sin(times * 2e-9), np.cos(times * 1e-9), times * 1e-10], -1)[:, None]
    seen = truth + np.random.default_rng(4).normal(0, 0.01, truth.shape)
    seen[100] += 0.5
    seen[150:155] = np.nan
    seen[200:230] = np.nan
    out = smoothed(times, seen)
    assert np.isnan(out[205:225]).all()  # half a second is too long
    known = np.isfinite(out).all(-1)
    assert known[:200].all()
    assert np.abs(out - truth)[known].mean() < 0.5 * 0.01
    assert np.abs(out - truth)[20:190].max() < 0.02
    assert np.array_equal(smoothed(times[:50], seen[:50], 0), seen[:50])


def body(frames: int = 40) -> Person3D:
    """Somebody who sways, with bones of constant length."""
    places = np.zeros((frames, 33, 3))
    places[:] = np.random.default_rng(5).uniform(0, 1, (33, 3))
    places += np.sin(np.arange(frames) / 9)[:, None, None] * [0.1, 0.2, 0.0]
    cameras = {f"cam{i}": one for i, one in enumerate(ring(3))}
    pixels = np.stack([project(one, places.reshape(-1, 3)) for one in cameras.values()])
    points = triangulate(list(cameras.values()), pixels)
    times = (np.arange(frames) / 50 * 1e9).astype(np.int64)
    raw = points.places.reshape(places.shape)
    nothing = dict.fromkeys(cameras, 0.0)
    return Person3D(BLAZEPOSE33, times, raw, raw, points, cameras, nothing, nothing, nothing, nothing)


def test_bones_tell_their_length_and_how_it_varies() -> None:
    person = body()
    for bone in limb_bones(person.skeleton, person.raw):
        assert bone.variation < 0.01
    rng = np.random.default_rng(6)
    lengths = 0.4 * (1 + 0.02 * rng.normal(size=4000))
    lengths[:200] = 3.0  # outliers weigh in one figure and not in the other
    bone = Bone("thigh", lengths)
    assert bone.length == pytest.approx(0.4, rel=0.01)
    assert bone.variation == pytest.approx(2.0, abs=0.3)
    assert bone.plain_variation > 50


@pytest.mark.parametrize("units", ["mm", "m"])
@pytest.mark.parametrize("up", ["z", "y"])
def test_a_trc_holds_every_joint_in_its_units(tmp_path: Path, units, up) -> None:
    person = body()
    person.places[3, 5] = np.nan
    write_3d(person, tmp_path / "a.trc", units, up)
    lines = (tmp_path / "a.trc").read_text().splitlines()
    keys, values = lines[1].split("\t"), lines[2].split("\t")
    told = dict(zip(keys, values, strict=True))
    assert (told["Units"], told["NumFrames"], told["NumMarkers"]) == (units, "40", "33")
    assert float(told["DataRate"]) == pytest.approx(50)
    assert lines[3].split("\t")[2::3][:33] == list(BLAZEPOSE33)
    rows = [line.split("\t") for line in lines[6:]]
    assert len(rows) == 40
    assert {len(row) for row in rows} == {2 + 3 * 33}
    assert rows[3][2 + 15 : 2 + 18] == ["", "", ""]
    x, y, z = person.places[7, 2] * (1000 if units == "mm" else 1)
    expected = [x, y, z] if up == "z" else [x, z, -y]
    assert [float(v) for v in rows[7][8:11]] == pytest.approx(expected, rel=1e-4)


def test_a_csv_says_how_sure_each_joint_is(tmp_path: Path) -> None:
    person = body(5)
    write_3d(person, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 * 33
    assert float(rows[34]["time_s"]) == pytest.approx(0.02)
    assert rows[34]["joint"] == BLAZEPOSE33[1]
    assert float(rows[34]["x_m"]) == pytest.approx(person.places[1, 1, 0], abs=1e-5)
    assert 0 < float(rows[34]["deviation_m"]) < 0.05
    assert rows[34]["cameras"] == "3"
    with pytest.raises(ConfigError, match=r"\.csv or \.trc"):
        write_3d(person, tmp_path / "a.bvh")


def test_a_picture_is_drawn_even_of_somebody_who_is_seen_in_part(tmp_path: Path) -> None:
    person = body(30)
    person.places[5:9] = np.nan
    person.places[:, BLAZEPOSE33.index("left_elbow")] = np.nan
    draw(dataclasses.replace(person, swapped={**person.swapped, "cam1": 0.25}), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match="can't be written"):
        draw(person, tmp_path / "none" / "a.png")


@pytest.fixture(scope="module")
def network() -> None:
    """BlazePose, from the cache or downloaded now."""
    try:
        get_weights("blazepose")
    except WeightsError as error:
        pytest.skip(f"the weights cannot be downloaded here: {error}")


def record_four(folder: Path, seconds: float) -> None:
    """Record the films of one person by four cameras to a.h5 in a folder."""
    streams = "".join(
        f"  cam0{k}: {{driver: camera.file, path: {FILMS}/single_person/cam0{k}.mp4, fps: 6, start_s: 12}}\n"
        for k in (1, 2, 3, 4)
    )
    (folder / "four.yaml").write_text(f"name: four\nvision: blazepose\nstreams:\n{streams}")
    assert record(load_rig(folder / "four.yaml"), folder / "a.h5", seconds).exit_code == 0


@pytest.mark.usefixtures("network")
@pytest.mark.skipif(not FILMS.is_dir(), reason="needs CHORUS_DATA with video/pose2sim")
def test_four_films_are_recorded_in_step_and_give_a_body(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_four(tmp_path, 8.0)
    with open_recording(tmp_path / "a.h5") as recording:
        times = [
            dict(zip(s.row_seq.tolist(), s.times.tolist(), strict=True)) for s in recording.streams.values()
        ]
    shared = set.intersection(*(set(one) for one in times))
    assert len(shared) >= 12
    apart = [max(one[k] for one in times) - min(one[k] for one in times) for k in shared]
    assert max(apart) < 0.5 / 60 * 1e9  # half a picture of the 60 that the films have in a second
    arguments = [
        f"--calibration={FILMS}/Calib.qca.txt",
        f"--plot={tmp_path}/a.png",
        "--looks=1",
        "--smooth_hz=0",
    ]
    assert main(["triangulate", str(tmp_path / "a.h5"), "--json", *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    lengths = {name: bone["length_m"] for name, bone in told["bones"].items()}
    for side in ("left", "right"):
        assert 0.2 < lengths[f"{side} forearm"] < lengths[f"{side} thigh"] < 0.5
        assert told["bones"][f"{side} thigh"]["raw_variation_percent"] < 8
    assert all(camera["error_px"] < 20 for camera in told["cameras"].values())
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("network")
@pytest.mark.skipif(not FILMS.is_dir(), reason="needs CHORUS_DATA with video/pose2sim")
def test_bones_of_somebody_filmed_by_four_cameras_keep_their_length(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_four(tmp_path, 40.0)
    arguments = [str(tmp_path / "a.h5"), f"--calibration={FILMS}/Calib.qca.txt", "--json"]
    assert main(["triangulate", *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["moments"] >= 95
    assert told["pace"] == pytest.approx(0.1)
    for bone in told["bones"].values():
        assert bone["known"] > 0.95
        assert bone["variation_percent"] < 3
        assert bone["raw_plain_variation_percent"] < 7  # nothing is far off, at any moment
    # The face is made unrecognisable, and one camera often takes the front for the back.
    assert max(camera["sides_swapped"] for camera in told["cameras"].values()) > 0.1


def test_what_can_not_be_triangulated_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.yaml").write_text(
        "streams:\n  camera: {driver: simulator.camera, width: 320, height: 240, fps: 15}\n"
    )
    assert record(load_rig(tmp_path / "one.yaml"), tmp_path / "a.h5", 0.5).exit_code == 0
    (tmp_path / "c.toml").write_text(
        "[a]\nname='a'\nsize=[320.0, 240.0]\nmatrix=[[300.0,0.0,160.0],[0.0,300.0,120.0],[0.0,0.0,1.0]]\n"
        "distortions=[0.0,0.0,0.0,0.0]\nrotation=[0.1,0.0,0.0]\ntranslation=[0.0,0.0,1.0]\n"
    )
    for arguments, words in (
        ([], "1 cameras to triangulate with"),
        ([f"--calibration={tmp_path}/c.toml"], "--map=camera=a"),
        ([f"--calibration={tmp_path}/c.toml", "--map=x=a"], "pairs no stream"),
        ([f"--calibration={tmp_path}/none.toml"], "can't be read"),
        (["--smooth_hz=-1"], "Give Hz"),
    ):
        assert main(["triangulate", str(tmp_path / "a.h5"), *arguments]) != 0
        said = capsys.readouterr().err.strip()
        assert words in said
        assert "\n" not in said
