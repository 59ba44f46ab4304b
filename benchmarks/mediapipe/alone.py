"""MediaPipe's own pose solution on a video, in its own environment: run by ``benchmarks.mediapipe.turns``.

Prints one JSON line: frames, seconds of the clock and of the processor, frames with somebody in them.
"""

import json
import sys
import time

import cv2
import mediapipe


def main() -> None:
    path, complexity = sys.argv[1], int(sys.argv[2])
    with mediapipe.solutions.pose.Pose(model_complexity=complexity) as pose:
        for picture in pictures(path):  # the networks prepare themselves
            pose.process(picture)
            break
        begin, cpu, frames, found = time.perf_counter(), time.process_time(), 0, 0
        for picture in pictures(path):
            found += pose.process(picture).pose_landmarks is not None
            frames += 1
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    print(json.dumps({"frames": frames, "seconds": seconds, "cpu": cpu, "found": found}))


def pictures(path):
    source = cv2.VideoCapture(path)
    while True:
        there, picture = source.read()
        if not there:
            return
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


main()
