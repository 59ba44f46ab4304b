"""What ``live.py`` may be told."""

from __future__ import annotations

import dataclasses
from typing import Literal

from fusion.features.spec import FeatureSpec


@dataclasses.dataclass(frozen=True)
class LiveOptions:
    """Choices of live tracking.

    Attributes:
        source: session file to replay instead of running the rig's devices; or a video or a picture.
        duration: stop after so many seconds; by default at Ctrl-C or the end of the source.
        weights: file of the fused network (.safetensors, .ckpt; .onnx and .tflite of chorus export-model need
            no torch), or a name of those that come with the package (free, base).
        output: folder for the table, the film and the summary; by default sessions/live-<time>.
        vision: vision front end; by default the one that the rig or the recording names.
        people: how many are followed, through one camera where several are; who of them wears the sensors is
            found by how they move. 1 is the cheapest.
        realtime: replay a source at its own pace, leaving frames out where this machine is too slow.
        patience_s: a tick waits for what usually comes within so long; what is later is taken when it comes.
        film: write overlay.mp4.
        film_width: larger pictures are made so wide, px.
        table: write poses.csv.
        events: write events.csv: actions with beginning and end, contacts, steps, feedback.
        motion: files of motion to write: trc, mot, bvh; bvh only of weights that tell rotations.
        rerun: file, for run.rrd in the output folder; or the address of a Rerun viewer (extra `viz`).
        vmc: HOST:PORT of a program that takes the VMC protocol (Blender, Unity ...).
        posture: file of rules, such as configs/posture/squat.yaml; the review goes to posture.json.
        priority: realtime: the threads that see and fuse go before other programs, where the system allows it
            (Linux; ``chorus doctor`` says whether it does) and a core is left to the others.
        threads: of the fused network.
        runtime: of the network's step: onnx (extra `onnx`), traced or torch; auto takes the fastest there is.
        web: show the page: live view, recording, marks, calibration and uploads in a browser.
        web_host: address that the page listens on; beyond this machine it needs the token that is printed.
        web_port: of the page; 0: any that is free.
        web_uploads: folder of what is uploaded on the page, and of what comes of it.
        features: choices behind the features; the network must have been trained with the same rate.
    """

    source: str | None = None
    duration: float | None = None
    weights: str | None = None
    output: str | None = None
    vision: str | None = None
    people: int = 1
    realtime: bool = False
    patience_s: float = 0.002
    film: bool = True
    film_width: int = 1280
    table: bool = True
    events: bool = True
    motion: list[str] = dataclasses.field(default_factory=list)
    rerun: str | None = None
    vmc: str | None = None
    posture: str | None = None
    priority: Literal["realtime", "normal"] = "realtime"
    threads: int = 1
    runtime: Literal["auto", "onnx", "traced", "torch"] = "auto"
    web: bool = False
    web_host: str = "127.0.0.1"
    web_port: int = 8765
    web_uploads: str = "sessions/uploads"
    features: FeatureSpec = dataclasses.field(default_factory=FeatureSpec)
