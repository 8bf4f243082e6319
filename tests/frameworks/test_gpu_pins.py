"""What ``detaudit run`` sets for a GPU is set in the script's process, and asked about only where a
script has computed on a GPU. Its effect needs a card (tests/gpu).
"""

import pytest
from detaudit.core.condition import Condition, varied
from detaudit.registry import base

from tests.frameworks.replaying import pinned, runs_of
from tests.interpreters import with_backend

pytestmark = pytest.mark.framework

TORCH = """
import torch
torch.backends.cudnn.benchmark = True
print(torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
print(torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)
"""
TENSORFLOW = """
import os
import tensorflow as tf
tf.zeros(1)
print(os.environ.get("TF_CUDNN_DETERMINISTIC"))
print(tf.config.experimental.tensor_float_32_execution_enabled())
"""
JAX = """
import jax
jax.numpy.zeros(1)
print()
print(jax.config.jax_default_matmul_precision)
"""


@pytest.mark.parametrize(
    ("backend", "text", "pins", "plain", "changed"),
    [
        (
            *("torch", TORCH, ("torch-cudnn-deterministic",)),
            ["False True", "False True"],
            ["True False", "False False"],
        ),
        ("tensorflow", TENSORFLOW, ("cudnn-deterministic",), ["None", "True"], ["1", "False"]),
        ("jax", JAX, (), ["", "None"], ["", "float32"]),
    ],
)
def test_what_is_set_for_a_gpu_is_read_back(tmp_path, backend, text, pins, plain, changed):
    script = tmp_path / "train.py"
    script.write_text(text)
    condition = Condition(backend, "auto", script.name, 1)
    other = pinned(varied(condition, base.script_sources()["tf32"]), pins)
    for number, (one, said) in enumerate([(condition, plain), (other, changed)]):
        folder = tmp_path / str(number)
        (run,) = runs_of(script, (), with_backend(backend), one, 1, folder, {})
        assert run.trace.stdout(1000).decode().split("\n")[:2] == said
        assert not {"tf32", "cudnn", "torch-cudnn"} & set(run.trace.evidence)
