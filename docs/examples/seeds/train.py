import numpy as np
import tensorflow as tf
import keras

np.random.seed(1)
tf.random.set_seed(2)
x = (np.arange(9) / 10).reshape(9, 1)
y = (np.arange(1, 10) / 10).reshape(9, 1)
model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(10), keras.layers.Dense(1)])
model.compile(optimizer="adam", loss="mse")
model.fit(x, y, batch_size=4, epochs=5, verbose=0)
print(model.evaluate(x, y, verbose=0))
