"""Where each front end's weights come from, their licence, and what to give: nothing is fetched silently."""

from __future__ import annotations

import dataclasses

from fusion.vision.description import known, read_description


@dataclasses.dataclass(frozen=True, slots=True)
class Brought:
    """Weights that the user brings.

    Attributes:
        name: of the front end, with what to give.
        about: what it is.
        licence: of the weights.
        source: where they can be had.
        sha256: of the file that was tried, hexadecimal; empty: it differs from export to export.
    """

    name: str
    about: str
    licence: str
    source: str
    sha256: str = ""


_OTHERS: tuple[Brought, ...] = (
    Brought(
        "openpose:FILE",
        "OpenPose, BODY_25 or COCO, several people; .caffemodel beside its .prototxt (OpenCV 4), or .onnx",
        "academic or non-profit organisations, non-commercial research only (Carnegie Mellon)",
        "github.com/CMU-Perceptual-Computing-Lab/openpose, models/getModels",
    ),
    Brought(
        "openpose:FILE.onnx:width=456:height=256",
        "lightweight OpenPose (Osokin 2018), COCO, several people",
        "Apache-2.0",
        "github.com/Daniil-Osokin/lightweight-human-pose-estimation.pytorch, scripts/convert_to_onnx.py",
    ),
    Brought(
        "posenet:FILE.tflite",
        "PoseNet MobileNetV1 0.75, 353 x 481, uint8, several people",
        "Apache-2.0",
        "github.com/google-coral/project-posenet, posenet_*_075_353_481_quant.tflite",
        "d589f727ee72effba3e8211b04c284fc65fc0a22907c161e2d6c080244d5c264",
    ),
    Brought(
        "posenet:FILE.tflite",
        "MoveNet lightning or thunder (one person), or multipose lightning (six)",
        "Apache-2.0",
        "kaggle.com/models/google/movenet, the tfLite variations",
    ),
    Brought(
        "heatmapnet:FILE",
        "your own: python train.py fit --config configs/experiment/heatmap_coco.yaml",
        "yours, and the data set's",
        "written by train.py",
    ),
    Brought("markers", "needs no weights", "-", "-"),
)


def brought() -> list[Brought]:
    """Return what the user brings, front end by front end."""
    lines = []
    for name in known():
        about = read_description(name)
        told = "opencv-dnn:FILE.pb" if name == "cpm14" else f"onnx:{name}:file=FILE.onnx"
        lines.append(Brought(told, about.about, about.licence, about.source, about.sha256))
    return [*lines, *_OTHERS]
