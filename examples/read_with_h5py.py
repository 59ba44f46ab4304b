"""A session is plain HDF5: python examples/read_with_h5py.py walk.h5"""

import sys

import h5py

with h5py.File(sys.argv[1]) as session:
    wrist = session["streams/wrist"]
    seconds = (wrist["time"][:] - wrist["time"][0]) / 1e9
    print(f"{len(seconds)} rows over {seconds[-1]:.2f} s")
    print("first row:", wrist["data"][0])
