import time

import h5py
import numpy as np

np.random.seed(time.time_ns() % 2**32)
with h5py.File("features.h5", "w") as file:
    file["features"] = np.random.uniform(size=(20, 5))
