"""cuDNN under Torch: which algorithm of a convolution is taken, and by whom.

``torch.backends.cudnn.benchmark = True`` times the algorithms that cuDNN offers for each new shape
and takes the fastest, a choice by the clock, which may fall differently in the next process; it is
off by default, and then cuDNN's own heuristic chooses. ``torch.backends.cudnn.deterministic =
True`` leaves only algorithms that repeat themselves, and
``torch.use_deterministic_algorithms(True)`` implies it. ``torch.backends.cudnn.enabled = False``
takes Torch's own kernels. (Torch: reproducibility.)

This experiment has not run on a GPU yet; what is said of one is from the documentation linked
below.
"""

from detaudit_probes.declare import Compare, Link, Needs, Pin, Setting, Source
from detaudit_probes.protocol import own_setting

ID = "torch-cudnn"
GPU_KERNELS = "gpu-kernels"  # the base condition pins them, by op determinism, which is one of the settings here
DETERMINISTIC = "torch-cudnn-deterministic"

SOURCE = Source(
    id=ID,
    family="gpu",
    title="cuDNN under Torch",
    breaks="The algorithm of a convolution is chosen by timing, and some algorithms add in an order of their own.",
    backends=("torch",),
    experiment=Compare(
        models=("cnn", "lstm"),
        settings=(
            Setting("as it is", without=(GPU_KERNELS,)),
            Setting("benchmark", without=(GPU_KERNELS,), settings=own_setting(ID, "benchmark")),
            Setting("deterministic", without=(GPU_KERNELS,), pins=(DETERMINISTIC,)),
            Setting("op determinism", pins=("op-determinism",)),
            Setting("without cuDNN", without=(GPU_KERNELS,), settings=own_setting(ID, "off")),
        ),
        race=True,
    ),
    pins=(
        Pin(
            id=DETERMINISTIC,
            sources=(ID,),
            lines={
                "torch": (
                    "import torch",
                    "torch.backends.cudnn.deterministic = True",
                    "torch.backends.cudnn.benchmark = False",
                )
            },
            note="not run on a GPU yet; by the documentation for convolutions alone",
        ),
    ),
    needs=Needs(gpus=1),
    links=(
        Link(
            "PyTorch: reproducibility", "https://docs.pytorch.org/docs/stable/notes/randomness.html"
        ),
        Link(
            "torch.backends.cudnn",
            "https://docs.pytorch.org/docs/stable/backends.html#torch-backends-cudnn",
        ),
    ),
    advice="Leave benchmark off, use deterministic algorithms, and one cuDNN version everywhere.",
)


def start_counting(trial):
    """Set what the setting asks for."""
    import torch

    if trial.own_setting(ID) == "benchmark":
        torch.backends.cudnn.benchmark = True
    elif trial.own_setting(ID) == "off":
        torch.backends.cudnn.enabled = False


def pin(trial):
    import torch

    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False


def count_uses(trial):
    """1 where a GPU is in use by a build of Torch that has cuDNN."""
    import torch

    return int(trial.backend.gpu_in_use() and torch.backends.cudnn.is_available())
