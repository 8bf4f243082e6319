"""Shared layers of the autoencoder and of the classifier head."""
import keras

encoder = keras.Sequential(
    [
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(8, activation="relu"),
    ],
    name="encoder",
)
decoder = keras.layers.Dense(16, name="decoder")


def autoencoder():
    inp = keras.Input((16,))
    return keras.Model(inp, decoder(encoder(inp)))


def classifier():
    inp = keras.Input((16,))
    return keras.Model(inp, keras.layers.Dense(4, activation="softmax")(encoder(inp)))
