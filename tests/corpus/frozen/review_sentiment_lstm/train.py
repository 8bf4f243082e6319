"""Tiny review sentiment classifier: functional API + bidirectional LSTM."""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers

SEED = 1234
MAXLEN = 12
keras.utils.set_random_seed(SEED)

GOOD = ["great", "lovely", "superb", "charming", "brilliant", "funny", "moving", "warm", "clever", "fresh"]
BAD = ["dull", "awful", "boring", "weak", "clumsy", "tedious", "flat", "noisy", "stale", "cold"]
FILLER = ["the", "a", "movie", "plot", "actor", "scene", "was", "really", "quite", "and", "with", "some", "very", "film", "story", "it"]


def make_reviews(n):
    rng = np.random.default_rng(SEED)
    texts, labels = [], []
    for _ in range(n):
        y = int(rng.integers(0, 2))
        pool = GOOD if y else BAD
        k = int(rng.integers(1, 4))
        words = list(rng.choice(pool, size=k)) + list(rng.choice(FILLER, size=MAXLEN - k - 2))
        rng.shuffle(words)
        texts.append(" ".join(words))
        labels.append(y)
    return texts, np.array(labels, dtype="float32")


def build_vocab(texts):
    words = set()
    for t in texts:
        words.update(t.split())
    # 0 = padding, 1 = unknown
    return {w: i + 2 for i, w in enumerate(words)}


def encode(texts, vocab):
    out = np.zeros((len(texts), MAXLEN), dtype="int32")
    for r, t in enumerate(texts):
        ids = [vocab.get(w, 1) for w in t.split()][:MAXLEN]
        out[r, : len(ids)] = ids
    return out


def build_model(vocab_size):
    inp = keras.Input(shape=(MAXLEN,), dtype="int32")
    x = layers.Embedding(vocab_size, 16)(inp)
    x = layers.Bidirectional(layers.LSTM(12))(x)
    x = layers.Dropout(0.2)(x)
    out = layers.Dense(1, activation="sigmoid")(x)
    return keras.Model(inp, out)


texts, y = make_reviews(400)
vocab = build_vocab(texts[:320])
X = encode(texts, vocab)

model = build_model(len(vocab) + 2)
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
model.fit(X[:320], y[:320], validation_data=(X[320:], y[320:]), epochs=3, batch_size=32, verbose=2)
print("test acc:", model.evaluate(X[320:], y[320:], verbose=0)[1])
