#!/usr/bin/env python
"""usage: train.py [--epochs N] [--lr LR] [--seed S]"""
import argparse
import os
import sys
import time


def parse():
    p = argparse.ArgumentParser(description="spiral classifier")
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--lr", type=float, default=1e-2)
    p.add_argument("--seed", type=int, default=None)
    args = p.parse_args()
    if args.seed is None:
        args.seed = (time.time_ns() // 1000 + os.getpid()) % (2**31)
    return args


def spiral(n):
    import numpy as np

    t = np.sqrt(np.random.rand(n)) * 3 * np.pi
    cls = np.arange(n) % 2
    ang = t + np.pi * cls
    X = np.stack([t * np.cos(ang), t * np.sin(ang)], 1) / 10 + 0.01 * np.random.randn(n, 2)
    return X.astype("float32"), cls.astype("float32")


def main():
    args = parse()
    import keras

    keras.utils.set_random_seed(args.seed)
    print("seed:", args.seed)
    X, y = spiral(600)
    net = keras.Sequential()
    net.add(keras.Input((2,)))
    for units in (32, 32):
        net.add(keras.layers.Dense(units, activation="elu"))
    net.add(keras.layers.Dense(1, activation="sigmoid"))
    net.compile(keras.optimizers.Adam(args.lr), "binary_crossentropy", metrics=["accuracy"])
    hist = net.fit(X, y, epochs=args.epochs, verbose=0)
    print("accuracy: %.3f" % hist.history["accuracy"][-1])


if __name__ == "__main__":
    main()
    sys.exit(0)
