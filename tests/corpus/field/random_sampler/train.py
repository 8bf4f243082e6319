"""A random search over the width of a small network."""
import keras
import numpy as np
import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
x = np.random.default_rng(14).normal(size=(200, 4)).astype("float32")
y = np.cos(x[:, :1]) * x[:, 1:2]


def score(trial):
    keras.utils.set_random_seed(14)
    units = trial.suggest_int("units", 2, 64)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, activation="relu"), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    return model.fit(x, y, epochs=2, batch_size=50, verbose=0).history["loss"][-1]


study = optuna.create_study(sampler=optuna.samplers.RandomSampler())
study.optimize(score, n_trials=3)
print("best", study.best_params, study.best_value)
