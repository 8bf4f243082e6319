"""Embeddings: the initial vectors are random weights like any others.

``keras.layers.Embedding`` starts from ``RandomUniform`` without a seed, which takes one from
Python's ``random`` (``keras/src/layers/core/embedding.py``). An embedding can make runs differ in a
second way that no seed pins: its sparse update with repeated indices is a race between threads
(``sparse-update``). This probe uses one thread, so only the initial vectors can differ; the other
weights are seeded, and the rows are not shuffled.
"""

from detaudit_probes import eras
from detaudit_probes.backends import BACKENDS
from detaudit_probes.declare import Link, Source, Unpin
from detaudit_probes.kit import layers
from detaudit_probes.kit.models import Tiny, seeded, spread, stack

ID = "embedding"

SOURCE = Source(
    id=ID,
    family="use",
    component=True,
    title="initial embedding vectors",
    breaks="An Embedding built before the seeds are set starts from different vectors in every run.",
    backends=BACKENDS,
    experiment=Unpin(
        models=("source:embedding",),
        unpins=("python-random",),
        pins=("keras-seed", "python-random"),
    ),
    per_backend=eras.of_layers("source:embedding"),
    links=(Link("keras.layers.Embedding", "https://keras.io/api/layers/core_layers/embedding/"),),
    advice="Set the seeds before the layer is created; with several threads, pin the sparse update as well.",
)


def count_uses(trial):
    return sum(
        len(layers.unseeded_initializers(layer))
        for layer in layers.of_trial(trial)
        if layers.is_a(layer, ("Embedding",))
    )


def model(trial):
    import keras

    network = stack(
        (6,),
        [
            keras.layers.Embedding(20, 8),
            keras.layers.GlobalAveragePooling1D(),
            seeded.dense(1, seed=1),
        ],
        dtype="int32",
    )
    return Tiny(network, (spread(16, 6) * 20).astype("int32"), spread(16, 1), shuffle=False)
