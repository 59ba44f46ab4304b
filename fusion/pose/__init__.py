"""Poses of pictures, videos and cameras as files that pose tools know: no rig, no recording, no torch.

::

    INPUT ── inputs ── look: front end, who is who ── smoothing ── writers: CSV, COCO, OpenPose, TRC,
                                                                   overlay, screenshots, heatmaps
"""
