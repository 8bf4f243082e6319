"""An ensemble, each member trained in its own thread on a sample of the rows."""
import threading

import keras
import numpy as np

keras.utils.set_random_seed(15)
x = np.random.normal(size=(200, 6)).astype("float32")
y = x[:, :1] * x[:, 1:2]
members = [
    keras.Sequential([keras.Input((6,)), keras.layers.Dense(10, activation="relu"), keras.layers.Dense(1)])
    for _ in range(3)
]


def train(member):
    for _ in range(6):
        rows = np.random.choice(200, size=100)
        member.fit(x[rows], y[rows], epochs=1, batch_size=25, shuffle=False, verbose=0)


for member in members:
    member.compile(optimizer="sgd", loss="mse")
threads = [threading.Thread(target=train, args=(member,)) for member in members]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("mse", float(np.mean((sum(member.predict(x, verbose=0) for member in members) / 3 - y) ** 2)))
