"""What the network is given at a tick: names and shapes of the features, of one camera and of several.

The first camera is the reference: outputs are in its axes, key points in its picture. What further cameras
see comes beside it, a row each, with the direction they look from; where it is missing there is one camera
less. Their key points have no head of their own: the body, projected, tells where they are.
"""

from __future__ import annotations

from drivers.places import PLACES
from fusion.skeletons import BODY20

AUDIO_BANDS = 33
FEATURES: dict[str, tuple[int, ...]] = {
    "time": (),
    "vision": (len(BODY20), 9),
    "vision_present": (len(BODY20),),
    "vision_age": (),
    "box": (3,),
    "inertial": (len(PLACES), 12),
    "inertial_present": (len(PLACES),),
    "inertial_age": (len(PLACES),),
    "audio": (AUDIO_BANDS,),
    "audio_present": (),
    "audio_age": (),
    "stature": (),
    "bones": (len(BODY20), 3),
}
"""Names and shapes of the features of one tick; ``time`` is int64 ns, all others float32."""

OTHERS: dict[str, tuple[int, ...]] = {
    "others": FEATURES["vision"],
    "others_present": FEATURES["vision_present"],
    "others_age": FEATURES["vision_age"],
    "others_box": FEATURES["box"],
    "others_bearing": (3,),
}
"""What each further camera tells, as ``vision`` to ``box`` of the reference; all of them or none are given.

``others_bearing``: cosine, sine and 1 of the angle about the vertical, counter-clockwise from above, from the
direction in which the reference camera stands to that of this one, seen from the scene; zeros: unknown.
"""


def shapes(cameras: int = 1) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the features of one tick with so many cameras."""
    if cameras == 1:
        return dict(FEATURES)
    return FEATURES | {name: (cameras - 1, *shape) for name, shape in OTHERS.items()}
