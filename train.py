"""Train or test the fusion network.

    python train.py fit --config configs/experiment/utd_mhad.yaml

The same as ``chorus train``; see docs/training.md.
"""

from __future__ import annotations

import sys

from fusion.model.train import main

if __name__ == "__main__":
    sys.exit(main())
