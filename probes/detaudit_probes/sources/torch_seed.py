"""Torch's default generator: on the Torch backend it decides the order in which ``fit`` shuffles.

There, ``fit(shuffle=True)`` takes its batches from a ``torch.utils.data.DataLoader`` whose
``RandomSampler`` draws from Torch's default generator
(``keras/src/trainers/data_adapters/array_data_adapter.py``, ``get_torch_dataloader``), which a new
process seeds from the operating system (``at::detail::getDefaultCPUGenerator``). Torch's own
dropout and ``torch.rand`` draw from it too; Keras' layers draw from their own seed generators.
"""

from detaudit_probes import backends
from detaudit_probes.declare import Edit, InScript, Link, Pin, Source, Unpin

ID = "torch-seed"

SOURCE = Source(
    id=ID,
    family="generators",
    title="Torch's default generator",
    breaks="fit shuffles its batches with this generator, which is unseeded by default.",
    backends=("torch",),
    experiment=Unpin(models=("mlp",)),
    pins=(
        Pin(
            id=ID,
            in_base=50,
            sources=(ID,),
            lines={"torch": ("import torch", "torch.manual_seed({seed})")},
        ),
    ),
    links=(
        Link(
            "torch.manual_seed",
            "https://docs.pytorch.org/docs/stable/generated/torch.manual_seed.html",
        ),
        Link(
            "PyTorch: reproducibility", "https://docs.pytorch.org/docs/stable/notes/randomness.html"
        ),
    ),
    quick=True,
    trace_name="torch",
    seeders=(("torch", "manual_seed"),),
    script=InScript(
        ID,
        rank=50,
        seeds_workers=True,
        edits=(
            Edit("insert", ("torch.manual_seed({seed})",), after=("torch",)),
            Edit("insert", ("keras.utils.set_random_seed({seed})",), after=("keras",)),
            Edit("insert", ("import torch", "torch.manual_seed({seed})")),
        ),
    ),
)

#: Functions and methods that draw from the default generator unless they are given another.
_FUNCTIONS = (
    "bernoulli",
    "multinomial",
    "normal",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
)
_METHODS = (
    "bernoulli",
    "bernoulli_",
    "cauchy_",
    "exponential_",
    "geometric_",
    "log_normal_",
    "multinomial",
    "normal_",
    "random_",
    "uniform_",
)


def pin(trial):
    trial.backend.seed(trial.seed)


def count_uses(trial):
    return trial.moved("torch")


def pin_script(session, name):
    session.after_import("torch", lambda: backends.get("torch").seed(session.seed))


def touch(session):
    session.after_import("torch", lambda: session.remembered.update({ID: _state()}))


def touched(session, name):
    """Whether the default generator's state changed between Torch's import and the end."""
    before = session.remembered.get(ID)
    return int(before is not None and before != _state())


def _state():
    import torch

    return torch.default_generator.get_state().numpy().tobytes()


def spy(session):
    session.after_import("torch", lambda: _spy(session))


def _spy(session):
    import torch

    session.count_calls(ID, torch, *_FUNCTIONS)
    session.count_calls(ID, torch.Tensor, *_METHODS)
    session.count_calls(
        ID,
        torch.nn.functional,
        "dropout",
        "dropout1d",
        "dropout2d",
        "dropout3d",
        "alpha_dropout",
        "feature_alpha_dropout",
    )
