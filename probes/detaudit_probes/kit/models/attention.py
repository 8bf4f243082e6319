"""One attention block with a residual connection and layer normalization."""

from detaudit_probes.kit.models import Tiny, spread


def build(trial):
    import keras

    inputs = keras.Input((16, 32))
    attended = keras.layers.MultiHeadAttention(num_heads=4, key_dim=16)(inputs, inputs)
    hidden = keras.layers.LayerNormalization()(inputs + attended)
    hidden = keras.layers.Dense(32, activation="gelu")(hidden)
    outputs = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(hidden))
    return Tiny(
        keras.Model(inputs, outputs), spread(32, 16, 32), spread(32, 1), batch_size=16, epochs=2
    )
