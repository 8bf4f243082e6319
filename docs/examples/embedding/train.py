import keras
import numpy as np

keras.utils.set_random_seed(1)
x, y = np.random.randint(0, 50, (800, 400)), np.random.rand(800, 1)
words = keras.layers.Embedding(50, 16)
model = keras.Sequential([words, keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1)])
model.compile(optimizer="sgd", loss="mse")
model.fit(x, y, batch_size=800, epochs=4, verbose=0)
