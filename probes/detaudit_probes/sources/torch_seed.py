"""Torch's default generator: on the Torch backend it decides the order in which ``fit`` shuffles.

There ``fit(shuffle=True)`` takes its batches from a ``torch.utils.data.DataLoader`` whose ``RandomSampler`` draws from
Torch's default generator (``keras/src/trainers/data_adapters/array_data_adapter.py``, ``get_torch_dataloader``),
which a fresh process seeds from the operating system (``at::detail::getDefaultCPUGenerator``). So do Torch's own
dropout and ``torch.rand``; Keras' layers draw from seed generators of their own.
"""
from detaudit_probes.declare import Link, Loosen, Pin, Source

ID = "torch-seed"

SOURCE = Source(
    id=ID,
    family="generators",
    title="Torch's default generator",
    breaks="fit shuffles its batches with an unseeded generator.",
    backends=("torch",),
    experiment=Loosen(models=("mlp",)),
    pins=(
        Pin(
            id=ID,
            holds=(ID,),
            lines={"torch": ("import torch", "torch.manual_seed({seed})")},
        ),
    ),
    links=(
        Link("torch.manual_seed", "https://docs.pytorch.org/docs/stable/generated/torch.manual_seed.html"),
        Link("PyTorch: reproducibility", "https://docs.pytorch.org/docs/stable/notes/randomness.html"),
    ),
    quick=True,
)


def pin(trial):
    trial.backend.seed(trial.seed)


def see(trial):
    return trial.moved("torch")
