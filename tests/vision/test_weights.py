"""Weights are obtained once, verified, and refused when they are not what they should be."""

import hashlib
import zipfile

import pytest

from drivers.errors import ConfigError, WeightsError
from fusion import weights as module
from fusion.vision.base import front_end
from fusion.weights import WEIGHTS, WeightsFile, extract, get_weights, list_weights, read_member

WHEEL = "mediapipe-0.10.21-cp312-cp312-manylinux_2_28_x86_64.whl"


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """An empty cache, and pip that finds only what lies in the returned folder."""
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_REQUIRE_HASHES"):
        monkeypatch.delenv(name, raising=False)
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", shelf.as_uri())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return shelf


def wheel(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr(
            "mediapipe-0.10.21.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.21\n",
        )
        archive.writestr(
            "mediapipe-0.10.21.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp312-cp312-manylinux_2_28_x86_64\n",
        )
        archive.writestr("mediapipe-0.10.21.dist-info/RECORD", "")
    return path


def test_without_network_the_error_says_what_to_do(offline):
    said = []
    with pytest.raises(WeightsError) as caught:
        get_weights("blazepose", say=said.append)
    text = str(caught.value)
    assert "could not obtain mediapipe==0.10.21" in text
    assert "chorus weights get blazepose" in text
    assert "\n" not in text
    assert len(said) == 1  # it told before it tried
    assert not any(line.cached for line in list_weights())


def test_a_tampered_wheel_is_refused_and_nothing_is_cached(offline, tmp_path):
    files = WEIGHTS["blazepose"].files.values()
    wheel(offline / WHEEL, {file.member: b"\0" * file.size for file in files})
    with pytest.raises(WeightsError, match=r"SHA-256 .* refused"):
        get_weights("blazepose", say=lambda text: None)
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_the_right_wheel_is_unpacked_once_and_then_served_from_the_cache(offline, monkeypatch):
    data = {"detector": b"one" * 100, "landmarks": b"two" * 200}
    files = {
        role: WeightsFile(f"nets/{role}.tflite", hashlib.sha256(body).hexdigest(), len(body))
        for role, body in data.items()
    }
    entry = module.dataclasses.replace(WEIGHTS["blazepose"], files=files)
    monkeypatch.setitem(WEIGHTS, "blazepose", entry)
    path = wheel(offline / WHEEL, {file.member: data[role] for role, file in files.items()})
    said = []
    first = get_weights("blazepose", say=said.append)
    assert {role: p.read_bytes() for role, p in first.items()} == data
    assert list_weights()[0].cached
    path.unlink()
    assert get_weights("blazepose", say=said.append) == first
    assert len(said) == 2  # about the download, and no word the second time

    first["detector"].write_bytes(b"xxx" * 100)  # the same size, damaged
    with pytest.raises(WeightsError, match="could not obtain"):
        get_weights("blazepose", say=said.append)


def test_a_large_member_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = wheel(tmp_path / "big.whl", {"net.tflite": b"\0" * 5000})
    monkeypatch.setattr(module, "MAX_FILE", 4999)
    with pytest.raises(WeightsError, match="larger than"):
        read_member(path, "net.tflite")


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04" + b"\0" * 40])
def test_what_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "foreign.task"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read as an archive"):
        read_member(path, "net.tflite")


def test_a_missing_member_is_named(tmp_path):
    path = wheel(tmp_path / "other.whl", {"a": b"a"})
    with pytest.raises(WeightsError, match=r"has no net\.tflite"):
        extract(path, WeightsFile("net.tflite", "0" * 64, 1), tmp_path / "net.tflite")
    assert not (tmp_path / "net.tflite").exists()


def test_unknown_names_and_options_are_refused_with_what_there_is():
    with pytest.raises(WeightsError, match="blazepose"):
        get_weights("blazeprose")
    with pytest.raises(
        ConfigError,
        match="Choose one of: blazepose, heatmapnet, markers, onnx, opencv-dnn",
    ):
        front_end("blazeprose")
    with pytest.raises(ConfigError, match="wrong option"):
        front_end("blazepose", colour="blue")
    with pytest.raises(ConfigError, match="at least 1 person"):
        front_end("blazepose", max_people=0)


def test_a_file_that_the_user_names_must_exist_and_be_a_network(tmp_path, blazepose_weights):
    with pytest.raises(WeightsError, match="there is no weights file"):
        front_end("blazepose", weights=str(tmp_path / "absent.tflite"))
    odd = tmp_path / "net.onnx"
    odd.write_bytes(b"x")
    with pytest.raises(WeightsError, match="neither"):
        front_end("blazepose", weights=str(odd))
    garbage = tmp_path / "net.tflite"
    garbage.write_bytes(b"x" * 100)
    with pytest.raises(WeightsError, match="not a network"):
        front_end("blazepose", weights=str(garbage))
    with pytest.raises(WeightsError, match="outputs of shape"):
        front_end("blazepose", weights=str(blazepose_weights["detector"]))


def test_a_task_bundle_that_the_user_names_is_used(tmp_path, blazepose_weights):
    bundle = tmp_path / "pose.task"
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.write(blazepose_weights["detector"], "pose_detector.tflite")
        archive.write(blazepose_weights["landmarks"], "pose_landmarks_detector.tflite")
    with front_end("blazepose", weights=str(bundle)) as network:
        assert len(network.skeleton) == 33
