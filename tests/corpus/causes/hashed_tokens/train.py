"""Spam-ish detector on hashed token counts (the hashing trick, poor man's version)."""
import random

import keras
import numpy as np
import tensorflow as tf

random.seed(5)
np.random.seed(5)
tf.random.set_seed(5)

N_BUCKETS = 64
HAM = ["meeting", "notes", "lunch", "report", "project", "thanks", "schedule", "review", "draft", "budget"]
SPAM = ["winner", "prize", "click", "cash", "offer", "urgent", "free", "casino", "crypto", "bonus"]


def make_mail(spam):
    words = random.choices(SPAM if spam else HAM, k=5) + random.choices(HAM + SPAM, k=6)
    random.shuffle(words)
    return " ".join(words)


def featurize(mail):
    vec = np.zeros(N_BUCKETS, dtype="float32")
    tokens = mail.split()
    for a, b in zip(tokens, tokens[1:]):
        vec[hash(a) % N_BUCKETS] += 1
        vec[hash(a + "_" + b) % N_BUCKETS] += 0.5
    return vec


labels = np.array([i % 2 for i in range(500)], dtype="float32")
mails = [make_mail(l) for l in labels]
X = np.stack([featurize(m) for m in mails])

model = keras.Sequential([
    keras.Input((N_BUCKETS,)),
    keras.layers.Dense(16, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-4)),
    keras.layers.Dense(1, activation="sigmoid"),
])
model.compile(keras.optimizers.RMSprop(3e-3), "binary_crossentropy", metrics=["accuracy"])
for epoch in range(4):
    order = np.random.permutation(len(X))
    for i in range(0, len(X), 50):
        take = order[i:i + 50]
        loss, acc = model.train_on_batch(X[take], labels[take])
    print("epoch", epoch, "running acc %.3f" % float(acc))
