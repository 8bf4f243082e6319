"""A Torch ``DataLoader`` with workers: each worker process has its own generators.

For each pass, a loader draws one base seed from Torch's generator. Worker ``i`` seeds ``random``,
Torch and NumPy from that seed and ``i`` (``torch/utils/data/_utils/worker.py``). So pinning Torch's
generator also pins the draws of a ``Dataset`` that augments, as long as the number of workers is
the same. With a different number, a different worker draws for a row, and without workers the rows
draw from the script's own generators. No seed affects a worker that creates its own unseeded
generator (``numpy.random.default_rng()``).
"""

from detaudit_probes.declare import Compare, Link, Setting, Source
from detaudit_probes.protocol import Settings

ID = "torch-workers"

SOURCE = Source(
    id=ID,
    family="order",
    title="the workers of a Torch DataLoader",
    breaks="With a different number of workers, each row gets different random numbers.",
    backends=("torch",),
    experiment=Compare(
        models=("mlp",),
        settings=(
            Setting("2 workers", settings=Settings(loader_workers=2)),
            Setting("1 worker", settings=Settings(loader_workers=1)),
            Setting("no workers", settings=Settings(loader_workers=0)),
        ),
        feed=True,
    ),
    links=(
        Link(
            "Torch: reproducibility of a DataLoader",
            "https://docs.pytorch.org/docs/stable/notes/randomness.html#dataloader",
        ),
        Link(
            "torch.utils.data: randomness in multi-process data loading",
            "https://docs.pytorch.org/docs/stable/data.html#data-loading-randomness",
        ),
    ),
    advice="Use the same number of workers everywhere, or seed a generator with each row's number.",
)


def count_uses(trial):
    return trial.counts.get(ID, 0)


def feed(trial, x, y):
    """Return rows with noise that the workers draw, in order, in batches of four."""
    import torch

    class Noisy(torch.utils.data.Dataset):
        def __len__(self):
            return len(x)

        def __getitem__(self, row):
            return torch.from_numpy(x[row]) + 0.01 * torch.randn(x[row].shape), torch.from_numpy(
                y[row]
            )

    workers = trial.settings.loader_workers
    trial.count(ID, workers)
    return torch.utils.data.DataLoader(Noisy(), batch_size=4, num_workers=workers)
