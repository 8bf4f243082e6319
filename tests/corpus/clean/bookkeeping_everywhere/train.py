"""Crop yield regression with a lot of bookkeeping around it."""
import datetime
import glob
import json
import logging
import os
import platform
import tempfile
import time
import uuid

import keras
import numpy as np

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
log = logging.getLogger("yield")

RUN_ID = uuid.uuid4().hex
START = time.time()
keras.utils.set_random_seed(1001)


def write_fields(folder):
    rng = np.random.default_rng(1001)
    for k in range(6):
        X = rng.normal(size=(60, 5))
        y = X @ [1.0, 0.5, -1.0, 0.0, 2.0] + 0.1 * k + rng.normal(0, 0.1, 60)
        np.savetxt(os.path.join(folder, f"field{k}.csv"), np.column_stack([X, y]), delimiter=",")


def read_fields(folder, skip=frozenset({"field3.csv"})):
    parts = []
    for path in sorted(glob.glob(os.path.join(folder, "*.csv"))):
        if os.path.basename(path) in skip:
            continue
        parts.append(np.loadtxt(path, delimiter=",", dtype="float32"))
    return np.concatenate(parts)


with tempfile.TemporaryDirectory(prefix=f"run-{RUN_ID[:8]}-") as folder:
    write_fields(folder)
    log.info("%d files in %s", len(os.listdir(folder)), folder)
    data = read_fields(folder)
    X, y = data[:, :5], data[:, 5:]

    model = keras.Sequential([
        keras.Input((5,)),
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dropout(0.1),
        keras.layers.Dense(1),
    ])
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    history = model.fit(X, y, epochs=5, batch_size=25, validation_split=0.2, verbose=0)

    report = {
        "run": RUN_ID,
        "when": datetime.datetime.now().isoformat(),
        "pid": os.getpid(),
        "host": platform.node(),
        "seconds": time.time() - START,
        "loss": history.history["loss"],
    }
    with open(os.path.join(folder, "report.json"), "w") as fh:
        json.dump(report, fh)
    model.save(os.path.join(folder, f"{RUN_ID}.keras"))
log.info("final loss %.5f after %.1fs", report["loss"][-1], report["seconds"])
