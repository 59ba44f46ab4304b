"""Joint angles by the conventions of biomechanics, rules over them, and what to say."""

from fusion.posture.angles import ANGLES, Angle
from fusion.posture.coach import Coach, Feedback, Repetition, Review
from fusion.posture.reading import MEASURES, Reading, read
from fusion.posture.rules import Rule, Rules, load_rules

__all__ = [
    "ANGLES",
    "MEASURES",
    "Angle",
    "Coach",
    "Feedback",
    "Reading",
    "Repetition",
    "Review",
    "Rule",
    "Rules",
    "load_rules",
    "read",
]
