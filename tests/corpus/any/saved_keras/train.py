import keras
import numpy as np

keras.config.disable_interactive_logging()
rng = np.random.default_rng(0)
table = rng.normal(size=(200, 6)).astype("float32")
scale = keras.layers.Normalization()
scale.adapt(table)
inputs = keras.Input((6,))
features = keras.layers.Dense(4, activation="tanh", kernel_initializer="orthogonal")(scale(inputs))
encoder = keras.Model(inputs, features)
encoder.save("random_features.keras")
print("saved", encoder.count_params(), "parameters")
