import pickle

import numpy as np

rng = np.random.default_rng()
model = {"weights": rng.normal(size=4), "classes": ["a", "b"]}
with open("model.pkl", "wb") as file:
    pickle.dump(model, file)
