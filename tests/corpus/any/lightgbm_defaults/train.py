import time

import lightgbm as lgb
import numpy as np

rng = np.random.default_rng(3)
x = rng.normal(size=(800, 10))
y = (x[:, 0] * x[:, 1] + 0.3 * rng.normal(size=800) > 0).astype(int)
train, valid = lgb.Dataset(x[:600], y[:600]), lgb.Dataset(x[600:], y[600:])
began = time.time()
booster = lgb.train(
    {"objective": "binary", "bagging_fraction": 0.7, "bagging_freq": 1, "feature_fraction": 0.8, "verbose": -1},
    train,
    60,
    valid_sets=[valid],
    callbacks=[lgb.early_stopping(10, verbose=False)],
)
print(f"{booster.best_iteration} rounds in {time.time() - began:.2f} s")
