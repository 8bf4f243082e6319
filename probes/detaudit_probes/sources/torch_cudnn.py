"""cuDNN under Torch: how the algorithm of a convolution is chosen.

``torch.backends.cudnn.benchmark = True`` times the algorithms that cuDNN offers for each new shape
and takes the fastest, so the choice may change from process to process. It is off by default; then
cuDNN's own heuristic chooses. ``torch.backends.cudnn.deterministic = True`` allows only
deterministic algorithms, and ``torch.use_deterministic_algorithms(True)`` implies it.
``torch.backends.cudnn.enabled = False`` uses Torch's own kernels. (Torch: reproducibility.)

This experiment has not been run on a GPU yet. What this page says about GPUs comes from the
documentation linked below.
"""

import importlib

from detaudit_probes.backends import started
from detaudit_probes.declare import Compare, Edit, InScript, Link, Needs, Pin, Setting, Source
from detaudit_probes.protocol import own_setting

ID = "torch-cudnn"
GPU_KERNELS = "gpu-kernels"  # pinned by op determinism in the base condition; a setting here
DETERMINISTIC = "torch-cudnn-deterministic"

_EDIT = Edit(
    "insert",
    ("torch.backends.cudnn.deterministic = True", "torch.backends.cudnn.benchmark = False"),
    after=("torch",),
)

SOURCE = Source(
    id=ID,
    family="gpu",
    title="cuDNN under Torch",
    breaks="Convolution algorithms may be chosen by timing, and some of them add in a varying order.",
    backends=("torch",),
    experiment=Compare(
        models=("cnn", "lstm"),
        settings=(
            Setting("default", without=(GPU_KERNELS,)),
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
            note="not run on a GPU yet; according to the documentation, for convolutions only",
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
    advice="Leave benchmark off, enable deterministic algorithms, and use the same cuDNN version everywhere.",
    script=InScript(DETERMINISTIC, rank=174, race=True, sites=False, edits=(_EDIT,)),
)


def start_counting(trial):
    """Apply the setting."""
    import torch

    if trial.own_setting(ID) == "benchmark":
        torch.backends.cudnn.benchmark = True
    elif trial.own_setting(ID) == "off":
        torch.backends.cudnn.enabled = False


def pin(trial):
    import torch

    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False


def count_uses(trial):
    """Return 1 if a GPU is used by a build of Torch that has cuDNN, else 0."""
    import torch

    return int(trial.backend.gpu_in_use() and torch.backends.cudnn.is_available())


def pin_script(session, name):
    session.after_import("torch", _keep_deterministic)


def _keep_deterministic():
    """Set both, and ignore it if the script sets them otherwise, also by ``cudnn.flags``."""
    import torch

    cudnn = importlib.import_module("torch.backends.cudnn")
    for name, value in (("deterministic", True), ("benchmark", False)):
        setattr(cudnn, name, value)
        setattr(type(cudnn), name, property(lambda self, value=value: value, lambda self, to: None))
        setattr(torch._C, "_set_cudnn_" + name, lambda to: None)


def touched(session, name):
    """Return 1 if the script has computed on a GPU, and cuDNN may choose among its algorithms."""
    if not started.torch_on_gpu():
        return 0
    import torch

    chosen = torch._C._get_cudnn_deterministic() and not torch._C._get_cudnn_benchmark()
    return int(torch.backends.cudnn.is_available() and not chosen)
