import numpy as np


def demand(days=400):
    t = np.arange(days)
    base = 10 + 0.01 * t + 2 * np.sin(2 * np.pi * t / 7) + np.cos(2 * np.pi * t / 30)
    return (base + np.random.normal(0, 0.3, days)).astype("float32")


def windows(series, length):
    mu, sd = series.mean(), series.std()
    s = (series - mu) / sd
    X = np.stack([s[i:i + length] for i in range(len(s) - length)])
    return X[..., None], s[length:]
