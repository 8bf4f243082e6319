import keras
from keras import layers


def build(length, units):
    inp = keras.Input((length, 1))
    x = layers.GRU(units, return_sequences=True)(inp)
    x = layers.LayerNormalization()(x)
    x = layers.GlobalAveragePooling1D()(x)
    out = layers.Dense(1)(x)
    model = keras.Model(inp, out, name="forecaster")
    model.compile(keras.optimizers.Adam(0.01), loss="huber")
    return model
