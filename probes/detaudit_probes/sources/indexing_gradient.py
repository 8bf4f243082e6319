"""The gradient of an indexed tensor: Torch's threads add rows with the same index to one tensor.

``table[rows]`` (and ``keras.ops.get_item``) takes rows of a tensor, often the same row several
times. Its gradient is ``aten::index_put`` with ``accumulate=True``, which splits the rows over the
threads if they have 32,768 elements or more (Torch 2.13 on a CPU: runs differ with 2,048 rows of 16
and match with 2,047). ``torch.use_deterministic_algorithms(True)`` pins it, and so does one thread.
``keras.layers.Embedding``, ``keras.ops.take``, ``index_select`` and ``gather`` are reproducible
there. On a GPU, the operation is among those that Torch's documentation lists.
"""

from detaudit_probes.declare import Link, Source, Unpin
from detaudit_probes.kit.models import Tiny, spread
from detaudit_probes.protocol import Settings

ID = "indexing-gradient"

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="the gradient of an indexed tensor",
    breaks="Threads add rows with the same index to one tensor in a varying order.",
    backends=("torch",),
    experiment=Unpin(
        models=("source:" + ID,),
        race=True,
        settings=Settings(intra_op_threads=8),
        pins=("op-determinism", "one-thread"),
    ),
    links=(
        Link(
            "torch.use_deterministic_algorithms: what it changes",
            "https://docs.pytorch.org/docs/stable/generated/torch.use_deterministic_algorithms.html",
        ),
    ),
    advice="Use keras.ops.take or an Embedding layer instead of table[rows], or use deterministic algorithms.",
)


def model(trial):
    import keras

    class Rows(keras.layers.Layer):
        """The mean of the table's rows that the input selects."""

        def build(self, shape):
            self.table = self.add_weight(shape=(50, 16), name="table")

        def call(self, x):
            trial.count(ID)
            return self.table.value[x.long()].mean(1)

    network = keras.Sequential([keras.Input((20,), dtype="int32"), Rows(), keras.layers.Dense(1)])
    return Tiny(
        network,
        (spread(2000, 20) * 50).astype("int32"),
        spread(2000, 1),
        optimizer="sgd",
        batch_size=2000,
        epochs=3,
    )
