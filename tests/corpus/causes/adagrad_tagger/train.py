"""Part-of-speech-like tagger on made-up sentences."""
import random

import keras
import numpy as np
import tensorflow as tf
from sklearn.model_selection import train_test_split

random.seed(100)
tf.random.set_seed(100)
tf.config.threading.set_intra_op_parallelism_threads(2)

VOCAB, TAGS, LEN = 60, 5, 16


def corpus(n):
    rng = np.random.default_rng(100)
    tag_of = rng.integers(0, TAGS, size=VOCAB)
    words = rng.integers(0, VOCAB, size=(n, LEN))
    tags = tag_of[words]
    tags[:, 1:] = np.where(words[:, :-1] % 9 == 0, (tags[:, 1:] + 1) % TAGS, tags[:, 1:])
    return words.astype("int32"), tags.astype("int32")


def main():
    words, tags = corpus(6000)
    Xtr, Xte, ytr, yte = train_test_split(words, tags, test_size=0.2)

    inp = keras.Input((LEN,), dtype="int32")
    x = keras.layers.Embedding(VOCAB, 48)(inp)
    x = keras.layers.Conv1D(32, 3, padding="causal", activation="relu")(x)
    out = keras.layers.Dense(TAGS, activation="softmax")(x)
    model = keras.Model(inp, out)
    model.compile(
        optimizer=keras.optimizers.Adagrad(0.1),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(Xtr, ytr, batch_size=400, epochs=3, verbose=0)
    print("test accuracy:", model.evaluate(Xte, yte, verbose=0)[1])


if __name__ == "__main__":
    main()
