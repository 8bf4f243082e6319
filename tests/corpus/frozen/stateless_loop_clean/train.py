"""Keras 3 training written in the stateless style, with a little progress thread."""
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import sys
import threading
import time

import keras
import numpy as np
import tensorflow as tf

progress = {"step": 0, "loss": float("nan")}
stop = threading.Event()


def report():
    began = time.monotonic()
    while not stop.wait(0.5):
        spent = time.monotonic() - began
        print(f"  [{spent:4.1f}s] step {progress['step']} loss {progress['loss']:.4f}", file=sys.stderr)


def batches(x, y, size, rng):
    order = rng.permutation(len(x))
    for i in range(0, len(order) - size + 1, size):
        take = order[i:i + size]
        yield x[take], y[take]


def main():
    keras.utils.set_random_seed(4)
    rng = np.random.default_rng(4)
    x = rng.normal(size=(600, 8)).astype("float32")
    y = (np.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3]).astype("float32")

    model = keras.Sequential(
        [
            keras.layers.Input((8,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(1),
        ]
    )
    optimizer = keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(5e-3, 120))
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True)
    def train_step(ntv, xb, yb):
        tv = [tf.convert_to_tensor(v.value) for v in model.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(tv)
            pred, ntv = model.stateless_call(tv, ntv, xb, training=True)
            loss = keras.ops.mean(keras.losses.mean_squared_error(yb, pred))
        grads = tape.gradient(loss, tv)
        optimizer.apply(grads, model.trainable_variables)
        return loss, ntv

    # the TensorFlow backend has no optimizer.stateless_apply, so only the layer state is carried by hand
    ntv = [tf.convert_to_tensor(v.value) for v in model.non_trainable_variables]
    watcher = threading.Thread(target=report, daemon=True)
    watcher.start()
    for epoch in range(5):
        for xb, yb in batches(x, y, 50, rng):
            loss, ntv = train_step(ntv, xb, yb)
            progress["step"] += 1
            progress["loss"] = float(loss)
    stop.set()
    watcher.join()

    for var, val in zip(model.non_trainable_variables, ntv):
        var.assign(val)
    print("final mse", float(np.mean((model.predict(x, verbose=0) - y) ** 2)))


if __name__ == "__main__":
    main()
