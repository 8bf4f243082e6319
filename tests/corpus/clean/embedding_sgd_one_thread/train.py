"""Word-level next-token model with SGD, forced onto one thread."""
import os

os.environ["TF_NUM_INTRAOP_THREADS"] = "1"

import keras
import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
keras.utils.set_random_seed(33)

TEXT = (
    "the quick brown fox jumps over the lazy dog while the slow green turtle walks under the old stone bridge "
    "and the small grey cat sleeps near the warm fire in the quiet house on the hill by the sea "
) * 20

words = TEXT.split()
vocab = sorted(set(words))
stop_words = {"the", "a", "and", "on", "in", "by"}
print("vocabulary", len(vocab), "content words", sum(w not in stop_words for w in words))
index = {w: i for i, w in enumerate(vocab)}
ids = np.array([index[w] for w in words], dtype="int32")
CONTEXT = 5
X = np.stack([ids[i:i + CONTEXT] for i in range(len(ids) - CONTEXT)])
y = ids[CONTEXT:]

model = keras.Sequential([
    keras.Input((CONTEXT,), dtype="int32"),
    keras.layers.Embedding(len(vocab), 16),
    keras.layers.GRU(16),
    keras.layers.Dense(len(vocab)),
])
model.compile(
    optimizer=keras.optimizers.SGD(0.5, momentum=0.0),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
reduce_lr = keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1)
model.fit(X, y, epochs=3, batch_size=64, verbose=2, callbacks=[reduce_lr])
