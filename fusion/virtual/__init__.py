"""Motion capture as virtual camera, inertial sensors and microphone, to train on.

::

    bvh, deepmimic, simulated -> anatomy -> Motion -> library -> Motions (windows) -> virtual sensors
    files and programs           one body   a clip    cached     bodies, diversity
"""
