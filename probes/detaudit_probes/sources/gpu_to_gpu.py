"""GPU to GPU: the same training on two cards of one machine.

Two cards of the same model, with the same driver and libraries, should give the same bits. Cards of
different models need not: cuDNN and cuBLAS choose their kernels by chip and number of
multiprocessors, and NVIDIA promises equal bits only for the same architecture and number of
multiprocessors (cuBLAS documentation, "Results reproducibility"). If two equal cards differ, one of
them may be faulty: see the ECC counters in the report. The first two cards are compared.

This experiment has not been run on a GPU yet. What this page says about GPUs comes from the
documentation and the threads linked below.
"""

from detaudit_probes.backends import EVERY_BACKEND
from detaudit_probes.declare import Compare, Link, Needs, Setting, Source

ID = "gpu-to-gpu"


def _settings(pin):
    return (
        Setting("first GPU", device="gpu:0", pins=(pin,)),
        Setting("second GPU", device="gpu:1", pins=(pin,)),
    )


_MODELS = ("mlp", "cnn", "lstm", "attention")

SOURCE = Source(
    id=ID,
    family="gpu",
    title="different GPUs",
    breaks="Libraries choose their kernels by chip, and a card may be faulty.",
    backends=EVERY_BACKEND,
    experiment=Compare(models=_MODELS, settings=_settings("op-determinism")),
    per_backend={"jax": Compare(models=_MODELS, settings=_settings("xla-deterministic"))},
    needs=Needs(gpus=2),
    links=(
        Link(
            "cuBLAS: results reproducibility",
            "https://docs.nvidia.com/cuda/cublas/#results-reproducibility",
        ),
        Link(
            "cuDNN: reproducibility (determinism)",
            "https://docs.nvidia.com/deeplearning/cudnn/latest/developer/misc.html",
        ),
    ),
    advice="Compare runs on cards of the same model. If equal cards give different results, check the hardware.",
)


def count_uses(trial):
    return int(trial.request.device.startswith("gpu:"))
