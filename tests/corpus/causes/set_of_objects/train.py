"""Node classification on a random graph, neighbours averaged by hand."""
import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(404)


class Node:
    def __init__(self, idx, label):
        self.idx = idx
        self.label = label
        self.feat = np.random.normal(label, 1.5, size=6)
        self.neighbours = []


def build_graph(n=500):
    nodes = [Node(i, i % 3) for i in range(n)]
    for a in nodes:
        for j in np.random.randint(0, n, size=8):
            b = nodes[j]
            if b is not a and (a.label == b.label or np.random.rand() < 0.2):
                a.neighbours.append(b)
                b.neighbours.append(a)
    return nodes


def reachable(nodes):
    """All nodes in the component of the first one."""
    seen = set()
    todo = [nodes[0]]
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        todo.extend(node.neighbours)
    return seen


component = reachable(build_graph())
rows, labels = [], []
for node in component:
    agg = np.mean([m.feat for m in node.neighbours], axis=0)
    rows.append(np.concatenate([node.feat, agg]))
    labels.append(node.label)
X, y = np.array(rows, "float32"), np.array(labels)
print("component size:", len(X))

model = keras.Sequential([
    keras.Input((12,)),
    keras.layers.Dense(16, activation="relu"),
    keras.layers.Dense(3),
])
opt = keras.optimizers.Lion(1e-3)
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@tf.function
def step(xb, yb):
    with tf.GradientTape() as tape:
        loss = loss_fn(yb, model(xb, training=True))
    grads = tape.gradient(loss, model.trainable_variables)
    opt.apply_gradients(zip(grads, model.trainable_variables))
    return loss


for epoch in range(5):
    for i in range(0, len(X) - 24, 25):
        loss = step(X[i:i + 25], y[i:i + 25])
print("last loss", float(loss))
