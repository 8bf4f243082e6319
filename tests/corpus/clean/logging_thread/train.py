"""Image denoiser; a writer thread takes metrics from a queue."""
import queue
import random
import threading
import time

import numpy as np
import tensorflow as tf
import keras

random.seed(88)
np.random.seed(88)
tf.random.set_seed(88)

messages = queue.Queue()


def writer():
    while True:
        item = messages.get()
        if item is None:
            return
        stamp, text = item
        print(time.strftime("%H:%M:%S", time.localtime(stamp)), text, flush=True)


class QueueLogger(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        messages.put((time.time(), f"epoch {epoch} {({k: round(float(v), 4) for k, v in logs.items()})}"))


def stripes(n):
    out = np.zeros((n, 12, 12, 1), "float32")
    for i in range(n):
        out[i, random.randrange(12)::random.choice([2, 3, 4])] = 1.0
    return out


thread = threading.Thread(target=writer, name="metrics-writer")
thread.start()
clean = stripes(400)
noisy = clean + np.random.normal(0, 0.3, clean.shape).astype("float32")

inp = keras.Input((12, 12, 1))
x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(inp)
x = keras.layers.Conv2D(1, 3, padding="same")(x)
out = keras.layers.Add()([inp, x])
model = keras.Model(inp, out)
model.compile("adam", "mse")
try:
    model.fit(noisy, clean, epochs=4, batch_size=40, verbose=0, callbacks=[QueueLogger()])
finally:
    messages.put(None)
    thread.join()
