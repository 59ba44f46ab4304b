"""The data sets that Chorus reads: licence, where each comes from, and what looks at it.

Nothing here downloads anything: who wants a set agrees to its licence and gets it from its makers.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from pathlib import Path

from fusion.datasets.report import SetReport

Look = Callable[[Path, bool], list[SetReport]]


@dataclasses.dataclass(frozen=True)
class KnownSet:
    """A data set.

    Attributes:
        key: short name.
        title: as its makers call it.
        licence: in a few words; empty where each of its files has its own.
        get: how to get it.
        layout: what must be where.
        becomes: the command that uses it.
        check: ``module:function`` that looks for it in one folder, see :data:`Look`.
        below: it looks into the folders below by itself.
    """

    key: str
    title: str
    licence: str
    get: str
    layout: str
    becomes: str
    check: str
    below: bool = False

    def look(self, folder: Path, deep: bool) -> list[SetReport]:
        """Return what is in this folder of it, reports of each part; empty where nothing is."""
        module, _, function = self.check.partition(":")
        found: Look = getattr(importlib.import_module(f"fusion.datasets.{module}"), function)
        return [dataclasses.replace(report, set=self.key) for report in found(folder, deep)]


KNOWN: tuple[KnownSet, ...] = (
    KnownSet(
        "coco",
        "COCO key points, and sets in its format",
        "annotations CC BY 4.0; each picture its own (Flickr), named in the file",
        "cocodataset.org/#download: 2017 Train and Val images, Train/Val annotations",
        "annotations/person_keypoints_val2017.json, val2017/*.jpg",
        "python train.py fit --config configs/experiment/heatmap_coco.yaml --data.train=FOLDER "
        "(or its annotation file, where that is called otherwise)",
        "pictures:coco",
    ),
    KnownSet(
        "mpii",
        "MPII Human Pose",
        "annotations Simplified BSD; research only, as the pictures are others'",
        "human-pose.mpi-inf.mpg.de: Images (12.9 GB), Annotations (12.5 MB)",
        "mpii_human_pose_v1_u12_1.mat or annotations/*.json, images/*.jpg",
        "python train.py fit --config configs/experiment/heatmap_coco.yaml --data.train=FOLDER "
        "(or its annotation file, where that is called otherwise)",
        "pictures:mpii",
    ),
    KnownSet(
        "human36m",
        "Human3.6M",
        "its own: academic use alone, after registration",
        "vision.imar.ro/human3.6m, then the h5 files as 3d-pose-baseline describes",
        "cameras.h5, S9/MyPoses/3D_positions/*.h5, S9/StackedHourglass/*.h5 (optional)",
        "chorus import human36m FOLDER; chorus evaluate WEIGHTS FOLDER",
        "motion_capture:human36m",
    ),
    KnownSet(
        "utd-mhad",
        "UTD-MHAD",
        "none stated; research use with citation (Chen, Jafari, Kehtarnavaz, ICIP 2015)",
        "personal.utdallas.edu/~kehtar/UTD-MHAD.html: Skeleton, Inertial, Depth",
        "Skeleton/*.mat and Inertial/*.mat (861 each), Depth/*.mat (optional), or utd_mhad.tar.xz",
        "python train.py fit --config configs/experiment/utd_mhad.yaml (depth: heatmap_utd_depth.yaml)",
        "wearables:utd_mhad",
    ),
    KnownSet(
        "berkeley-mhad",
        "Berkeley MHAD, accelerometers",
        "BSD-style, cite (Ofli et al., WACV 2013)",
        "tele-immersion.citris-uc.org/berkeley_mhad: Accelerometer, and the cameras' time stamps",
        "Accelerometer/Shimmer01..06/*.txt, Time_stamps/*.txt, or berkeley_mhad_acc.tar.xz",
        "chorus import berkeley-mhad FOLDER; configs/experiment/berkeley_mhad.yaml",
        "wearables:berkeley_mhad",
    ),
    KnownSet(
        "motion",
        "motion capture (BVH folders, Bandai-Namco, CMU, DeepMimic)",
        "",
        "github.com/BandaiNamcoResearchInc/Bandai-Namco-Research-Motiondataset; mocap.cs.cmu.edu; "
        "github.com/xbpeng/DeepMimic",
        "*.bvh, at any depth; or the archives of these sets",
        "python train.py fit --config configs/experiment/virtual_tiny.yaml; chorus data motion FOLDER",
        "motion_capture:motion",
        below=True,
    ),
    KnownSet(
        "openpose",
        "OpenPose's JSON",
        "that of the film; OpenPose itself: academic or non-profit, non-commercial research only",
        "github.com/CMU-Perceptual-Computing-Lab/openpose with --write_json FOLDER",
        "NAME_000000000000_keypoints.json, one a frame",
        "chorus import openpose FOLDER --video=FILM",
        "recordings_of_others:openpose",
    ),
    KnownSet(
        "xdf",
        "XDF (Lab Streaming Layer)",
        "that of who recorded it",
        "LabRecorder writes it",
        "*.xdf",
        "chorus import xdf FILE",
        "recordings_of_others:xdf",
    ),
)
