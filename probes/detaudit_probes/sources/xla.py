"""XLA: the training step compiled as a whole, its operations fused.

A fused kernel adds in another order and rounds less often, so ``compile(jit_compile=True)`` moves
every model. Keras' default is ``jit_compile="auto"``, and what that means depends on the machine:
on the TensorFlow backend of Keras 3.15 it compiles where there is a GPU and every layer supports
it, and not on a machine with CPUs only, under ``tf.distribute`` or under op determinism
(``keras/src/trainers/trainer.py``, ``_resolve_auto_jit_compile`` and ``model_supports_jit``).
``run_eagerly=True`` overrides it. Compiling costs seconds for each new shape of a batch.

On the JAX backend "auto" compiles everywhere, and ``jit_compile=False`` calls the step operation by
operation, each of which XLA compiles by itself (``keras/src/backend/jax/trainer.py``).
"""

from detaudit_probes.declare import Compare, Link, Setting, Source
from detaudit_probes.protocol import Settings

ID = "xla"
STEP = "train_step"  # the method of a model that Keras has compiled

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="compilation with XLA",
    breaks="A compiled step fuses its operations, adds in another order and rounds less often.",
    backends=("tensorflow", "jax", "tf_keras"),
    experiment=Compare(
        models=("mlp", "lstm"),
        settings=(
            Setting("jit_compile=False", settings=Settings(jit_compile=False)),
            Setting("jit_compile=True", settings=Settings(jit_compile=True)),
            Setting('jit_compile="auto"', settings=Settings(jit_compile="auto")),
        ),
    ),
    links=(
        Link(
            "Model.compile: jit_compile",
            "https://keras.io/api/models/model_training_apis/#compile-method",
        ),
        Link("XLA: optimizing compiler", "https://www.tensorflow.org/xla"),
    ),
    advice='Name jit_compile in compile(): its default, "auto", compiles on one machine and not on another.',
)


def start_counting(trial):
    """Count how often JAX traces a whole training step to compile it; it tells so of every function
    that it traces.
    """
    if trial.request.backend == "jax":
        import jax

        jax.monitoring.register_event_duration_secs_listener(
            lambda event, seconds, **named: trial.count(
                ID, int("trace" in event and named.get("fun_name") == STEP)
            )
        )


def count_uses(trial):
    """How many functions in this process must be compiled by XLA, from the runtime's own library;
    on JAX, how many training steps were traced.
    """
    if trial.request.backend == "jax":
        return trial.counts.get(ID, 0)
    from tensorflow.python.eager import context

    runtime = context.context()
    return sum(
        runtime.get_function_def(name).attr["_XlaMustCompile"].b
        for name in runtime.list_function_names()
    )
