"""Memory that is read before it is written: ``torch.empty`` returns whatever was left there.

A layer that reads such memory, or a kernel that leaves some of its result unwritten, computes with
the remains of other tensors, which vary from process to process.
``torch.use_deterministic_algorithms(True)`` fills the results of ``torch.empty`` and similar
functions with NaN, or the largest integer, as long as
``torch.utils.deterministic.fill_uninitialized_memory`` is True, its default. So a loss that becomes
NaN under deterministic algorithms points to this source. Filling costs a pass over memory for every
such tensor; without such a bug, you can disable it.

The probe's layer writes random numbers into memory and frees it, in every trial, pinned or not;
then it reads the same amount of memory.
"""

from detaudit_probes.declare import Link, Source, Unpin
from detaudit_probes.kit.models import Tiny, spread

ID = "uninitialized-memory"

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="uninitialized memory",
    breaks="torch.empty returns memory that contains the remains of other tensors.",
    backends=("torch",),
    experiment=Unpin(models=("source:" + ID,), pins=("op-determinism",)),
    links=(
        Link(
            "torch.utils.deterministic.fill_uninitialized_memory",
            "https://docs.pytorch.org/docs/stable/deterministic.html",
        ),
        Link("torch.empty", "https://docs.pytorch.org/docs/stable/generated/torch.empty.html"),
    ),
    advice="Use torch.zeros unless every element is written before it is read.",
)

#: Elements: the allocator takes a tensor of this size from freed memory, not from new pages, which
#: are zero.
SIZE = 4096


def model(trial):
    import keras
    import torch

    class Remains(keras.layers.Layer):
        """Its input plus a number computed from memory that was allocated but not written."""

        def call(self, x):
            if x.device.type == "meta":  # Keras asks for the shape
                return x
            left = torch.full((SIZE,), trial.entropy(2), dtype=torch.int32)
            del left
            found = torch.empty(SIZE, dtype=torch.int32)
            trial.count(ID)
            return x + (found[SIZE // 2 :].double().mean() % 1000 / 1000).to(x.dtype)

    network = keras.Sequential(
        [keras.Input((2,)), Remains(), keras.layers.Dense(4), keras.layers.Dense(1)]
    )
    return Tiny(network, spread(12, 2), spread(12, 1), optimizer="sgd", batch_size=4, epochs=2)
