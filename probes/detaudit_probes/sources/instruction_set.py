"""The instruction set: a CPU with shorter vectors runs different kernels, which add in a different
order.

oneDNN and XLA generate code for the CPU that they find. Both can be limited to a smaller
instruction set, so part of the behavior of an older CPU can be tried on one machine:
``ONEDNN_MAX_CPU_ISA`` (SSE41, AVX, AVX2, AVX512_CORE ...; unknown values are silently ignored) and
``XLA_FLAGS=--xla_cpu_max_isa=`` (SSE4_2, AVX, AVX2, AVX512 ...; an XLA that does not know the flag
ends the process at its first compilation: "Unknown flag in XLA_FLAGS"). The first affects the
operations that oneDNN runs, the second affects code compiled with XLA. So this source has its own
model, with one compiled layer; on JAX every step is compiled. Torch also has vector kernels of its
own, limited by ``ATEN_CPU_CAPABILITY`` (``default``, ``avx2``, ``avx512``).

Eigen's kernels are compiled for one instruction set and cannot be limited. NumPy and OpenBLAS have
their own variables (``NPY_DISABLE_CPU_FEATURES``, ``OPENBLAS_CORETYPE``), but no training step of
TensorFlow uses them. Between AVX-512 and its extensions (VNNI, BF16, AMX), the bits of float32
models did not change; those extensions are for smaller data types.

It was not tried whether two kinds of CPU match under one limit: each result comes from one machine.
Nor does a limit affect everything. ``tf.math.rsqrt`` is the processor's approximate instruction
followed by one Newton step; its bits reportedly differ between vendors, and no pin fixes that.
"""

import os

from detaudit_probes.backends import EVERY_BACKEND
from detaudit_probes.declare import IMPORT, Compare, Link, Needs, Pin, Setting, Source
from detaudit_probes.kit.models import Tiny, spread

ID = "instruction-set"
OWN = "source:" + ID

#: The flag of ``/proc/cpuinfo`` that tells that a CPU offers more than this limit.
_MORE_THAN = {
    "SSE41": "avx",
    "AVX2": "avx512f",
    "SSE4_2": "avx",
    "default": "avx",
    "avx2": "avx512f",
}

_AVX512 = Needs(cpu_flags=("avx512f",))
_WHOLE = Setting("no limit")

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="the CPU's instruction set",
    breaks="Longer vectors split a sum into more parts, and a fused multiply-add rounds once instead of twice.",
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
            note="limits oneDNN and XLA only, not tf.math.rsqrt; whether two kinds of CPU match under this limit "
            "was not tried",
        ),
        Pin(
            id="aten-avx2",
            sources=(ID,),
            takes_effect=IMPORT,
            environment={"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
            note="limits ATen and oneDNN only; whether two kinds of CPU match under this limit was not tried",
        ),
    ),
    needs=Needs(cpu_flags=("avx",)),
    links=(
        Link(
            "oneDNN: CPU dispatcher control",
            "https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html",
        ),
        Link(
            "TensorFlow issue 53277: different results on different CPUs",
            "https://github.com/tensorflow/tensorflow/issues/53277",
        ),
    ),
    advice="Compare runs on one type of CPU. A limit changes the bits of oneDNN's, XLA's and ATen's kernels; whether "
    "different CPUs then match was not tried.",
)


def model(trial):
    """A layer that normalizes images over the batch, compiled with XLA whatever the step's
    ``jit_compile`` is.
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
    """Return 1 if a limit is set that is below this CPU's instruction set, or if the CPU's flags
    cannot be read.
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
