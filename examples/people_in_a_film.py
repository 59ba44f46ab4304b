"""Key points of the people in a film or a picture: python examples/people_in_a_film.py film.mp4"""

import sys
from pathlib import Path

from fusion.tracking.footage import open_footage
from fusion.vision.base import front_end_of

pictures, noses = 0, []
with front_end_of("blazepose", 4) as eyes:
    for time_ns, image in open_footage(Path(sys.argv[1])).frames:
        people = eyes(image, time_ns)
        pictures += 1
        noses += [person.keypoints[eyes.skeleton.index("nose")] for person in people]
last = noses[-1].round(1) if noses else "none"
print(f"{pictures} pictures, {len(noses)} people in them; the last nose, px: {last}")
