"""GPU to GPU: the same training on each of two cards of one machine.

Two cards of one model, with one driver and library, should give the same bits. Cards of different
models need not: cuDNN and cuBLAS choose their kernels by the chip and its number of
multiprocessors, and NVIDIA promises equal bits for one architecture and one number of
multiprocessors only (cuBLAS documentation, "Results reproducibility"). Where two equal cards
disagree, one of them may be at fault: see the ECC counters in the report. The first two cards are
compared.

This experiment has not run on a GPU yet; what is said of one is from the documentation and the
threads linked below.
"""

from detaudit_probes.declare import EVERY_BACKEND, Compare, Link, Needs, Setting, Source

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
    title="one GPU or another",
    breaks="Libraries choose their kernels by the chip; a card may also be faulty.",
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
    advice="Compare runs on cards of one model; equal cards that disagree are worth a hardware check.",
)


def count_uses(trial):
    return int(trial.request.device.startswith("gpu:"))
