"""Memory that is read before it is written: what ``torch.empty`` returns is whatever was left
there.

A layer that reads such memory, or a kernel that leaves a part of its result unwritten, computes
with the remains of other tensors, which differ from process to process.
``torch.use_deterministic_algorithms(True)`` fills what ``torch.empty`` and its kin return, with
NaN, or the largest integer, as long as ``torch.utils.deterministic.fill_uninitialized_memory`` is
True, its default: so a loss that turns into NaN under deterministic algorithms points here. Filling
costs a pass over memory for every such tensor; those who have no such bug switch it off. The
probe's layer leaves random numbers in memory that it frees, in every trial, pinned or not, and then
reads as much memory as it has freed.
"""

from detaudit_probes.declare import Link, Source, Unpin
from detaudit_probes.kit.models import Tiny, spread

ID = "uninitialized-memory"

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="memory that is read before it is written",
    breaks="torch.empty returns what other tensors have left there.",
    backends=("torch",),
    experiment=Unpin(models=("source:" + ID,), pins=("op-determinism",)),
    links=(
        Link(
            "torch.utils.deterministic.fill_uninitialized_memory",
            "https://docs.pytorch.org/docs/stable/deterministic.html",
        ),
        Link("torch.empty", "https://docs.pytorch.org/docs/stable/generated/torch.empty.html"),
    ),
    advice="Use torch.zeros where not every element is written before it is read.",
)

#: Elements: a tensor that the allocator takes from what was freed, not from new pages, which are
#: zero.
SIZE = 4096


def model(trial):
    import keras
    import torch

    class Remains(keras.layers.Layer):
        """Its input, and a number made of memory that nobody has written since it was allocated."""

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
