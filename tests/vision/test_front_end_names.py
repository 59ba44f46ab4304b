"""A front end is named by one text: NAME[:FILE][:key=value]..."""

import numpy as np
import pytest

from drivers.errors import ConfigError
from fusion.vision import light
from fusion.vision.base import FrontEnd, Person, front_end, front_end_of, parse_front_end


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("blazepose", "blazepose", {}),
        ("onnx:a/b.yaml", "onnx", {"weights": "a/b.yaml"}),
        ("onnx:hrnet_coco17:file=a.onnx", "onnx", {"weights": "hrnet_coco17", "file": "a.onnx"}),
        ("blazepose:threads=2:heatmaps=false", "blazepose", {"threads": 2, "heatmaps": False}),
        (
            "posenet:C:\\nets\\p.tflite:threshold=0.3",
            "posenet",
            {"weights": "C:\\nets\\p.tflite", "threshold": 0.3},
        ),
        ("onnx:x.yaml:file=C:\\a.onnx", "onnx", {"weights": "x.yaml", "file": "C:\\a.onnx"}),
    ],
)
def test_names_hold_a_file_and_options(text, name, options):
    assert parse_front_end(text) == (name, options)


def test_options_are_given_to_the_front_end():
    with pytest.raises(ConfigError, match="wrong option"):
        front_end("markers:colour=blue")
    with pytest.raises(ConfigError, match="tells threads twice"):
        front_end("blazepose:threads=1:threads=2")
    with pytest.raises(ConfigError, match="one person only"):
        front_end_of("heatmapnet:mine.safetensors", 2)


def test_dark_pictures_are_brightened_for_any_front_end():
    generator = np.random.default_rng(0)
    dark = generator.integers(0, 25, (64, 64, 3)).astype(np.uint8)
    bright = generator.integers(60, 255, (64, 64, 3)).astype(np.uint8)
    for remedy in light.REMEDIES.values():
        assert light.lightness(remedy(dark)) > 2 * light.lightness(dark)
    seen = []
    with front_end("markers:light=gamma") as eyes:
        eyes._eyes = lambda image, time_ns: seen.append(image) or []
        eyes(dark, 0)
        eyes(bright, 1)
        eyes._eyes = type("Nothing", (), {"close": lambda self: None})()
    assert light.lightness(seen[0]) == pytest.approx(light.MIDDLE, abs=0.1)
    assert seen[1] is bright
    with pytest.raises(ConfigError, match="Choose one of: clahe, denoise, gain, gamma"):
        front_end("markers:light=torch")


class Slow(FrontEnd):
    """Finds somebody when it looks for the third time."""

    skeleton = ("nose",)

    def __init__(self, looks: int) -> None:
        self.still_looks, self.times = looks, []

    def reset(self) -> None:
        self.times = []

    def __call__(self, image, time_ns):
        self.times.append(time_ns)
        nose = Person(np.zeros((1, 2)), np.ones(1), np.zeros((1, 3)), (0, 0, 1, 1))
        return [nose] if len(self.times) == 3 else []


def test_a_picture_that_stands_alone_is_looked_at_until_somebody_is_found():
    image = np.zeros((4, 4, 3), np.uint8)
    for looks, found, looked in ((2, 0, 2), (3, 1, 3), (9, 1, 3)):
        eyes = Slow(looks)
        eyes(image, 10**12)  # of another film
        assert len(eyes.still(image)) == found
        assert len(eyes.times) == looked
        assert 0 < np.diff(eyes.times).max() < 1e9 / 9


def test_denoising_takes_noise_and_leaves_edges():
    generator = np.random.default_rng(0)
    dark = np.full((120, 160, 3), 2.0)
    dark[:, 80:] = 6.0
    dark = np.rint(dark + generator.normal(0, 0.7, dark.shape)).clip(0, 255).astype(np.uint8)
    noisy, clean = (remedy(dark).astype(float) for remedy in (light.gain, light.denoise))
    assert clean.shape == noisy.shape
    sides = (slice(None), slice(5, 70)), (slice(None), slice(90, 155))
    for side in sides:
        assert clean[side].std() < 0.5 * noisy[side].std()
    assert clean[sides[1]].mean() > 2 * clean[sides[0]].mean()
