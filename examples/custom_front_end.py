"""A vision front end of one's own: python examples/custom_front_end.py walk.h5"""

import sys

import cv2
import numpy as np

from fusion.features import features_of
from fusion.vision.base import FrontEnd, Person
from recordings.reader import open_recording


class Brightest(FrontEnd):
    """Takes the brightest spot for a nose."""

    name = "brightest"
    skeleton = ("nose",)

    def __call__(self, image: np.ndarray, time_ns: int) -> list[Person]:
        """Return one person of one joint."""
        _, _, _, place = cv2.minMaxLoc(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
        point, one = np.array([place], np.float32), np.ones(1, np.float32)
        return [Person(point, one, np.array([[4, 0, 4]], np.float32), (*place, 1.0, 1.0))]


with open_recording(sys.argv[1]) as recording:
    features = features_of(recording, vision=[Brightest()])
print(f"{len(features['time'])} ticks, a nose at {features['vision_present'].any(axis=1).mean():.0%} of them")
