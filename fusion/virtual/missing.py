"""Batches as if frames or sensors had never been there: features and what their targets are told in."""

from __future__ import annotations

import torch
from torch import Tensor

from fusion.data.batches import Batch
from fusion.features.spec import MAX_AGE_S, FeatureSpec


def rate_of(batch: Batch) -> float:
    """Return ticks per second, from the times of the first window."""
    time = batch["features"]["time"][0]
    return 1e9 / max(1.0, float(time[1] - time[0])) if len(time) > 1 else FeatureSpec().rate_hz


def unseen(batch: Batch, dark: Tensor) -> Batch:
    """Return the batch as if no frame of any camera had come at the ticks ``dark`` (B, T).

    Age grows, the box stays.

    Where the box stays as it was, the true places in it (``joints2d``) are told anew.
    """
    features, targets = dict(batch["features"]), dict(batch["targets"])
    ticks = dark.shape[1]
    last = torch.where(dark, -1, torch.arange(ticks)).cummax(dim=1).values
    before, at = last >= 0, last.clamp(min=0)
    row = torch.arange(len(dark))[:, None]
    passed = (torch.arange(ticks)[None] - at) / rate_of(batch)
    age = torch.where(before, features["vision_age"][row, at] + passed, torch.full_like(passed, MAX_AGE_S))
    features["vision_age"] = age.clamp(max=MAX_AGE_S)
    keep = before & (features["vision_age"] <= FeatureSpec().vision_hold_s)
    features["vision_present"] = features["vision_present"][row, at] * keep[..., None]
    features["vision"] = features["vision"][row, at] * (features["vision_present"] > 0.5)[..., None]
    if "others" in features:
        for name in ("others", "others_present", "others_age", "others_box"):
            features[name] = features[name][row, at]
        features["others_age"] = (features["others_age"] + passed[..., None]).clamp(max=MAX_AGE_S)
        keep = before[..., None] & (features["others_age"] <= FeatureSpec().vision_hold_s)
        features["others_present"] = features["others_present"] * keep[..., None]
        features["others"] = features["others"] * (features["others_present"] > 0.5)[..., None]
    old, new = features["box"], features["box"][row, at] * before[..., None]
    features["box"] = new
    boxed = before & (new[..., 2] > 0)
    true = targets["joints2d"] * old[:, :, None, 2:] + old[:, :, None, :2]
    told = (true - new[:, :, None, :2]) / new[:, :, None, 2:].clamp(min=1e-6)
    targets["joints2d"] = torch.where(boxed[..., None, None], told, torch.zeros_like(told))
    targets["joints2d_known"] = targets["joints2d_known"] * boxed[..., None]
    return {**batch, "features": features, "targets": targets}


def unfelt(batch: Batch, lost: Tensor) -> Batch:
    """Return the batch without the inertial sensors in the slots ``lost`` (B, 16)."""
    features = dict(batch["features"])
    there = ~lost[:, None]
    features["inertial_present"] = features["inertial_present"] * there
    features["inertial"] = features["inertial"] * there[..., None]
    never = torch.full_like(features["inertial_age"], MAX_AGE_S)
    features["inertial_age"] = torch.where(there, features["inertial_age"], never)
    return {**batch, "features": features}
