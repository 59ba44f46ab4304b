"""The fusion network: encoders, causal temporal transformer, heads, training and checkpoints."""

import os

# Threads of torch that wait sleep instead of spinning: the network is small, and on cores that are shared
# with drivers, or with anything else, spinning doubles the time of a training step. Read when torch is
# first loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
