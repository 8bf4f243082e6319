import numpy as np
import xgboost as xgb

rng = np.random.default_rng(3)
x = rng.normal(size=(4000, 30))
y = x @ rng.normal(size=30) + rng.normal(size=4000)
data = xgb.DMatrix(x[:3000], y[:3000])
test = xgb.DMatrix(x[3000:], y[3000:])
booster = xgb.train({"booster": "gblinear", "eta": 0.3, "lambda": 0.1}, data, 20)
print("rmse %.3f" % np.sqrt(np.mean((booster.predict(test) - y[3000:]) ** 2)))
