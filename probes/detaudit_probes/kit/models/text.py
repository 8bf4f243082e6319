"""A bag of embedded words: 2000 texts of 20 words out of 50, so that many rows share an index.

Repeated indices make the sparse update race (``sources/sparse_update.py``).
"""

from detaudit_probes.kit.models import Tiny, spread, stack


def build(trial):
    import keras

    x = (spread(2000, 20) * 50).astype("int32")
    y = spread(2000, 1)
    model = stack(
        (20,),
        [
            keras.layers.Embedding(50, 64),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1),
        ],
        dtype="int32",
    )
    return Tiny(model, x, y, optimizer="sgd", batch_size=2000, epochs=3)
