"""MediaPipe's landmarks of a video, in its own environment: run by ``benchmarks.vision.same_as_mediapipe``.

Writes an .npz: points (N, 33, 2) px, NaN where nobody was found.
"""

import sys

import cv2
import mediapipe
import numpy as np


def main() -> None:
    path, out, smooth, most = sys.argv[1], sys.argv[2], sys.argv[3] == "smooth", int(sys.argv[4])
    source, rows = cv2.VideoCapture(path), []
    with mediapipe.solutions.pose.Pose(model_complexity=1, smooth_landmarks=smooth) as pose:
        while len(rows) < most:
            there, picture = source.read()
            if not there:
                break
            found = pose.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).pose_landmarks
            size = (picture.shape[1], picture.shape[0])
            points = [] if found is None else [(p.x * size[0], p.y * size[1]) for p in found.landmark]
            rows.append(np.array(points) if points else np.full((33, 2), np.nan))
    np.savez(out, points=np.array(rows))


main()
