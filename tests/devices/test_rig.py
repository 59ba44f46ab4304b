"""Rigs: what is written is checked, key by key, in one line that names the mend."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivers import registry
from drivers.base import Driver
from drivers.camera.file import VideoFileConfig, VideoFileDriver
from drivers.errors import ChorusError, ConfigError
from drivers.rig import BusConfig, create_driver, load_rig

RIGS = sorted((Path(__file__).parents[2] / "configs" / "rigs").glob("*.yaml"))

GOOD = """\
name: walk
subject: "07"
streams:
  camera: {driver: camera.file, path: walk.mp4, fps: 30, size: [640, 360]}
  wrist:
    driver: imu.serial
    worn_on: right_forearm
    port: /dev/ttyUSB0
    latency_ms: 12
    required: false
"""


@pytest.fixture
def rig_file(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "walk.yaml"
        path.write_text(text)
        return path

    return write


def refused(path: Path | str, *overrides: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_rig(path, overrides)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_rig_becomes_typed_configs(rig_file, tmp_path):
    rig = load_rig(rig_file(GOOD))
    assert (rig.name, rig.subject, rig.vision, rig.bus) == ("walk", "07", "blazepose", BusConfig())
    assert list(rig.streams) == ["camera", "wrist"]
    assert rig.streams["camera"].options == VideoFileConfig(path="walk.mp4", fps=30.0, size=(640, 360))
    assert isinstance(rig.streams["camera"].options.fps, float)
    wrist = rig.streams["wrist"]
    assert (wrist.worn_on, wrist.latency_ms, wrist.required, wrist.store) == (
        "right_forearm",
        12.0,
        False,
        "default",
    )
    assert wrist.options.baudrate == 115200
    assert (rig.text, rig.folder) == (GOOD, str(tmp_path))


def test_a_driver_is_made_with_its_surroundings(rig_file, tmp_path):
    rig = load_rig(rig_file(GOOD), ["--streams.camera.store=raw"])
    driver = create_driver(rig, "camera", 123)
    assert isinstance(driver, VideoFileDriver)
    context = driver.context
    assert (context.stream, context.epoch_ns, context.store) == ("camera", 123, "raw")
    assert context.folder == str(tmp_path)
    with pytest.raises(ConfigError, match=r"no stream 'camra'.*Did you mean 'camera'"):
        create_driver(rig, "camra", 0)


def test_overrides_are_applied_checked_and_kept_in_the_text(rig_file):
    path = rig_file(GOOD)
    rig = load_rig(
        path, ["--streams.camera.fps=12.5", "--subject=007", "bus.insecure=true", "--streams.wrist.port=5"]
    )
    assert rig.streams["camera"].options.fps == 12.5
    assert (rig.subject, rig.bus.insecure, rig.streams["wrist"].options.port) == ("007", True, "5")
    assert yaml.safe_load(rig.text)["streams"]["camera"]["fps"] == 12.5
    assert "Did you mean 'fps'" in refused(path, "--streams.camera.fsp=3").mend
    assert "Did you mean 'camera'" in refused(path, "--streams.camara.fps=3").mend
    assert "fps" in refused(path, "--streams.camera.fps=fast").what
    assert "sets nothing" in refused(path, "--verbose").what
    assert "holds a value" in refused(path, "--name.first=x").what


@pytest.mark.parametrize(
    ("change", "what", "mend"),
    [
        (("fps: 30", "fsp: 30"), "streams.camera has an unknown key 'fsp'", "Did you mean 'fps'"),
        (("name: walk", "nmae: walk"), "the file has an unknown key 'nmae'", "Did you mean 'name'"),
        (("fps: 30", "fps: fast"), "streams.camera.fps is 'fast'", "a number"),
        (
            ("size: [640, 360]", "size: 640"),
            "streams.camera.size is 640",
            "a list of 2, each a whole number or null",
        ),
        (("fps: 30", "fps: -1"), "fps must be 0", "Correct the value"),
        (("path: walk.mp4, ", ""), "streams.camera has no 'path'", "Add 'path:' with text"),
        (("camera.file", "camera.fiel"), "no driver 'camera.fiel'", "Did you mean 'camera.file'"),
        (("driver: imu.serial", "rate: 5"), "has an unknown key 'rate'|no 'driver'", "driver"),
        (("right_forearm", "right_forarm"), "no place on the body", "Did you mean 'right_forearm'"),
        (("latency_ms: 12", "latency_ms: 1e9"), "latency_ms", "milliseconds"),
        (("required: false", "store: png"), "store is 'png'", "one of default, mjpeg, h264, raw, none"),
        (("wrist:", "Left-Wrist:"), "'Left-Wrist' cannot name a stream", "small letters"),
        (("wrist:", "camera:"), "'camera' stands twice", "line"),
        (("name: walk", "name: [a"), "line", "Correct that line"),
        (("name: walk", "bus: {insecure: maybe}"), "bus.insecure is 'maybe'", "true or false"),
    ],
)
def test_each_mistake_is_one_line_with_the_file_the_key_and_the_mend(rig_file, change, what, mend):
    path = rig_file(GOOD.replace(*change))
    error = refused(path)
    assert str(path) in error.what
    assert any(option in error.what for option in what.split("|"))
    assert mend in error.mend


@pytest.mark.parametrize(
    "text", ["", "just words", "- a\n- list\n", "streams: {}", "streams: 5", "a: &a [*a]", "\x00"]
)
def test_what_is_no_rig_is_refused(rig_file, text):
    refused(rig_file(text))


def test_missing_unreadable_and_binary_files(tmp_path):
    assert "There is no rig file" in refused(tmp_path / "none.yaml").what
    assert "folder" in refused(tmp_path).what
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    assert "not text" in refused(tmp_path / "binary.yaml").what


def test_yaml_makes_no_objects(rig_file):
    refused(rig_file("streams: !!python/object/apply:os.system ['true']\n"))


@given(st.text(max_size=200))
def test_any_text_is_a_rig_or_one_line(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("rigs") / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    said = ""
    try:
        load_rig(path)
    except ChorusError as error:
        said = str(error)
    assert "\n" not in said


@pytest.mark.parametrize("path", RIGS, ids=lambda path: path.stem)
def test_every_example_rig_is_sound(path):
    rig = load_rig(path)
    for name in rig.streams:
        assert isinstance(create_driver(rig, name, 0), Driver)


def test_every_built_in_driver_can_be_imported_without_its_library():
    for name in registry.BUILT_IN:
        found = registry.driver_class(name)
        assert issubclass(found, Driver)
        assert found.Config


def test_drivers_of_other_packages_are_found_by_their_entry_point(tmp_path, monkeypatch):
    (tmp_path / "acme_emg.py").write_text(
        "from drivers.camera.webcam import WebcamDriver\nclass Emg(WebcamDriver):\n    pass\nthing = 3\n"
    )
    info = tmp_path / "acme_emg-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-emg\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[chorus.drivers]\nemg.acme = acme_emg:Emg\nemg.none = acme_emg:Nothing\n"
        "emg.thing = acme_emg:thing\nemg.gone = acme_gone:Emg\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert {"emg.acme", "camera.file", "replay"} <= set(registry.names())
    assert registry.driver_class("emg.acme").__name__ == "Emg"
    for name, words in (
        ("emg.none", "does not exist"),
        ("emg.thing", "is not a drivers.base.Driver"),
        ("emg.gone", "'acme_gone'"),
    ):
        with pytest.raises(ChorusError, match=words):
            registry.driver_class(name)
