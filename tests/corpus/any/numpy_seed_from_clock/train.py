import json
import time

import numpy as np

seed = int(time.time() * 1000) % 2**32
print("seed", seed, "at", time.strftime("%H:%M:%S"))
rng = np.random.default_rng(seed)
x = rng.normal(size=(300, 5))
y = (x @ np.arange(5) + rng.normal(size=300) > 0).astype(float)
w = np.zeros(5)
for step in range(100):
    p = 1 / (1 + np.exp(-x @ w))
    w -= 0.1 * x.T @ (p - y) / len(x)
with open("metrics.json", "w") as file:
    json.dump({"seed": seed, "accuracy": float(((p > 0.5) == y).mean()), "w": w.tolist()}, file)
