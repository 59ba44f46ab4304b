"""For all tests: one thread for each library that would otherwise take them all, before any is loaded.

Small tensors on many threads of a busy machine spend their time waiting for one another.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
