"""Folders of pictures and depth maps in files, played as a camera, recorded and exported."""

from __future__ import annotations

import base64
import json
import os
import tarfile
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from device_wires import gather, joined
from PIL import Image
from scipy.io import savemat

from drivers.base import DriverContext
from drivers.camera.depth import DepthConfig, DepthDriver
from drivers.camera.depth_file import DepthFileConfig, DepthFileDriver
from drivers.camera.folder import FolderConfig, FolderDriver
from drivers.camera.listing import natural
from drivers.errors import DeviceError, Fault
from drivers.rig import load_rig
from recordings.check import check
from recordings.exporters.export import export
from recordings.reader import open_recording
from recordings.recorder import record


def picture(number: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size, 3), 20 + number * 10, np.uint8)


def folder_of(path: Path, names: list[str]) -> Path:
    path.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(path / name), picture(number))
    return path


def played(driver) -> tuple:
    info = driver.open()
    got = gather(driver, lambda got: False)
    driver.close()
    return info, got


def folder(path: Path, store: str = "default", **options) -> FolderDriver:
    return FolderDriver(FolderConfig(str(path), **options), DriverContext("cam", store=store))


def depth(path: Path, **options) -> DepthFileDriver:
    return DepthFileDriver(DepthFileConfig(str(path), **options), DriverContext("depth"))


def refusal(driver) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        played(driver)
    driver.close()
    assert "\n" not in str(caught.value)
    return caught.value


def test_pictures_come_in_natural_order_and_jpeg_untouched(tmp_path):
    names = ["view2.jpg", "view10.jpg", "view1.jpg", "view9.png"]
    info, got = played(folder(folder_of(tmp_path / "views", names), fps=100.0))
    assert sorted(names, key=natural) == ["view1.jpg", "view2.jpg", "view9.png", "view10.jpg"]
    assert (info.kind, info.encoding, info.shape, info.rate_hz) == ("camera", "jpeg", (48, 64, 3), 100.0)
    rows = [row for item in got for row in item.data]
    assert rows[0] == (tmp_path / "views" / "view1.jpg").read_bytes()
    assert rows[3] == (tmp_path / "views" / "view10.jpg").read_bytes()
    assert rows[2].startswith(b"\xff\xd8")
    assert joined(got, "time_device").tolist() == [0, 10_000_000, 20_000_000, 30_000_000]


def test_times_come_from_names_a_table_or_the_pictures_themselves(tmp_path):
    stamps = [1403636579763555584, 1403636579813555584, 1403636579873555584]
    by_name = folder_of(tmp_path / "a", [f"{stamp}.png" for stamp in stamps])
    since = [0, 50_000_000, 110_000_000]
    assert joined(played(folder(by_name, times="name"))[1], "time_device").tolist() == since
    seconds = folder_of(tmp_path / "b", ["cam_1305031102.175304.png", "cam_1305031102.205304.png"])
    found = joined(played(folder(seconds, times="name"))[1], "time_device")
    assert abs(int(found[1]) - 30_000_000) < 1000  # as the text of a float has it
    table = folder_of(tmp_path / "c", ["x.png", "y.png"])
    (table / "times.csv").write_text("name,seconds\ny.png,0.5\nx.png,0.54\n")
    info, got = played(folder(table, times="times.csv"))
    assert joined(got, "time_device").tolist() == [0, 40_000_000]
    assert info.rate_hz == pytest.approx(25.0)
    exif = folder_of(tmp_path / "d", ["p.jpg", "q.jpg"])
    for name, fraction in (("p.jpg", "10"), ("q.jpg", "125")):
        with Image.open(exif / name) as image:
            tags = image.getexif()
            tags.get_ifd(0x8769).update({0x9003: "2024:05:01 10:00:00", 0x9291: fraction})
            image.save(exif / name, exif=tags)
    assert joined(played(folder(exif, times="exif"))[1], "time_device").tolist() == [0, 25_000_000]


def test_what_is_wrong_with_a_folder_is_told_with_the_file(tmp_path):
    good = folder_of(tmp_path / "good", ["1.png", "2.png"])
    assert refusal(folder(tmp_path / "nowhere", fps=50.0)).fault is Fault.NOT_FOUND
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in refusal(folder(tmp_path / "empty", fps=50.0)).what
    assert "does not say when" in refusal(folder(good, times="exif")).what
    assert "times.csv cannot be read" in refusal(folder(good, times="times.csv")).what
    (good / "times.csv").write_text("1.png,0\n2.png,soon\n")
    assert "line 2: 'soon' is no time" in refusal(folder(good, times="times.csv")).what
    (good / "times.csv").write_text("1.png,0\n")
    assert "no line for 2.png" in refusal(folder(good, times="times.csv")).what
    (good / "times.csv").write_text("1.png,0\n2.png,0\n")
    assert "have the same time" in refusal(folder(good, times="times.csv")).what
    cv2.imwrite(str(good / "3.png"), picture(3, (24, 32)))
    assert "3.png is 32x24 px, and the first picture 64x48" in refusal(folder(good, fps=50.0)).what
    (good / "3.png").write_bytes((good / "2.png").read_bytes()[:40])
    assert "3.png is not a picture" in refusal(folder(good, fps=50.0)).what
    with pytest.raises(ValueError, match="give 'fps', or 'times'"):
        FolderConfig("x")


def maps(count: int = 6) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 65536, (count, 24, 32)).astype(np.uint16)


@pytest.mark.parametrize("form", ["png", "npy", "mat", "h5"])
def test_depth_is_read_to_the_last_bit_from_every_form(tmp_path, form):
    truth, path = maps(), tmp_path / f"depth.{form}"
    if form == "png":
        path.mkdir()
        for number, one in enumerate(truth):
            cv2.imwrite(str(path / f"{number}.png"), one)
    elif form == "npy":
        np.save(path, truth)
    elif form == "mat":
        savemat(path, {"d_depth": np.moveaxis(truth, 0, -1), "other": np.zeros(3)})
    else:
        with h5py.File(path, "w") as file:
            file["depth"], file["times"] = truth, np.arange(6)
    info, got = played(depth(path, fps=100.0))
    assert (info.kind, info.dtype, info.shape, info.units) == ("depth", "<u2", (24, 32), ("mm",))
    assert joined(got, "data").dtype == np.uint16
    assert np.array_equal(joined(got, "data"), truth)


def test_depth_that_is_none_is_told(tmp_path):
    folder_of(tmp_path / "colour", ["1.png"])
    assert "no depth map of 16 bits, but uint8" in refusal(depth(tmp_path / "colour", fps=30.0)).what
    np.save(tmp_path / "flat.npy", maps()[0])
    assert "holds 0 such arrays" in refusal(depth(tmp_path / "flat.npy", fps=30.0)).what
    np.save(tmp_path / "real.npy", maps() / 1000)
    assert "float64 of shape (6, 24, 32), no depth" in refusal(depth(tmp_path / "real.npy", fps=30.0)).what
    (tmp_path / "text.npy").write_text("no array")
    assert "cannot be read" in refusal(depth(tmp_path / "text.npy", fps=30.0)).what
    np.save(tmp_path / "good.npy", maps())
    assert "has no times" in refusal(depth(tmp_path / "good.npy", times="name")).what


def test_a_scale_is_kept_beside_the_counts(tmp_path):
    np.save(tmp_path / "tum.npy", maps())
    info, _ = played(depth(tmp_path / "tum.npy", fps=100.0, scale_mm=0.2))
    assert info.units == ("1",)
    assert info.properties["depth_scale_mm"] == "0.2"


def test_depth_is_recorded_without_loss_checked_replayed_and_exported(tmp_path):
    truth = maps(40)
    np.save(tmp_path / "depth.npy", truth)
    rig = tmp_path / "rig.yaml"
    rig.write_text("streams: {depth: {driver: camera.depth_file, path: depth.npy, fps: 100}}")
    session = tmp_path / "depth.h5"
    summary = record(load_rig(rig), session)
    assert summary.problems == ()
    assert check(session).ok
    with open_recording(session) as recording:
        stream = recording.streams["depth"]
        assert stream.info.kind == "depth"
        assert np.array_equal(stream.data[:], truth)
    export(session, "csv", tmp_path / "csv")
    assert len((tmp_path / "csv" / "depth.csv").read_text().splitlines()) == 41
    assert json.loads((tmp_path / "csv" / "depth.json").read_text())["units"] == ["mm"]
    pytest.importorskip("mcap")
    from mcap.reader import make_reader

    export(session, "mcap", tmp_path / "depth.mcap")
    with (tmp_path / "depth.mcap").open("rb") as file:
        found = [
            (s.name, json.loads(m.data)) for s, _, m in make_reader(file).iter_messages(topics=["/depth"])
        ]
    assert {name for name, _ in found} == {"foxglove.RawImage"}
    last = found[-1][1]
    assert (last["encoding"], last["width"], last["height"], last["step"]) == ("16UC1", 32, 24, 64)
    assert np.array_equal(np.frombuffer(base64.b64decode(last["data"]), "<u2").reshape(24, 32), truth[-1])


def test_a_depth_camera_that_is_not_there_is_told_without_chatter(capfd):
    for backend in ("obsensor", "openni2", "realsense"):
        driver = DepthDriver(DepthConfig(9, backend), DriverContext("depth"))
        with pytest.raises(DeviceError) as caught:
            driver.open()
        driver.close()
        assert caught.value.fault in (Fault.NOT_FOUND, Fault.UNSUPPORTED)
    assert capfd.readouterr().err == ""


def test_real_depth_of_a_kinect_plays(tmp_path):
    archive = Path(os.environ.get("CHORUS_DATA", "")) / "utd_mhad_depth_t1.tar"
    if not archive.is_file():
        pytest.skip("needs utd_mhad_depth_t1.tar in the folder that CHORUS_DATA names")
    with tarfile.open(archive) as tar:
        member = next(one for one in tar if one.name.endswith(".mat"))
        data = tar.extractfile(member)
        assert data is not None
        (tmp_path / "real.mat").write_bytes(data.read())
    driver = depth(tmp_path / "real.mat", fps=500.0)
    info, got = played(driver)
    assert info.shape == (240, 320)
    near = joined(got, "data")
    assert 500 < np.median(near[near > 0]) < 5000  # a room, in mm
