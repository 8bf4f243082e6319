"""The instruction set: a lesser CPU runs other kernels, with shorter vectors and other sums.

oneDNN and XLA generate code for the CPU that they find. Both can be told to do with less, so that
some of what a lesser CPU would do is tried on one machine: ``ONEDNN_MAX_CPU_ISA`` (SSE41, AVX,
AVX2, AVX512_CORE ...; an unknown value is ignored in silence) and ``XLA_FLAGS=--xla_cpu_max_isa=``
(SSE4_2, AVX, AVX2, AVX512 ...; an XLA that does not know the flag ends the process when it first
compiles: "Unknown flag in XLA_FLAGS"). The first acts on the operations that oneDNN runs, the
second on what is compiled with XLA, so this source brings a model of its own, with one compiled
layer; on JAX every step is compiled. Torch has its own vector kernels besides:
``ATEN_CPU_CAPABILITY`` (``default``, ``avx2``, ``avx512``).

Eigen's kernels are compiled for one instruction set and cannot be told; NumPy's and OpenBLAS' have
knobs of their own (``NPY_DISABLE_CPU_FEATURES``, ``OPENBLAS_CORETYPE``), which no training step of
TensorFlow meets. Between AVX-512 and its extensions (VNNI, BF16, AMX) float32 models did not move;
those extensions are for fewer bits.

That two kinds of CPU match under one limit was not tried: all of this was seen on one machine at a
time. Nor does a limit reach everything. ``tf.math.rsqrt`` is the processor's approximate
instruction and one Newton step, whose bits differ between vendors by report, and no pin reaches it.
"""

import os

from detaudit_probes.declare import (
    EVERY_BACKEND,
    IMPORT,
    Compare,
    Link,
    Needs,
    Pin,
    Setting,
    Source,
)
from detaudit_probes.kit.models import Tiny, spread

ID = "instruction-set"
OWN = "source:" + ID

#: The flag of ``/proc/cpuinfo`` that a CPU has if it offers more than this limit.
_MORE_THAN = {
    "SSE41": "avx",
    "AVX2": "avx512f",
    "SSE4_2": "avx",
    "default": "avx",
    "avx2": "avx512f",
}

_AVX512 = Needs(cpu_flags=("avx512f",))
_WHOLE = Setting("all that the CPU has")

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="instruction set",
    breaks="Longer vectors split a sum into more parts, and a fused multiply-add rounds once in place of twice.",
    backends=EVERY_BACKEND,
    experiment=Compare(
        models=("cnn", OWN),
        settings=(
            _WHOLE,
            Setting(
                "oneDNN at most SSE4.1",
                environment={"ONEDNN_MAX_CPU_ISA": "SSE41"},
                models=("cnn",),
            ),
            Setting(
                "oneDNN at most AVX2",
                environment={"ONEDNN_MAX_CPU_ISA": "AVX2"},
                models=("cnn",),
                needs=_AVX512,
            ),
            Setting(
                "XLA at most SSE4.2",
                environment={"XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2"},
                models=(OWN,),
            ),
            Setting(
                "XLA at most AVX2",
                environment={"XLA_FLAGS": "--xla_cpu_max_isa=AVX2"},
                models=(OWN,),
                needs=_AVX512,
            ),
        ),
    ),
    per_backend={
        "jax": Compare(
            models=("cnn", "attention"),
            settings=(
                _WHOLE,
                Setting(
                    "XLA at most SSE4.2", environment={"XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2"}
                ),
                Setting(
                    "XLA at most AVX2",
                    environment={"XLA_FLAGS": "--xla_cpu_max_isa=AVX2"},
                    needs=_AVX512,
                ),
            ),
        ),
        "torch": Compare(
            models=("cnn", "attention"),
            settings=(
                _WHOLE,
                Setting("ATen at most SSE4.2", environment={"ATEN_CPU_CAPABILITY": "default"}),
                Setting(
                    "ATen at most AVX2", environment={"ATEN_CPU_CAPABILITY": "avx2"}, needs=_AVX512
                ),
                Setting("oneDNN at most SSE4.1", environment={"ONEDNN_MAX_CPU_ISA": "SSE41"}),
                Setting(
                    "oneDNN at most AVX2", environment={"ONEDNN_MAX_CPU_ISA": "AVX2"}, needs=_AVX512
                ),
            ),
        ),
    },
    pins=(
        Pin(
            id="instruction-set-avx2",
            sources=(ID,),
            takes_effect=IMPORT,
            environment={"ONEDNN_MAX_CPU_ISA": "AVX2", "XLA_FLAGS": "--xla_cpu_max_isa=AVX2"},
            note="limits oneDNN and XLA alone; that two kinds of CPU match under it was not tried, and tf.math.rsqrt "
            "is not reached",
        ),
        Pin(
            id="aten-avx2",
            sources=(ID,),
            takes_effect=IMPORT,
            environment={"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
            note="limits ATen and oneDNN alone; that two kinds of CPU match under it was not tried",
        ),
    ),
    needs=Needs(cpu_flags=("avx",)),
    links=(
        Link(
            "oneDNN: CPU dispatcher control",
            "https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html",
        ),
        Link(
            "TensorFlow issue 53277: other results on another CPU",
            "https://github.com/tensorflow/tensorflow/issues/53277",
        ),
    ),
    advice="Compare runs on one type of CPU. Limits change the bits of oneDNN's, XLA's and ATen's kernels; whether "
    "other CPUs then match was not tried.",
)


def model(trial):
    """A layer that normalises images over the batch, compiled with XLA whatever ``jit_compile``
    says of the step.
    """
    import keras
    import tensorflow as tf

    class Compiled(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

        @tf.function(jit_compile=True)
        def call(self, inputs):
            mean, variance = tf.nn.moments(inputs, [0, 1, 2], keepdims=True)
            return tf.tanh((inputs - mean) * tf.math.rsqrt(variance + 1e-3) * self.scale)

    network = keras.Sequential(
        [
            keras.Input((16, 16, 16)),
            Compiled(),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(1),
        ]
    )
    return Tiny(network, spread(32, 16, 16, 16), spread(32, 1), batch_size=16, epochs=2)


def count_uses(trial):
    """1 where a limit is set that this CPU goes beyond; where its flags cannot be read, a limit
    counts.
    """
    limits = [
        os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
        os.environ.get("ATEN_CPU_CAPABILITY", ""),
        os.environ.get("XLA_FLAGS", "").rpartition("max_isa=")[2].partition(" ")[0],
    ]
    flags = _flags()
    return int(
        any(limit in _MORE_THAN and (not flags or _MORE_THAN[limit] in flags) for limit in limits)
    )


def _flags():
    try:
        with open("/proc/cpuinfo") as file:
            return next((set(line.split()) for line in file if line.startswith("flags")), set())
    except OSError:
        return set()
