import time

import keras
import numpy as np

keras.utils.set_random_seed(8)


class TimeBudget(keras.callbacks.Callback):
    """Stop training when the budget is used up."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def on_train_begin(self, logs=None):
        self.deadline = time.monotonic() + self.seconds

    def on_train_batch_end(self, batch, logs=None):
        if time.monotonic() > self.deadline:
            self.model.stop_training = True


t = np.linspace(0, 40, 1500)
signal = np.sin(t) + 0.3 * np.sin(3.1 * t) + np.random.normal(0, 0.05, t.size)
X = np.lib.stride_tricks.sliding_window_view(signal, 16)[:-1].astype("float32")
y = signal[16:].astype("float32")

model = keras.Sequential([
    keras.Input((16,)),
    keras.layers.Reshape((16, 1)),
    keras.layers.Conv1D(8, 5, activation="relu"),
    keras.layers.Flatten(),
    keras.layers.Dense(16, activation="relu"),
    keras.layers.Dense(1),
])
model.compile("adam", "mse")
hist = model.fit(X, y, epochs=500, batch_size=32, verbose=0, callbacks=[TimeBudget(2.5)])
print("epochs run:", len(hist.epoch), "loss:", hist.history["loss"][-1])
