"""Video4Linux: the layouts of the kernel's header, and a whole camera at the boundary of the system calls."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.camera import v4l2

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HEADER = Path("/usr/include/linux/videodev2.h")
CAMERA = "/dev/full"
"""A character device, as cameras are, that nothing else here opens."""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None or not HEADER.exists(),
    reason="needs Linux, a C compiler and the headers of its kernel",
)


def compiled(folder: Path, source: str, *options: str) -> Path:
    code, made = folder / "code.c", folder / "made"
    code.write_text(source)
    subprocess.run(["cc", str(code), "-o", str(made), *options], check=True)
    return made


def test_structures_and_numbers_are_those_of_the_kernels_header(tmp_path):
    fields = {
        "v4l2_capability": ("card", "capabilities", "device_caps"),
        "v4l2_fmtdesc": ("index", "type", "pixelformat"),
        "v4l2_frmsizeenum": ("index", "pixel_format", "type", "discrete"),
        "v4l2_frmivalenum": ("pixel_format", "width", "height", "type", "discrete"),
        "v4l2_queryctrl": ("id", "minimum", "maximum", "step", "default_value", "flags"),
        "v4l2_control": ("id", "value"),
    }
    layouts = (
        v4l2.CAPABILITY,
        v4l2.FORMAT,
        v4l2.FRAME_SIZE,
        v4l2.FRAME_INTERVAL,
        v4l2.QUERY,
        v4l2.CONTROL,
    )
    numbers = ("QUERYCAP", "ENUM_FMT", "G_CTRL", "S_CTRL", "QUERYCTRL")
    numbers += ("ENUM_FRAMESIZES", "ENUM_FRAMEINTERVALS")
    ids = list(v4l2.Id.__members__)
    prints = [f'printf("%zu\\n", sizeof(struct {name}));' for name in fields]
    prints += [f'printf("%lu\\n", (unsigned long)VIDIOC_{name});' for name in numbers]
    prints += [f'printf("%u\\n", V4L2_CID_{name});' for name in ids]
    prints += [
        f'printf("%zu\\n", offsetof(struct {name}, {field}));'
        for name, all_ in fields.items()
        for field in all_
    ]
    source = "#include <stdio.h>\n#include <stddef.h>\n#include <linux/videodev2.h>\nint main(void) {%s}"
    made = compiled(tmp_path, source % "\n".join(prints))
    told = [int(line) for line in subprocess.run([made], capture_output=True, check=True).stdout.split()]
    assert told[:6] == [layout.size for layout in layouts]
    assert told[6:13] == [getattr(v4l2, name) for name in numbers]
    assert told[13 : 13 + len(ids)] == [int(v4l2.Id[name]) for name in ids]
    # Where each field lies, by filling it alone.
    offsets = iter(told[13 + len(ids) :])
    places = {
        "v4l2_capability": (1, 4, 5),
        "v4l2_fmtdesc": (0, 1, 4),
        "v4l2_frmsizeenum": (0, 1, 2, 3),
        "v4l2_frmivalenum": (1, 2, 3, 4, 5),
        "v4l2_queryctrl": (0, 3, 4, 5, 6, 7),
        "v4l2_control": (0, 1),
    }
    for layout, (_, positions) in zip(layouts, places.items(), strict=True):
        empty = layout.unpack(bytes(layout.size))
        for position in positions:
            filled = list(empty)
            filled[position] = b"\1" if isinstance(empty[position], bytes) else 1
            assert layout.pack(*filled).index(1) == next(offsets)


@pytest.fixture(scope="module")
def camera(tmp_path_factory) -> dict[str, str]:
    """The environment in which :data:`CAMERA` is one."""
    folder = tmp_path_factory.mktemp("camera")
    library = compiled(folder, (HERE / "fake_camera.c").read_text(), "-shared", "-fPIC", "-ldl")
    noise = np.random.default_rng(2)
    for number in range(100):
        picture = noise.integers(0, 255, (480, 640, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return {"LD_PRELOAD": str(library), "FAKE_CAMERA": CAMERA, "FAKE_JPEG": str(folder)}


def told_by(script: str, camera: dict[str, str], **fake: int) -> dict:
    """Run a script where the camera is plugged in; return what it prints, as JSON."""
    environment = {**os.environ, **camera, "PYTHONPATH": str(ROOT), **{k: str(v) for k, v in fake.items()}}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


READING = """
    import json
    from drivers.base import DriverContext
    from drivers.camera.webcam import WebcamConfig, WebcamDriver
    from drivers.errors import DeviceError

    driver = WebcamDriver(WebcamConfig(device="/dev/full", {options}), DriverContext("cam", store="{store}"))
    told = {{"seq": [], "device": [], "host": [], "jpeg": [], "error": "", "fault": "", "events": []}}
    try:
        info = driver.open()
        told["info"] = [info.encoding, list(info.shape), info.rate_hz, info.properties["format"]]
        while len(told["seq"]) < {rows}:
            samples = driver.read(1.0)
            if samples is not None:
                told["seq"] += samples.seq.tolist()
                told["device"] += samples.time_device.tolist()
                told["host"] += samples.time_host.tolist()
                told["jpeg"] += [row.hex() for row in samples.data] if {keep} else []
                told["events"] += [event[1:] for event in driver.events()]
    except DeviceError as error:
        told["error"], told["fault"] = str(error), error.fault
    told["events"] += [event[1:] for event in driver.events()]
    driver.close()
    print(json.dumps(told))
"""


def read(camera: dict[str, str], options: str = "", rows: int = 5, keep: bool = False, **fake: int) -> dict:
    script = READING.format(options=options, rows=rows, keep=keep, store="default")
    return told_by(script, camera, **fake)


def test_a_cameras_formats_sizes_and_rates_are_listed_without_streaming(camera):
    script = """
        import json
        from drivers.camera.v4l2 import VideoDevice
        with VideoDevice("/dev/full") as device:
            modes = [[one.format, one.width, one.height, one.rates] for one in device.modes()]
            print(json.dumps({"name": device.name(), "captures": device.captures(), "modes": modes}))
    """
    told = told_by(script, camera, FAKE_BUSY=1)
    assert told["name"] == "Fake Camera"
    assert told["captures"] is True
    assert told["modes"][:2] == [["MJPG", 640, 480, [30.0, 15.0]], ["MJPG", 1280, 720, [30.0]]]
    assert told["modes"][2][0] == "YUYV"


def test_motion_jpeg_passes_through_undecoded_with_the_kernels_stamps(camera):
    told = read(camera, "fps=30", rows=12, keep=True)
    # OpenCV leaves the first out: cameras often send half of it.
    sent = [Path(camera["FAKE_JPEG"], f"{number}.jpg").read_bytes().hex() for number in range(1, 13)]
    assert told["info"] == ["jpeg", [480, 640, 3], 30.0, "jpeg as delivered"]
    assert told["jpeg"] == sent
    assert told["seq"] == list(range(12))
    assert set(np.round(np.diff(told["device"]) / 1e6, 1)) == {33.3}
    assert (np.array(told["host"]) >= told["device"]).all()


def test_a_camera_without_motion_jpeg_has_its_pixels_encoded(camera):
    told = read(camera, "mjpeg=False", rows=2, keep=True)
    assert told["info"][3] == "encoded here"
    assert told["jpeg"][0].startswith("ffd8")


def test_settings_are_taken_by_name_and_in_the_units_they_say(camera):
    told = read(camera, "exposure=10.0, white_balance=5000.0, brightness=-20.0")
    assert told["error"] == ""
    assert read(camera, "exposure='auto', white_balance='auto'")["error"] == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("exposure=400.0", "exposure is 204.7 ms, not 400 ms. Set 'exposure' to 0.3 to 204.7 ms"),
        ("white_balance=8000.0", "white_balance is 6500 K, not 8000 K. Set 'white_balance' to 2800 to 6500"),
        ("focus=5.0", "focus is not something it can set. Take 'focus' out of the rig"),
        ("gain='auto'", "gain: auto is not something it can set"),
        ("size=(800, 600), mjpeg=False", "gives 1280x720 px, not 800x600"),
    ],
)
def test_a_setting_that_the_camera_does_not_take_is_told_by_name_with_what_it_gave(camera, options, words):
    told = read(camera, options)
    assert words in told["error"]
    assert told["fault"] == "does not support the setting"


def test_a_rate_that_the_camera_does_not_give_is_told_and_recorded_all_the_same(camera):
    told = read(camera, "fps=60.0")
    assert told["info"][2] == 30.0
    assert told["events"] == [["device", "cam: fps is 30, not 60, the camera does not give that"]]


def test_a_camera_that_streams_to_another_program_is_busy(camera):
    told = read(camera, FAKE_BUSY=1)
    assert told["fault"] == "in use by another program"


def test_a_camera_that_is_unplugged_fails_after_all_that_came(camera):
    told = read(camera, rows=50, FAKE_DIES=8)
    assert told["seq"] == list(range(7))
    assert told["fault"] == "was unplugged"


def test_a_camera_that_hangs_is_told(camera):
    told = read(camera, rows=45, FAKE_HANGS=3)
    assert len(told["seq"]) == 45
    assert [label.partition(" since")[0] for _, label in told["events"]] == ["cam: sends the same picture"]


def test_a_node_that_is_not_there_or_no_camera_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        v4l2.VideoDevice(str(tmp_path / "video0"))
    with v4l2.VideoDevice("/dev/null") as device, pytest.raises(OSError):
        device.captures()
    with v4l2.VideoDevice("/dev/null") as device:
        assert device.modes() == []
        assert device.control(v4l2.Id.GAIN) is None
