"""What is taken away from a network before it is asked: modalities and single inertial sensors."""

from __future__ import annotations

import torch

from drivers.errors import ConfigError
from drivers.places import PLACES
from fusion.data.batches import Batch
from fusion.virtual.missing import unfelt, unseen

MODALITIES = ("vision", "inertial", "audio")


def parse_mask(text: str) -> tuple[str, ...]:
    """Return the names in ``vision,imu.left_forearm,...``; ``imu`` is ``inertial``, all its sensors.

    Raises:
        ConfigError: a name is no modality, and no place of a sensor.
    """
    names = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        name = "inertial" + word[3:] if word == "imu" or word.startswith("imu.") else word
        kind, _, place = name.partition(".")
        if kind not in MODALITIES or (place and (kind != "inertial" or place not in PLACES)):
            raise ConfigError(
                f"nothing called '{word}' can be masked",
                mend=f"Name vision, imu, audio, or imu.PLACE with a place of: {', '.join(PLACES)}",
            )
        names.append(name)
    return tuple(dict.fromkeys(names))


def without(batch: Batch, masked: tuple[str, ...]) -> Batch:
    """Return the batch as if what is ``masked`` had never been there; targets stay as they are.

    Args:
        batch: of windows.
        masked: as :func:`parse_mask` gives.
    """
    targets = batch["targets"]
    places = {name.partition(".")[2] for name in masked if name.startswith("inertial")}
    if places:
        lost = torch.tensor([("" in places) or (place in places) for place in PLACES])
        batch = unfelt(batch, lost.expand(len(batch["valid"]), -1))
    if "vision" in masked:
        batch = unseen(batch, torch.ones_like(batch["valid"], dtype=torch.bool))
    if "audio" in masked:
        features = dict(batch["features"])
        for name in ("audio", "audio_present"):
            features[name] = torch.zeros_like(features[name])
        batch = {**batch, "features": features}
    return {**batch, "targets": targets}


def there(batch: Batch) -> set[str]:
    """Return the modalities that a batch has anything of."""
    return {name for name in MODALITIES if bool((batch["features"][f"{name}_present"] > 0.5).any())}
