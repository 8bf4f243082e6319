import multiprocessing
import sys
from concurrent.futures import ThreadPoolExecutor

from prepare import simulate, summarize


def load(n=400):
    with multiprocessing.Pool(2) as pool:
        pairs = pool.map(simulate, range(n), chunksize=20)
    with ThreadPoolExecutor(4) as ex:
        feats = list(ex.map(summarize, [w for w, _ in pairs]))
    return feats, [lab for _, lab in pairs]


def main():
    feats, labels = load()
    import keras
    import numpy as np

    keras.utils.set_random_seed(6)
    X = np.array(feats, "float32")
    y = np.array(labels, "float32")
    X = (X - X.mean(0)) / X.std(0)
    model = keras.Sequential([
        keras.Input((6,)),
        keras.layers.Dense(12, activation="relu"),
        keras.layers.Dense(1, activation="sigmoid"),
    ])
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy", metrics=["accuracy"])
    model.fit(X, y, epochs=5, validation_split=0.25, verbose=0)
    print("accuracy", model.evaluate(X, y, verbose=0)[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
