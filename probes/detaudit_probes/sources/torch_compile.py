"""``torch.compile``: the training step compiled as a whole, with its operations fused.

With ``compile(jit_compile=True)``, Keras passes its step on the Torch backend to ``torch.compile``.
Its default compiler (Inductor) fuses operations, adds in a different order and, on a CPU,
vectorizes for the machine's instruction set, so a compiled step ends with different bits than an
eager one. ``jit_compile="auto"``, the default, is eager there (Keras 3.15,
``keras/src/trainers/trainer.py``, ``_resolve_auto_jit_compile``). Compiling takes tens of seconds
on a CPU and needs a C++ compiler.
"""

import os
import shutil
import sys

from detaudit_probes.declare import Compare, Link, Setting, Source
from detaudit_probes.given import Unavailable
from detaudit_probes.protocol import Settings

ID = "torch-compile"

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="compilation with torch.compile",
    breaks="A compiled step fuses its operations and adds in a different order.",
    backends=("torch",),
    experiment=Compare(
        models=("mlp",),
        settings=(
            Setting("jit_compile=False", settings=Settings(jit_compile=False)),
            Setting("jit_compile=True", settings=Settings(jit_compile=True)),
            Setting('jit_compile="auto"', settings=Settings(jit_compile="auto")),
        ),
    ),
    links=(
        Link("torch.compile", "https://docs.pytorch.org/docs/stable/generated/torch.compile.html"),
        Link(
            "Model.compile: jit_compile",
            "https://keras.io/api/models/model_training_apis/#compile-method",
        ),
    ),
    advice="Compile in all runs that you compare or in none, with the same version of Torch and instruction set.",
)


def start_counting(trial):
    """Raises Unavailable if the step is to be compiled and cannot be."""
    compilers = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++", "clang"]
    if trial.settings.jit_compile is True and not any(map(shutil.which, compilers)):
        raise Unavailable(
            "torch.compile needs a C++ compiler, but no %s is on PATH" % " or ".join(compilers)
        )


def count_uses(trial):
    """Return how many graphs were compiled in this process."""
    dynamo = sys.modules.get("torch._dynamo")  # imported only if something was to be compiled
    return int(dynamo.utils.counters["stats"]["unique_graphs"]) if dynamo is not None else 0
