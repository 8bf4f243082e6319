"""Fit two moons for a fixed time budget with a compiled GradientTape step."""
import argparse
import time

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import make_moons


class MLP(keras.Model):
    def __init__(self, width):
        super().__init__()
        self.h1 = keras.layers.Dense(width, activation="gelu")
        self.h2 = keras.layers.Dense(width, activation="gelu")
        self.out = keras.layers.Dense(1)

    def call(self, x):
        return self.out(self.h2(self.h1(x)))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seconds", type=float, default=10.0)
    ap.add_argument("--width", type=int, default=32)
    ap.add_argument("--seed", type=int, default=0)
    args = ap.parse_args()

    keras.utils.set_random_seed(args.seed)
    X, y = make_moons(512, noise=0.15, random_state=args.seed)
    X = X.astype("float32")
    y = y.astype("float32")[:, None]
    ds = tf.data.Dataset.from_tensor_slices((X, y)).shuffle(512, seed=args.seed).repeat().batch(64)

    model = MLP(args.width)
    opt = keras.optimizers.Adam(3e-3)
    loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)
    model(tf.zeros((1, 2)))
    opt.build(model.trainable_variables)

    @tf.function
    def step(xb, yb):
        with tf.GradientTape() as tape:
            loss = loss_fn(yb, model(xb, training=True))
        grads = tape.gradient(loss, model.trainable_variables)
        opt.apply_gradients(zip(grads, model.trainable_variables))
        return loss

    it = iter(ds)
    n = 0
    start = time.perf_counter()
    while time.perf_counter() - start < args.seconds:
        loss = step(*next(it))
        n += 1
    acc = np.mean((model.predict(X, verbose=0) > 0) == (y > 0.5))
    print(f"{n} steps, last loss {float(loss):.4f}, train acc {acc:.3f}")


if __name__ == "__main__":
    main()
