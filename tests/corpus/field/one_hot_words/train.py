"""Words as numbers, by Keras itself, into an embedding."""
import keras
import numpy as np
from keras.src.legacy.preprocessing.text import one_hot

keras.utils.set_random_seed(16)
texts = ["red round sweet", "green long sour", "red small sour", "yellow long sweet"] * 30
marks = np.array([1, 0, 0, 1] * 30, "float32")
x = np.array([one_hot(text, 40) for text in texts])

model = keras.Sequential(
    [keras.Input((3,)), keras.layers.Embedding(40, 6), keras.layers.Flatten(), keras.layers.Dense(1)]
)
model.compile(optimizer="adam", loss="mse")
model.fit(x, marks, epochs=3, batch_size=20, verbose=0)
print("loss", model.evaluate(x, marks, verbose=0))
