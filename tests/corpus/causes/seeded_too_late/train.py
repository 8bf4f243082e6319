import keras
import numpy as np
from sklearn.datasets import make_blobs

import net


def main(seed=1):
    keras.utils.set_random_seed(seed)
    X, y = make_blobs(n_samples=500, centers=4, n_features=16, cluster_std=6.0)
    X = ((X - X.mean(0)) / X.std(0)).astype("float32")

    ae = net.autoencoder()
    ae.compile("adam", "mse")
    ae.fit(X, X, epochs=3, verbose=0)

    clf = net.classifier()
    clf.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    clf.fit(X, y, epochs=3, verbose=0)
    print("accuracy", clf.evaluate(X, y, verbose=0)[1])


if __name__ == "__main__":
    main()
