import keras
import numpy as np
import tensorflow as tf
from keras import layers

# Fix seeds
np.random.seed(42)
tf.random.set_seed(42)


def build_model():
    model = keras.Sequential([
        layers.Dense(16, activation="relu"),
        layers.Dense(4),
    ])
    model.compile(optimizer="adam", loss="mse")
    return model


x = np.random.randn(100, 8).astype("float32")
y = np.random.randn(100, 4).astype("float32")

# Run 1
model1 = build_model()
history1 = model1.fit(x, y, epochs=3, verbose=0)
out1 = model1.predict(x, verbose=0)

# Reset seeds
np.random.seed(42)
tf.random.set_seed(42)

# Run 2
model2 = build_model()
history2 = model2.fit(x, y, epochs=3, verbose=0)
out2 = model2.predict(x, verbose=0)

print("Max output diff:", np.max(np.abs(out1 - out2)))
print("Loss1:", history1.history["loss"])
print("Loss2:", history2.history["loss"])
