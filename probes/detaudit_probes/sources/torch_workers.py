"""A Torch ``DataLoader`` with workers: each worker process has generators of its own.

A loader draws one base seed from Torch's generator for each pass, and gives worker ``i`` that seed
and ``i`` for ``random``, Torch and NumPy (``torch/utils/data/_utils/worker.py``). So what a
``Dataset`` draws while it augments is pinned where Torch's generator is, for one number of workers:
with another number another worker draws for a row, and with none the rows draw from the script's
own generators. A worker that makes its own generator from nothing (``numpy.random.default_rng()``)
is reached by no seed.
"""

from detaudit_probes.declare import Compare, Link, Setting, Source
from detaudit_probes.protocol import Settings

ID = "torch-workers"

SOURCE = Source(
    id=ID,
    family="order",
    title="the workers of a Torch DataLoader",
    breaks="Another number of workers gives each row another draw.",
    backends=("torch",),
    experiment=Compare(
        models=("mlp",),
        settings=(
            Setting("2 workers", settings=Settings(loader_workers=2)),
            Setting("1 worker", settings=Settings(loader_workers=1)),
            Setting("no worker", settings=Settings(loader_workers=0)),
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
    advice="Train with one number of workers everywhere, or draw from a generator made of the row's number.",
)


def count_uses(trial):
    return trial.counts.get(ID, 0)


def feed(trial, x, y):
    """Rows with noise that the workers draw, in order, in batches of four."""
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
