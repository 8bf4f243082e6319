"""Two-tower recommender on invented clicks, with sampled negatives."""
import random

import keras
import numpy as np
import tensorflow as tf
from keras import layers

random.seed(17)
np.random.seed(17)
tf.random.set_seed(17)

GENRES = ["noir", "western", "comedy", "drama", "sci-fi", "musical"]
N_USERS = 120

catalog = [f"{g}-{i:02d}" for g in GENRES for i in range(15)]
favourite = [random.choice(GENRES) for _ in range(N_USERS)]

clicks = []
for u in range(N_USERS):
    for _ in range(12):
        g = favourite[u] if random.random() < 0.8 else random.choice(GENRES)
        clicks.append((u, f"{g}-{random.randrange(15):02d}"))

seen = set(clicks)
titles = sorted({t for _, t in clicks})
index = {t: i for i, t in enumerate(titles)}
print(len(clicks), "clicks,", len(seen), "distinct,", len(titles), "titles of", len(catalog))

users, items, labels = [], [], []
for u, t in clicks:
    users.append(u)
    items.append(index[t])
    labels.append(1.0)
    neg = random.choice(titles)
    while (u, neg) in seen:
        neg = random.choice(titles)
    users.append(u)
    items.append(index[neg])
    labels.append(0.0)
users, items = np.array(users, "int32"), np.array(items, "int32")
labels = np.array(labels, "float32")
perm = np.random.permutation(len(labels))
users, items, labels = users[perm], items[perm], labels[perm]

user_in = keras.Input((1,), dtype="int32", name="user")
item_in = keras.Input((1,), dtype="int32", name="item")
u = layers.Flatten()(layers.Embedding(N_USERS, 16, embeddings_regularizer="l2")(user_in))
v = layers.Flatten()(layers.Embedding(len(titles), 16)(item_in))
score = layers.Dot(axes=1)([u, v])
prob = layers.Activation("sigmoid")(layers.Dense(1)(score))
model = keras.Model({"user": user_in, "item": item_in}, prob)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy", metrics=["accuracy"])
model.fit({"user": users, "item": items}, labels, epochs=3, batch_size=128, validation_split=0.1, verbose=2)
