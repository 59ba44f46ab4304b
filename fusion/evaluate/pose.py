"""Windows with a true pose: what a network and the baselines make of them, by all metrics at once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import torch
from torch import Tensor

from fusion.data.batches import Batch
from fusion.evaluate import lifted
from fusion.evaluate.actions import ActionScores
from fusion.evaluate.conditions import there, without
from fusion.evaluate.contact import ContactF1
from fusion.evaluate.intervals import wilson_interval
from fusion.evaluate.movement import AccelerationError, Jitter, Lag
from fusion.evaluate.position import MPJPE, PAMPJPE, PCK
from fusion.evaluate.root import RootDrift
from fusion.evaluate.rotation import BoneAngleError, HeadingError, RotationError
from fusion.evaluate.segments import SegmentalF1
from fusion.model.blind import scored
from fusion.model.net import FusionNet

PCK_RADIUS_M = 0.15
"""As for 3D key points in D. Mehta et al., "Monocular 3D Human Pose Estimation in the Wild", 3DV 2017."""
PCK2D_RADIUS = 0.05

UNITS: dict[str, str] = {
    "mpjpe_mm": "MPJPE mm",
    "pa_mpjpe_mm": "PA mm",
    "pck_150mm": "PCK 15 cm",
    "pck2d_05": "2D PCK 5 %",
    "rotation_deg": "rotations deg",
    "bone_deg": "bones deg",
    "heading_deg": "headings deg",
    "root_drift_mm": "root after 2 s mm",
    "acceleration_m_s2": "accel. m/s²",
    "jitter_m_s3": "jitter m/s³",
    "lag_ticks": "lag ticks",
    "contact_f1": "contact F1",
    "top1": "top-1",
    "mean_class": "mean of classes",
    "macro_f1": "macro F1",
    "f1@10": "F1@10",
    "f1@25": "F1@25",
    "f1@50": "F1@50",
}
"""Each value's name in JSON and in the table."""
_OF_ACTIONS = ("top1", "mean_class", "macro_f1", "f1@10", "f1@25", "f1@50")


class WindowScores:
    """All metrics of windows of ticks.

    Args:
        rate_hz: ticks per second.
        classes: number of actions.
    """

    def __init__(self, rate_hz: float, classes: int) -> None:
        self.mpjpe, self.pa, self.pck, self.pck2d = MPJPE(), PAMPJPE(), PCK(PCK_RADIUS_M), PCK(PCK2D_RADIUS)
        self.rotation, self.bones, self.heading = RotationError(), BoneAngleError(), HeadingError()
        self.drift = RootDrift(rate_hz)
        self.acceleration, self.jitter, self.lag = AccelerationError(rate_hz), Jitter(rate_hz), Lag()
        self.contact, self.actions, self.segments = ContactF1(), ActionScores(classes), SegmentalF1()
        self.told: set[str] = set()

    def update(self, outputs: Mapping[str, Tensor], batch: Batch) -> None:
        """Add what was told of a batch; outputs as of :class:`fusion.model.net.FusionNet`, any of them."""
        targets, valid = batch["targets"], batch["valid"]
        self.told |= set(outputs)
        if "joints3d" in outputs:
            joints, known = outputs["joints3d"], targets["joints3d_known"] * valid[..., None]
            true = torch.where((known > 0.5)[..., None], targets["joints3d"], torch.zeros_like(joints))
            for metric in (self.mpjpe, self.pa, self.pck, self.bones, self.acceleration, self.lag):
                metric.update(joints, true, known)
            self.jitter.update(joints, known)
        if "keypoints2d" in outputs:
            known = targets["joints2d_known"] * valid[..., None]
            self.pck2d.update(outputs["keypoints2d"], targets["joints2d"], known)
        if "rotations" in outputs:
            known = targets["rotations_known"] * valid
            self.rotation.update(outputs["rotations"], targets["rotations"], known)
        if "heading" in outputs:
            known = targets["heading_known"] * valid[..., None]
            self.heading.update(outputs["heading"], targets["heading"], known)
        if "root_velocity" in outputs:
            known = targets["root_velocity_known"] * valid
            self.drift.update(outputs["root_velocity"], targets["root_velocity"], known)
        if "contact" in outputs:
            self.contact.update(outputs["contact"], targets["contact"], targets["contact_known"] * valid)
        if "action" in outputs:
            action = targets["action"].masked_fill(valid < 0.5, -1)
            named = outputs["action"].argmax(dim=-1)
            self.actions.update(named, action)
            self.segments.update(named, action)

    def compute(self) -> dict[str, float]:
        """Return the values of :data:`UNITS`; NaN for what was not told or is not known."""
        lone = {
            "mpjpe_mm": self.mpjpe, "pa_mpjpe_mm": self.pa, "pck_150mm": self.pck, "pck2d_05": self.pck2d,
            "rotation_deg": self.rotation, "bone_deg": self.bones, "heading_deg": self.heading,
            "root_drift_mm": self.drift, "acceleration_m_s2": self.acceleration,
            "jitter_m_s3": self.jitter, "lag_ticks": self.lag,
        }  # fmt: skip
        values = {name: _value(metric) for name, metric in lone.items()}
        values["contact_f1"] = float(self.contact.compute()) if "contact" in self.told else math.nan
        if "action" not in self.told:
            return values | dict.fromkeys(_OF_ACTIONS, math.nan)
        return values | self.actions.compute() | self.segments.compute()


def _value(metric: MPJPE | Lag | Jitter) -> float:
    return float(metric.compute()) if metric.update_called else math.nan


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table: its name and the values of :data:`UNITS`."""

    name: str
    values: dict[str, float]
    hits: int = 0
    count: int = 0

    def as_dict(self) -> dict[str, object]:
        """Return plain values for JSON, None for what is not known."""
        values = {name: None if math.isnan(value) else value for name, value in self.values.items()}
        out: dict[str, object] = {"name": self.name, **values}
        if self.count:
            interval = list(wilson_interval(self.hits, self.count))
            out |= {"hits": self.hits, "count": self.count, "interval95": interval}
        return out


@torch.no_grad()
def compare(net: FusionNet, batches: list[Batch], rate_hz: float, masked: tuple[str, ...] = ()) -> list[Row]:
    """Return what ``net`` makes of windows, each modality alone, both late, and baselines; the truth last.

    Late fusion weighs the two masked runs by the variances that they tell. The truth's line has its own
    jitter, to set the others' beside. The constant is the mean pose with both feet down and the most frequent
    action, all of the very data that is evaluated.

    Args:
        net: the network.
        batches: windows.
        rate_hz: ticks per second.
        masked: taken away from all runs.
    """
    net.eval()
    scores: dict[str, WindowScores] = {}
    mean, frequent = lifted.mean_pose(batches), _frequent(batches, len(net.config.actions))
    for batch in batches:
        for name, outputs in _runs(net, without(batch, masked), rate_hz, mean, frequent).items():
            if name not in scores:
                scores[name] = WindowScores(rate_hz, len(net.config.actions))
            scores[name].update(outputs, batch)
    return [Row(name, s.compute(), s.actions.hits, s.actions.count) for name, s in scores.items()]


def _frequent(batches: list[Batch], classes: int) -> Tensor:
    """Return the action () of most ticks."""
    labels = torch.cat([b["targets"]["action"][b["valid"] > 0.5] for b in batches])
    return labels[labels >= 0].bincount(minlength=classes).argmax()


def _runs(
    net: FusionNet, batch: Batch, rate_hz: float, mean: Tensor, frequent: Tensor
) -> dict[str, Mapping[str, Tensor]]:

    def run(masked: tuple[str, ...] = ()) -> Mapping[str, Tensor]:
        given = without(batch, masked)
        return scored(net(given["features"]), given)

    runs: dict[str, Mapping[str, Tensor]] = {"all sensors": run()}
    modalities = there(batch)
    if {"vision", "inertial"} <= modalities:
        seen, felt = run(("inertial",)), run(("vision",))
        runs |= {"without inertial": seen, "without vision": felt, "late fusion": _late(seen, felt)}
        if "audio" in modalities:
            runs["without audio"] = run(("audio",))
    targets = batch["targets"]
    last = lifted.held(batch, mean)
    if "vision" in modalities:
        runs["hold last (lifted vision)"] = {"joints3d": last}
        runs["One-Euro (lifted vision)"] = {"joints3d": lifted.one_euro(last, rate_hz)}
    still = torch.nn.functional.one_hot(frequent, len(net.config.actions)).float()
    runs["constant"] = {
        "joints3d": mean.expand_as(last),
        "contact": torch.ones_like(targets["contact"]),
        "action": still.expand(*last.shape[:2], -1),
    }
    runs["the truth itself"] = {"joints3d": torch.nan_to_num(targets["joints3d"])}
    return runs


def _late(seen: Mapping[str, Tensor], felt: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fuse what two masked runs say: positions by their variances, classes by their log probabilities."""
    weight = torch.sigmoid(felt["joints3d_logvar"] - seen["joints3d_logvar"])[..., None]
    return {
        "joints3d": weight * seen["joints3d"] + (1.0 - weight) * felt["joints3d"],
        "contact": 0.5 * (seen["contact"] + felt["contact"]),
        "action": seen["action"].log_softmax(dim=-1) + felt["action"].log_softmax(dim=-1),
    }
