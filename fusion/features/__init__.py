"""Features of each tick, by one builder for live, offline and training."""

from fusion.features.box import BoxFilter, box_of
from fusion.features.builder import FeatureBuilder, Features, stack, stature_of
from fusion.features.offline import features_of, vision_of
from fusion.features.spec import MAX_AGE_S, SHAPES, VISION_COLUMNS, FeatureSpec
from fusion.features.targets import targets_of
from fusion.features.vision import KEYPOINT_COLUMNS

__all__ = [
    "KEYPOINT_COLUMNS",
    "MAX_AGE_S",
    "SHAPES",
    "VISION_COLUMNS",
    "BoxFilter",
    "FeatureBuilder",
    "FeatureSpec",
    "Features",
    "box_of",
    "features_of",
    "stack",
    "stature_of",
    "targets_of",
    "vision_of",
]
